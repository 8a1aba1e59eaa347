"""The scores of a tagger's chain in an exported folder; without Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json_object, write_json
from paddle_tasks.models.chain import Chain
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
