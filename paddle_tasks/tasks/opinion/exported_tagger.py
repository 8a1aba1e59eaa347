"""An exported tagger without Paddle: its networks, and the scores of its chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json_object, write_json
from paddle_tasks.models.chain import Chain
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.spans import ENCODER, PAIRS, TAGS
from paddle_tasks.models.pretrained import tensors

_CHAIN = "chain.json"
_SCORES = ("start", "transitions", "end")


def write_chain(weights: Path, folder: Path, n_labels: int) -> None:
    """Write the scores of a tagger's chain as JSON.

    Args:
        weights: the file of its tensors.
        folder: the exported folder.
        n_labels: the number of its labels.
    """
    arrays = tensors.read(weights)
    chain = Chain.without_scores(n_labels)
    scores: Sequence[Array] = [arrays.get(f"crf.{name}", getattr(chain, name)) for name in _SCORES]
    write_json(folder / _CHAIN, {name: array.tolist() for name, array in zip(_SCORES, scores, strict=True)})


def read_chain(folder: Path) -> Chain:
    """Return the chain of an exported folder."""
    scores = read_json_object(folder / _CHAIN, CheckpointError)
    return Chain(*(np.array(scores[name], np.float32) for name in _SCORES))


@dataclass(frozen=True)
class NetworkTagger:
    """Computes with the networks of an exported folder.

    Attributes:
        networks: those of the folder.
        chain: decodes the emissions.
        n_polarities: 0: there are no pairs.
    """

    networks: Networks
    chain: Chain
    n_polarities: int

    def encode(self, ids: Array, lengths: Array) -> tuple[Array, Array]:
        """Return states <float32>[batch, length, width] and emissions <float32>[batch, length, tags]."""
        states = self.networks.run(ENCODER, {"input_ids": ids, "lengths": lengths})["states"]
        return states, self.networks.run(TAGS, {"states": states, "lengths": lengths})["emissions"]

    def pair_logits(self, states: Array, aspects: Array, opinions: Array) -> Array:
        """Return the logits <float32>[batch, 1 + aspects, opinions, classes]."""
        given = {"states": np.ascontiguousarray(states), "aspects": aspects, "opinions": opinions}
        return self.networks.run(PAIRS, given)["logits"]
