"""The networks of exported language models as decoding strategies use them, without Paddle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.character_batches import context_batch
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.models.graphs.causal_lm import WINDOW
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.writers import CausalNetworkWriter
from paddle_tasks.tasks.novel.writers import RecomputingWriter

SHAPE_FILE = "cache.json"
"""The file with the numbers of layers and heads and the size of a head, which shape the cache."""


def network_writer(
    settings: Mapping[str, Any], shape: Sequence[int], networks: Networks, vocabulary: CharacterVocabulary
) -> NextTokenModel:
    """Return the model for decoding.

    Args:
        settings: the settings of the exported folder.
        shape: layers, heads and the size of a head of a causal Transformer.
        networks: its networks.
        vocabulary: its characters.
    """
    config = settings["config"]
    window = int(config["data"]["window"])
    if config["model"]["architecture"] == "gpt":
        n_layers, n_heads, size = shape
        return CausalNetworkWriter(networks, (n_layers, n_heads, size), window, vocabulary.start_id)
    masked = config["data"]["mask_at_end"] != "none"
    return RecomputingWriter(partial(_rate_windows, networks, vocabulary, masked), (), window)


def _rate_windows(
    networks: Networks, vocabulary: CharacterVocabulary, masked: bool, contexts: Sequence[Sequence[int]]
) -> Array:
    batch = context_batch(contexts, vocabulary, masked=masked)
    return run_windows(networks, batch.input_ids, batch.lengths, batch.positions)


def run_windows(networks: Networks, ids: Array, lengths: Array, positions: Array) -> Array:
    """Return the log-probabilities <float32>[batch, characters] of the characters of windows.

    Args:
        networks: those of the exported folder.
        ids: <int64>[batch, length].
        lengths: <int64>[batch].
        positions: <int64>[batch], indices into the flattened [batch * length].
    """
    inputs = {"input_ids": ids, "lengths": lengths, "positions": positions % ids.shape[1]}
    return networks.run(WINDOW, inputs)["log_probs"]
