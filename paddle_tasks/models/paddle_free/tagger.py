"""The forward pass of `paddle_tasks.models.opinion.OpinionTagger`: encoder, emissions of the tags, logits of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import NEVER, OUTSIDE, Chain
from paddle_tasks.models.paddle_free.encoder import Arrays, Encoder, Unsupported
from paddle_tasks.models.paddle_free.operations import apply_map, read_pair
from paddle_tasks.models.span_distances import DISTANCES, IMPLICIT, OVERLAP
from paddle_tasks.onednn import primitives
from paddle_tasks.onednn.recurrent import Call, Parameters

_HEADS: Mapping[str, tuple[str, ...]] = {"linear": (), "crf": ("crf",), "bilstm_crf": ("crf", "tag_lstm")}
_CHAIN = ("start", "transitions", "end")
_SIZE_STEP = 8192


@dataclass(frozen=True)
class Tagger:
    """A trained tagger.

    Attributes:
        encoder: the encoder.
        parts: the tensors of the heads by name, <float32>.
        chain: decodes the emissions.
        n_polarities: classes of pairs that belong together; 0: there are no pairs.
    """

    encoder: Encoder
    parts: Arrays
    chain: Chain
    n_polarities: int

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], head: str, arrays: Arrays, n_polarities: int) -> Tagger:
        """Return the tagger of a model folder.

        Args:
            config: its config.json.
            head: the name of its tag head.
            arrays: its tensors, <float32>.
            n_polarities: the number of its polarities.

        Raises:
            Unsupported: a part is of another kind.
        """
        others = f"{config.get('model_type')}."
        parts = {name: array for name, array in arrays.items() if not name.startswith(others)}
        encoder = Encoder.from_arrays(config, arrays, bfloat16=False)
        expected = _shapes(parts, head, encoder.words.shape[1], n_polarities)
        if {name: array.shape for name, array in parts.items()} != expected:  # oneDNN would read beyond other arrays
            raise Unsupported(f"a tagger with the head {head} of {sorted(parts)}")
        return cls(encoder, parts, _chain(parts), n_polarities)

    @property
    def max_length(self) -> int:
        """The maximum number of tokens that can be read at once."""
        return len(self.encoder.positions)

    def encode(self, ids: Array, lengths: Array) -> tuple[Array, Array]:
        """Return states <float32>[batch, length, width] and emissions <float32>[batch, length, tags].

        Args:
            ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each row.
        """
        states = self.encoder.states(ids, np.zeros_like(ids), lengths)
        hidden = _read_both_ways(self.parts, states, lengths) if "tag_lstm.weight_ih_l0" in self.parts else states
        emissions = apply_map(hidden, read_pair(self.parts, "output"))
        positions = np.arange(ids.shape[1])
        is_special = (positions == 0) | (positions == lengths[:, None] - 1)
        is_tag = np.arange(emissions.shape[2]) != OUTSIDE
        emissions[is_special[:, :, None] & is_tag] = NEVER
        return states, emissions

    def pair_logits(self, states: Array, aspects: Array, opinions: Array) -> Array:
        """Return <float32>[batch, 1 + aspects, opinions, classes]; see `paddle_tasks.models.span_pairs.SpanPairs`."""
        pair = partial(read_pair, self.parts)
        explicit = _gelu(apply_map(_span_vectors(states, aspects), pair("pairs.aspect")))
        opinion = _gelu(apply_map(_span_vectors(states, opinions), pair("pairs.opinion")))
        implicit = np.broadcast_to(self.parts["pairs.implicit"], (len(states), 1, explicit.shape[2]))
        aspect = np.concatenate([implicit, explicit], axis=1)
        both = (
            apply_map(aspect, pair("pairs.of_aspect"))[:, :, None]
            + apply_map(opinion, pair("pairs.of_opinion"))[:, None]
        )
        both += self.parts["pairs.distance.weight"][_distance_classes(aspects, opinions)]
        logits = apply_map(_gelu(both), pair("pairs.output"))
        mapped = (aspect @ self.parts["pairs.bilinear.weight"]).reshape(*aspect.shape[:2], -1, aspect.shape[2])
        logits += np.einsum("bacs,bos->baoc", mapped, opinion, optimize=True)
        return logits


def _shapes(parts: Arrays, head: str, width: int, n_polarities: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the tensors of the heads should have."""
    n_tags = parts["output.bias"].size
    shapes: dict[str, tuple[int, ...]] = {**_linear("output", width, n_tags)}
    if head not in _HEADS:
        raise Unsupported(f"the head {head}")
    if "crf" in _HEADS[head]:
        shapes |= {"crf.start": (n_tags,), "crf.transitions": (n_tags, n_tags), "crf.end": (n_tags,)}
    if "tag_lstm" in _HEADS[head]:
        size = parts["tag_lstm.bias_ih_l0"].size // 4
        for suffix in ("l0", "l0_reverse"):
            shapes |= {f"tag_lstm.weight_ih_{suffix}": (4 * size, width), f"tag_lstm.bias_ih_{suffix}": (4 * size,)}
            shapes |= {f"tag_lstm.weight_hh_{suffix}": (4 * size, size), f"tag_lstm.bias_hh_{suffix}": (4 * size,)}
    if n_polarities:
        size, n_classes = parts["pairs.implicit"].size, 1 + n_polarities
        shapes |= {**_linear("pairs.aspect", 3 * width, size), **_linear("pairs.opinion", 3 * width, size)}
        shapes |= {**_linear("pairs.of_aspect", size, size), **_linear("pairs.of_opinion", size, size)}
        shapes |= {"pairs.implicit": (size,), "pairs.distance.weight": (IMPLICIT + 1, size)}
        shapes |= {**_linear("pairs.output", size, n_classes), "pairs.bilinear.weight": (size, n_classes * size)}
    return shapes


def _linear(name: str, n_inputs: int, n_outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (n_inputs, n_outputs), f"{name}.bias": (n_outputs,)}


def _chain(parts: Arrays) -> Chain:
    if "crf.start" not in parts:
        return Chain.without_scores((parts["output.bias"].size - 1) // 2)
    return Chain(*(parts[f"crf.{name}"].astype(np.float64) for name in _CHAIN))


def _read_both_ways(parts: Arrays, states: Array, lengths: Array) -> Array:
    """Return the states <float32>[batch, length, directions * size] of a bidirectional LSTM."""
    steps = np.arange(states.shape[1])
    order = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)[:, :, None]
    forward = _read(parts, "l0", states)
    backward = _read(parts, "l0_reverse", np.take_along_axis(states, order, axis=1))
    return np.concatenate([forward, np.take_along_axis(backward, order, axis=1)], axis=2)


def _read(parts: Arrays, suffix: str, states: Array) -> Array:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    parameters = Parameters(*(parts[f"tag_lstm.{name}_{suffix}"] for name in names))
    steps = np.ascontiguousarray(states.transpose(1, 0, 2))
    return Call.compute("lstm", steps, parameters, keeps=False).states.transpose(1, 0, 2)


def _gelu(values: Array) -> Array:
    """Return <float32>[…]; in few sizes, because oneDNN needs some milliseconds for each new one."""
    padded = np.zeros(-(-values.size // _SIZE_STEP) * _SIZE_STEP, np.float32)
    padded[: values.size] = values.ravel()
    primitives.activate("gelu", padded, padded)
    return padded[: values.size].reshape(values.shape)


def _span_vectors(states: Array, spans: Array) -> Array:
    """Return the first, the last and the mean state of each span <float32>[batch, spans, 3 * width]."""
    starts = spans[:, :, :1]
    ends = np.maximum(spans[:, :, 1:], starts + 1)
    positions = np.arange(states.shape[1])
    weights = [positions == starts, positions == ends - 1]
    weights.append(((positions >= starts) & (positions < ends)) / (ends - starts))
    return np.concatenate([weight.astype(np.float32) @ states for weight in weights], axis=2)


def _distance_classes(aspects: Array, opinions: Array) -> Array:
    """Return <int64>[batch, 1 + aspects, opinions]; see `paddle_tasks.models.span_pairs.distance_classes`."""
    after = opinions[:, None, :, 0] - aspects[:, :, 1:]
    before = aspects[:, :, :1] - opinions[:, None, :, 1]
    gap = np.maximum(after, before)
    n_passed = np.searchsorted(DISTANCES, gap, side="right")
    classes = np.where(gap < 0, OVERLAP, 2 * n_passed + (before > after))
    return np.pad(classes, ((0, 0), (1, 0), (0, 0)), constant_values=IMPLICIT)
