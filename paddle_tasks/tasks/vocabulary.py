"""The tokenizer of an encoder that is trained from scratch: its vocabulary is learnt from the train split alone."""

from __future__ import annotations

from collections.abc import Iterable

from paddle_tasks.data.tables.section import VocabularySection
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.vocabulary import learn_vocabulary


def learn_tokenizer(section: VocabularySection, texts: Iterable[str]) -> Tokenizer:
    """Return a tokenizer whose vocabulary is learnt from texts by the settings of ``data.vocabulary``."""
    vocabulary = learn_vocabulary(
        texts,
        min_count=section.min_count,
        max_size=section.max_size,
        lowercase=section.lowercase,
        min_word_count=section.min_word_count,
        spell_rare_words=section.rare_words == "characters",
    )
    return Tokenizer(vocabulary, lowercase=section.lowercase)
