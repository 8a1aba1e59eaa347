"""A causal Transformer that predicts each next character: learned positions, tied output."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.paddle_free.causal_lm import CausalWriter, Shape
from paddle_tasks.models.tied_output import TiedOutput

_INITIAL_STD = 0.02


class CausalSizes(NamedTuple):
    """The sizes of a causal Transformer.

    Attributes:
        n_entries: entries of the vocabulary, special ones included.
        n_outputs: the entries that can be predicted, the first ones.
        width: of the states.
        n_layers: layers.
        n_heads: a divisor of the width.
        inner_width: of the feed-forward part.
        max_positions: the maximum number of inputs of a row.
        n_frequent: see `paddle_tasks.models.tied_output.TiedOutput`.
        pre_norm: whether each layer normalises the inputs of its parts, as in GPT-2, and the last states are normalised
            once more; otherwise their results, as in BERT, and the embeddings.
    """

    n_entries: int
    n_outputs: int
    width: int
    n_layers: int
    n_heads: int
    inner_width: int
    max_positions: int
    n_frequent: int | None = None
    pre_norm: bool = True


class CausalLanguageModel(nn.Layer):  # type: ignore[misc]
    """Rates the next entry at every position of a row, from the entries up to it.

    As in GPT-2 (Radford et al., 2019), no position attends to a later one, and the output layer shares the vectors of
    the entries. Post-norm layers are those of BERT and ERNIE, whose weights can be their start; from random weights
    they predict for hundreds of steps only what the frequency of characters tells.

    Attributes:
        sizes: the sizes.
    """

    def __init__(self, sizes: CausalSizes, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.words = nn.Embedding(sizes.n_entries, sizes.width, weight_attr=_initial())
        self.positions = nn.Embedding(sizes.max_positions, sizes.width, weight_attr=_initial())
        self.norm, self.dropout = nn.LayerNorm(sizes.width), nn.Dropout(dropout)
        self.layers = nn.LayerList([_layer(sizes, dropout) for _ in range(sizes.n_layers)])
        self.output = TiedOutput(sizes.n_outputs, sizes.width, sizes.n_frequent)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return the states <float32>[batch, length, width] of ids <int64>[batch, length].

        Padding at the end of a row does not change the states before it.
        """
        length = input_ids.shape[1]
        states = self.words(input_ids) + self.positions.weight[:length]
        states = self.dropout(states if self.sizes.pre_norm else self.norm(states))
        mask = None if self._needs_no_mask else _later_keys(length)
        for layer in self.layers:
            states = layer(states, mask)
        return self.norm(states) if self.sizes.pre_norm else states

    @property
    def _needs_no_mask(self) -> bool:
        return all(cpu.computes_causal(layer) for layer in self.layers)

    def start_from(self, encoder: PretrainedEncoder, vectors: Array) -> None:
        """Take the weights of an encoder with layers of the same sizes, and vectors <float32>[n_entries, width]."""
        embeddings = encoder.model.embeddings
        positions = embeddings.position_embeddings.weight[: self.sizes.max_positions]
        self.positions.weight.set_value(positions + embeddings.token_type_embeddings.weight[0])
        self.words.weight.set_value(vectors)
        self.norm.set_state_dict(embeddings.layer_norm.state_dict())
        for own, other in zip(self.layers, encoder.model.encoder.layers, strict=True):
            own.set_state_dict(other.state_dict())

    def loss(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Return the summed cross-entropy <float32>[] at some positions.

        Args:
            input_ids: <int64>[batch, length].
            positions: <int64>[n], indices into the flattened [batch * length].
            targets: <int64>[n], the entry that follows each.
        """
        return self.output.loss(self._at(input_ids, positions), self.words.weight, targets)

    def score(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> cpu.Scores:
        """Return loss and prediction at some positions; the arguments are those of `loss`."""
        return self.output.score(self._at(input_ids, positions), self.words.weight, targets)

    def log_probs(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        """Return the log-probability of each next entry at some positions, <float32>[n, n_outputs]."""
        return self.output.log_probs(self._at(input_ids, positions), self.words.weight)

    def writer(self, start_id: int) -> CausalWriter:
        """Return the model for decoding, with a copy of its weights on numpy arrays.

        Args:
            start_id: the entry before each prompt.
        """
        arrays = {name: tensor.numpy() for name, tensor in self.state_dict().items()}
        return CausalWriter(arrays, Shape(self.sizes.n_heads, self.output.n_frequent, self.sizes.pre_norm), start_id)

    def _at(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        states = self(input_ids)
        return paddle.gather(states.reshape([-1, states.shape[-1]]), positions)


def _layer(sizes: CausalSizes, dropout: float) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        sizes.width,
        sizes.n_heads,
        sizes.inner_width,
        dropout=dropout,
        activation="gelu",
        attn_dropout=0.0,
        act_dropout=0.0,
        normalize_before=sizes.pre_norm,
        weight_attr=_initial(),
    )
    cpu.mark_causal(layer)
    return layer


def _initial() -> paddle.ParamAttr:
    return paddle.ParamAttr(initializer=nn.initializer.Normal(std=_INITIAL_STD))


def _later_keys(length: int) -> Tensor:
    """Return what to add to the scores <float32>[1, 1, length, length] so that no position attends to a later one."""
    return paddle.triu(paddle.full([length, length], -1e9, "float32"), diagonal=1).reshape([1, 1, length, length])
