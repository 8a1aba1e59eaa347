"""PaddleNLP's Layers (BERT, ERNIE and similar models) as an `Encoder`, with loaded or fresh weights."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.architectures import ARCHITECTURES, classes
from paddle_tasks.models.encoders.base import Encoder, check_heads, real_positions
from paddle_tasks.models.encoders.section import EncoderSection

# Names for GELU with the tanh approximation, which some of PaddleNLP's layers do not know.
TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
_LAZY = ("bert", "ernie")
"""Kinds that can be built without weights; others compute with theirs when they are built."""
ACTIVATIONS = ("gelu", "relu", "silu", "swish", *TANH_GELU)


class PretrainedEncoder(Encoder):
    """One of PaddleNLP's encoders (see `ARCHITECTURES`), as attribute ``model``.

    Attributes:
        model_type: its key in `ARCHITECTURES`.
        has_pooler: whether the text vector is the pooler's output; otherwise it is the first state.
    """

    def __init__(self, model: nn.Layer) -> None:
        self.model_type = str(model.config.model_type)
        kind = ARCHITECTURES[self.model_type]
        super().__init__(model.config.hidden_size, kind.max_length(model.config))
        self.model, self.has_pooler = model, kind.has_pooler

    @property
    def prefix(self) -> str:
        """The prefix of the encoder's tensor names in PaddleNLP's files."""
        return ARCHITECTURES[self.model_type].prefixes[0]

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder.forward`; token types must be below the model's ``type_vocab_size``."""
        output = self.model(
            input_ids,
            token_type_ids=token_type_ids,
            attention_mask=real_positions(lengths, input_ids.shape[1]).astype("int64"),
        )
        if self.has_pooler:
            return output[0], output[1]
        states = output[0] if isinstance(output, tuple) else output  # ELECTRA returns the states only
        return states, states[:, 0]

    def states_at(
        self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the states at some positions, and the text vectors.

        With the CPU kernels the last layer computes no other states.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch].
            positions: <int64>[n], indices into the flattened [batch * length].

        Returns:
            <float32>[n, width] and <float32>[batch, width].
        """
        last = self.last_layer
        # Not with recomputation, which calls the layer again in the backward pass, after the `with` block has ended.
        if last is None or not cpu.is_switched_in(last) or getattr(self.model.encoder, "enable_recompute", False):
            states, vectors = self(input_ids, token_type_ids, lengths)
            return paddle.gather(states.reshape([-1, self.width]), positions), vectors
        batch, length = input_ids.shape
        firsts = paddle.arange(0, batch * length, length, dtype="int64")
        with cpu.only_at(last, paddle.concat([positions, firsts])):
            states, _ = self(input_ids, token_type_ids, lengths)
        chosen, first = paddle.split(states.squeeze(0), [positions.shape[0], batch])
        return chosen, self.model.pooler(first.unsqueeze(1)) if self.has_pooler else first

    @property
    def last_layer(self) -> nn.Layer | None:
        """The last Transformer layer; None for an ALBERT, whose layers share their weights."""
        layers = getattr(getattr(self.model, "encoder", None), "layers", None)
        return None if layers is None else layers[len(layers) - 1]

    def describe(self) -> dict[str, Any]:
        """Return PaddleNLP's configuration of the model."""
        self.model.config.architectures = [type(self.model).__name__]
        return dict(self.model.config.to_diff_dict(saving_file=True))

    def freeze_pooler(self) -> None:
        """Freeze the pooler; see `Encoder.freeze_pooler`."""
        if self.has_pooler:
            for parameter in self.model.pooler.parameters():
                parameter.stop_gradient = True

    def keep_first_only(self) -> None:
        """Let the last layer compute its first position only, if the CPU kernels are in use."""
        if self.last_layer is not None:
            cpu.keep_first_only(self.last_layer)

    def take_pooler(self) -> nn.Linear | None:
        """Remove the pooler and return its linear map; see `Encoder.take_pooler`."""
        if not self.has_pooler:
            return None
        pooler = self.model.pooler  # ALBERT's is the linear map itself
        self.drop_pooler()
        return pooler if isinstance(pooler, nn.Linear) else pooler.dense

    def drop_pooler(self) -> None:
        """Use the first state as text vector, for weights without a pooler."""
        self.model.pooler, self.has_pooler = nn.Identity(), False


def build_model(model_type: str, fields: Mapping[str, Any]) -> nn.Layer:
    """Build PaddleNLP's Layer with fresh weights.

    Args:
        model_type: a key of `ARCHITECTURES`.
        fields: arguments of its configuration class; ``hidden_act`` is one of `ACTIVATIONS`.
    """
    kind, config_kind = classes(model_type)
    config = config_kind(**fields)
    activation = config.hidden_act
    config.hidden_act = "gelu" if activation in TANH_GELU else activation
    model = kind(config)
    model.config.hidden_act = activation
    _finish(model)
    return model


def build_outline(model_type: str, fields: Mapping[str, Any]) -> nn.Layer:
    """Build PaddleNLP's Layer for its sizes alone: nothing is drawn, so that a large one takes a moment.

    Args:
        model_type: see `build_model`; ALBERT and others that compute with their weights are built with weights.
        fields: see `build_model`.
    """
    kind, config_kind = classes(model_type)
    # PaddleNLP draws weights of its own after those of the initialisers, which LazyGuard leaves out.
    outline = type(kind.__name__, (kind,), {"_init_weights": lambda *_: None})
    with paddle.LazyGuard() if model_type in _LAZY else contextlib.nullcontext():
        return outline(config_kind(**fields))


def _finish(model: nn.Layer) -> None:
    """Apply configuration values that PaddleNLP ignores.

    Its ERNIE uses a LayerNorm epsilon of 1e-12 whatever the configuration says, and not every layer knows tanh GELU.
    """
    from paddlenlp.transformers.albert.modeling import AlbertLayer

    epsilon = ARCHITECTURES[model.config.model_type].epsilon
    is_tanh = model.config.hidden_act in TANH_GELU
    for layer in model.sublayers():
        if isinstance(layer, nn.LayerNorm):
            layer._epsilon = model.config.layer_norm_eps if epsilon is None else epsilon
        elif is_tanh and isinstance(layer, nn.TransformerEncoderLayer):
            layer.activation = partial(functional.gelu, approximate=True)
        elif is_tanh and isinstance(layer, AlbertLayer):
            layer.activation = nn.GELU(approximate=True)  # a sublayer here, so only a Layer can replace it


def from_scratch(section: EncoderSection, vocabulary_size: int, pad_id: int) -> PretrainedEncoder:
    """Build the BERT or ERNIE of a configuration section, with fresh weights and two segments.

    Raises:
        ConfigError: the hidden size is not a multiple of the number of heads.
    """
    check_heads(section)
    fields = {
        "vocab_size": vocabulary_size,
        "hidden_size": section.hidden_size,
        "num_hidden_layers": section.n_layers,
        "num_attention_heads": section.n_heads,
        "intermediate_size": section.intermediate_size or 4 * section.hidden_size,
        "hidden_dropout_prob": section.dropout,
        "attention_probs_dropout_prob": section.dropout,
        "max_position_embeddings": section.max_positions,
        "type_vocab_size": 2,
        "pad_token_id": pad_id,
    }
    return PretrainedEncoder(build_model(section.encoder, fields))
