"""The networks of exported translation models as decoding strategies use them, without Paddle."""

from __future__ import annotations

from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.writers import NetworkTranslator
from paddle_tasks.tasks.translate.section import TranslateModel


def network_translator(
    section: TranslateModel, networks: Networks, vocabulary: CharacterVocabulary
) -> NetworkTranslator:
    """Return what makes decoders of networks."""
    has_attention = section.architecture != "rnn" or section.attention != "none"
    return NetworkTranslator(networks, vocabulary.start_id, has_attention)
