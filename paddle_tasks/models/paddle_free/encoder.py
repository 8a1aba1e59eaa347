"""The forward pass of a BERT or an ERNIE from the files of its model folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn import primitives
from paddle_tasks.onednn.encoder_layer import Call, Drops, Layer, Norm
from paddle_tasks.onednn.linear_map import prepare_map

Arrays = Mapping[str, Array]

ACTIVATIONS = {
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}
ERNIE_EPSILON = 1e-12  # PaddleNLP's ERNIE has it, whatever the configuration says
NO_ATTENTION = -1e4  # what PaddleNLP adds to the scores of padding


class Unsupported(Exception):  # noqa: N818 - not an error: the caller takes another path
    """A model that has no forward pass here."""


@dataclass(frozen=True)
class Encoder:
    """The weights of an encoder, ready for products.

    Attributes:
        words: <float32>[vocabulary, width].
        positions: <float32>[n_positions, width].
        types: <float32>[n_types, width].
        norm: of the sum of the three embeddings.
        layers: from the first to the last.
        pooler: weight and bias of the pooler, <float32>[width, width] and <float32>[width]; None if there is none.
    """

    words: Array
    positions: Array
    types: Array
    norm: Norm
    layers: tuple[Layer, ...]
    pooler: tuple[Array, Array] | None

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Arrays, *, bfloat16: bool) -> Encoder:
        """Return the encoder of a model folder.

        Args:
            config: its config.json.
            arrays: its tensors with PaddleNLP's names, <float32>.
            bfloat16: whether the layers compute their products in it.

        Raises:
            Unsupported: the encoder is of another kind.
        """
        kind = config.get("model_type")
        if config.get("pool_act", "tanh") != "tanh":
            raise Unsupported("a pooler without tanh")
        if kind not in ("bert", "ernie") or config.get("use_task_id") or config.get("hidden_act") not in ACTIVATIONS:
            raise Unsupported(f"an encoder of the kind {kind}")
        epsilon = ERNIE_EPSILON if kind == "ernie" else float(config["layer_norm_eps"])
        parts = _Parts(arrays, f"{kind}.", epsilon, bfloat16)
        words, positions, types = (
            parts[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        if words.ndim != 2 or positions.shape[1:] != words.shape[1:] or types.shape[1:] != words.shape[1:]:
            raise Unsupported(f"embeddings of {words.shape}, {positions.shape} and {types.shape}")
        if kind == "ernie":
            words[int(config.get("pad_token_id", 0))] = 0  # PaddleNLP's ERNIE looks up zeros there
        heads, activation = int(config["num_attention_heads"]), ACTIVATIONS[config["hidden_act"]]
        if words.shape[1] % heads:
            raise Unsupported(f"{heads} heads for a width of {words.shape[1]}")
        layers = tuple(parts.layer(number, heads, activation) for number in range(int(config["num_hidden_layers"])))
        encoder = cls(words, positions, types, parts.norm("embeddings.layer_norm"), layers, parts.pooler())
        unused = {name for name in arrays if name.startswith(parts.prefix)} - parts.used
        if unused:
            raise Unsupported(f"the tensor {min(unused)}")
        return encoder

    def states(self, ids: Array, types: Array, lengths: Array, *, first_only: bool = False) -> Array:
        """Return the states of the last layer.

        Args:
            ids: <int>[batch, length].
            types: <int>[batch, length].
            lengths: <int>[batch], real tokens of each row, at least 1.
            first_only: return the first position of each row only.

        Returns:
            <float32>[batch, length, width], or <float32>[batch, 1, width].
        """
        batch, length = ids.shape
        states = self._embed(ids, types)
        offsets = None
        if (lengths < length).any():
            is_padding = np.arange(length) >= lengths[:, None]
            offsets = (is_padding * np.float32(NO_ATTENTION)).reshape(batch, 1, 1, length)
        for number, layer in enumerate(self.layers, start=1):
            is_last = number == len(self.layers)
            result = Call(layer, states, offsets, Drops(), first_only=first_only and is_last).result
            states = result.reshape(batch, -1, result.shape[-1])
        return states

    def _embed(self, ids: Array, types: Array) -> Array:
        summed = self.words[ids]
        summed += self.positions[: ids.shape[1]]
        summed += self.types[types] if types.any() else self.types[0]
        rows = summed.reshape(-1, summed.shape[-1])
        primitives.layer_norm(rows, *self.norm, rows)
        return summed


@dataclass(frozen=True)
class _Parts:
    """The tensors of a file by PaddleNLP's names without their prefix; ``used`` are the names that were read."""

    arrays: Arrays
    prefix: str
    epsilon: float
    bfloat16: bool
    used: set[str] = field(default_factory=set)

    @property
    def width(self) -> int:
        return self["embeddings.word_embeddings.weight"].shape[1]

    def __getitem__(self, name: str) -> Array:
        self.used.add(self.prefix + name)
        return np.ascontiguousarray(self.arrays[self.prefix + name], dtype=np.float32)

    def pair(self, name: str, *shape: int) -> tuple[Array, Array]:
        """Return weight and bias; oneDNN would read beyond arrays of other shapes."""
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        if weight.shape != shape or bias.shape != shape[-1:]:
            raise Unsupported(f"{name} of {weight.shape} and {bias.shape}")
        return weight, bias

    def norm(self, name: str) -> Norm:
        return Norm(*self.pair(name, self.width), self.epsilon)

    def pooler(self) -> tuple[Array, Array] | None:
        has_pooler = f"{self.prefix}pooler.dense.weight" in self.arrays
        return self.pair("pooler.dense", self.width, self.width) if has_pooler else None

    def layer(self, number: int, n_heads: int, activation: str) -> Layer:
        name, width = f"encoder.layers.{number}", self.width
        inner_width = self[f"{name}.linear1.bias"].size
        projections = [self.pair(f"{name}.self_attn.{part}_proj", width, width) for part in ("q", "k", "v")]
        others = [
            self.pair(f"{name}.self_attn.out_proj", width, width),
            self.pair(f"{name}.linear1", width, inner_width),
            self.pair(f"{name}.linear2", inner_width, width),
        ]
        joined = prepare_map(*projections, bfloat16=self.bfloat16)
        output, inner, outer = (prepare_map(other, bfloat16=self.bfloat16) for other in others)
        norms = self.norm(f"{name}.norm1"), self.norm(f"{name}.norm2")
        return Layer(joined, output, inner, outer, norms, n_heads, activation)
