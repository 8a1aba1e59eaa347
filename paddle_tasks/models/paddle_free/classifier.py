"""The forward pass of `paddle_tasks.models.classifier.TextClassifier`: encoder, pooling, head, probabilities."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.encoder import Arrays, Encoder, Unsupported
from paddle_tasks.text.packing import PackedIds

_TOKENS_PER_BATCH = 4096
_LENGTH_STEP = 8
"""Batches are padded to a multiple of this, because oneDNN needs some milliseconds for each new shape."""

_HEAD_TENSOR = re.compile(r"head\.(hidden|output)\.(weight|bias)")

Head = Callable[[Array], Array]


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of single texts.

    Attributes:
        encoder: the encoder.
        pooling: ``cls``, ``mean`` or ``max``.
        head: maps text vectors <float32>[batch, width] to units <float32>[batch, n_units].
        is_sigmoid: whether the one unit is the log-odds of the second class.
    """

    encoder: Encoder
    pooling: str
    head: Head
    is_sigmoid: bool

    @classmethod
    def from_arrays(
        cls, config: Mapping[str, Any], section: Mapping[str, Any], arrays: Arrays, n_classes: int, *, bfloat16: bool
    ) -> Classifier:
        """Return the classifier of a model folder.

        Args:
            config: its config.json.
            section: the ``model`` section of its configuration.
            arrays: its tensors, <float32>.
            n_classes: the number of its labels.
            bfloat16: whether the layers compute their products in it.

        Raises:
            Unsupported: a part is of another kind.
        """
        if section.get("pooling") not in ("cls", "mean", "max"):
            raise Unsupported(f"the pooling {section.get('pooling')}")
        head, others = _head(str(section.get("head")), arrays), f"{config.get('model_type')}."
        if any(not name.startswith(others) and not _HEAD_TENSOR.fullmatch(name) for name in arrays):
            raise Unsupported("tensors of other parts")
        encoder = Encoder.from_arrays(config, arrays, bfloat16=bfloat16)
        is_sigmoid = section.get("output") == "sigmoid"
        n_units = _check_shapes(arrays, encoder.words.shape[1])
        if n_units != (1 if is_sigmoid else n_classes) or (is_sigmoid and n_classes != 2):
            raise Unsupported(f"{n_units} units for {n_classes} classes")
        return cls(encoder, section["pooling"], head, is_sigmoid)

    def probabilities(self, packed: PackedIds, pad_id: int) -> Array:
        """Return the probabilities of the classes <float32>[rows, classes] for encoded texts."""
        units = compute_batches(packed, pad_id, len(self.encoder.positions), self._units)
        return softmax_rows(np.pad(units, ((0, 0), (1, 0))) if self.is_sigmoid else units)

    def _units(self, ids: Array, types: Array, lengths: Array) -> Array:
        states = self.encoder.states(ids, types, lengths, first_only=self.pooling == "cls")
        return self.head(self._pool(states, lengths))

    def _pool(self, states: Array, lengths: Array) -> Array:
        if self.pooling == "cls":
            first, pooler = states[:, 0], self.encoder.pooler
            return first if pooler is None else np.tanh(_linear(first, *pooler))
        is_padding = np.arange(states.shape[1]) >= lengths[:, None]
        if self.pooling == "max":
            pooled: Array = np.where(is_padding[..., None], -np.inf, states).max(axis=1)
            return pooled
        states[is_padding] = 0
        mean: Array = states.sum(axis=1) / lengths[:, None].astype(np.float32)
        return mean


def _head(name: str, arrays: Arrays) -> Head:
    """Return the head of this name with its trained weights."""
    maps = {"linear": ("output",), "mlp": ("hidden", "output")}.get(name)
    if maps is None:
        raise Unsupported(f"the head {name}")
    pairs = [(arrays[f"head.{part}.weight"], arrays[f"head.{part}.bias"]) for part in maps]
    return partial(_apply, pairs)


def _check_shapes(arrays: Arrays, width: int) -> int:
    """Check that the maps of the head follow one another, and return the number of units.

    Raises:
        Unsupported: they do not.
    """
    for part in ("hidden", "output"):
        if f"head.{part}.weight" in arrays:
            weight, bias = arrays[f"head.{part}.weight"], arrays[f"head.{part}.bias"]
            if weight.shape != (width, len(bias)) or bias.ndim != 1:
                raise Unsupported(f"a head of {weight.shape}")
            width = len(bias)
    return width


def _apply(pairs: list[tuple[Array, Array]], vectors: Array) -> Array:
    for pair in pairs[:-1]:
        vectors = np.maximum(_linear(vectors, *pair), 0)
    return _linear(vectors, *pairs[-1])


def _linear(vectors: Array, weight: Array, bias: Array) -> Array:
    result: Array = vectors @ weight + bias
    return result


def compute_batches(
    packed: PackedIds, pad_id: int, most: int, compute: Callable[[Array, Array, Array], Array]
) -> Array:
    """Return what is computed of at least one encoded text, in batches of similar lengths.

    Args:
        packed: the texts.
        pad_id: the id in the padding.
        most: the maximum length that can be computed.
        compute: takes ids and token types <int64>[batch, length] and lengths <int64>[batch], and returns
            <float32>[batch, units].

    Returns:
        <float32>[rows, units].
    """
    lengths, parts = packed.lengths, []
    for rows in _batches(lengths, most):
        ids, types = packed.pad(rows, pad_id, _padded(int(lengths[rows].max()), most))
        parts.append((rows, compute(ids, types, lengths[rows])))
    result = np.empty((len(packed), parts[0][1].shape[1]), np.float32)
    for rows, values in parts:
        result[rows] = values
    return result


def softmax_rows(values: Array) -> Array:
    """Return the softmax of each row <float32>[rows, units]."""
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    result: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def _batches(lengths: Array, most: int) -> Iterator[Array]:
    """Yield the rows of each batch: rows of similar lengths, the longest first; ``most`` is the longest possible."""
    order, start = np.argsort(-lengths, kind="stable"), 0
    while start < len(order):
        size = max(1, _TOKENS_PER_BATCH // _padded(int(lengths[order[start]]), most))
        yield order[start : start + size]
        start += size


def _padded(length: int, most: int) -> int:
    return min(most, -(-length // _LENGTH_STEP) * _LENGTH_STEP)
