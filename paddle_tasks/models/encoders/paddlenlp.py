"""BERT, ERNIE and their kin: PaddleNLP's own Layers as an encoder, with loaded or fresh weights."""

from __future__ import annotations

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

# Names in use for GELU with the tanh approximation, which not all of PaddleNLP's layers can name.
TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
ACTIVATIONS = ("gelu", "relu", "silu", "swish", *TANH_GELU)


class PretrainedEncoder(Encoder):
    """One of PaddleNLP's encoders (see `ARCHITECTURES`), as attribute ``model``.

    Attributes:
        model_type: its key in `ARCHITECTURES`.
        has_pooler: whether a text's own vector is the pooler's output, and not the first state.
    """

    def __init__(self, model: nn.Layer) -> None:
        self.model_type = str(model.config.model_type)
        kind = ARCHITECTURES[self.model_type]
        super().__init__(model.config.hidden_size, kind.max_length(model.config))
        self.model, self.has_pooler = model, kind.has_pooler

    @property
    def prefix(self) -> str:
        """What stands before the tensors' names in a file of PaddleNLP's."""
        return ARCHITECTURES[self.model_type].prefixes[0]

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder.forward`; token types stay below the model's ``type_vocab_size``."""
        output = self.model(
            input_ids,
            token_type_ids=token_type_ids,
            attention_mask=real_positions(lengths, input_ids.shape[1]).astype("int64"),
        )
        if self.has_pooler:
            return output[0], output[1]
        states = output[0] if isinstance(output, tuple) else output  # ELECTRA returns nothing else
        return states, states[:, 0]

    def states_at(
        self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the states at some positions, and the texts' own vectors.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch].
            positions: <int64>[n], places in the flattened [batch * length].

        Returns:
            <float32>[n, width] and <float32>[batch, width].
        """
        last = self._last_layer()
        # What is computed again on the way back has to be what was computed, when nothing is chosen any more.
        if last is None or not cpu.is_switched_in(last) or getattr(self.model.encoder, "enable_recompute", False):
            states, vectors = self(input_ids, token_type_ids, lengths)
            return paddle.gather(states.reshape([-1, self.width]), positions), vectors
        batch, length = input_ids.shape
        firsts = paddle.arange(0, batch * length, length, dtype="int64")
        with cpu.only_at(last, paddle.concat([positions, firsts])):
            states, _ = self(input_ids, token_type_ids, lengths)
        chosen, first = paddle.split(states.squeeze(0), [positions.shape[0], batch])
        return chosen, self.model.pooler(first.unsqueeze(1)) if self.has_pooler else first

    def _last_layer(self) -> nn.Layer | None:
        layers = getattr(getattr(self.model, "encoder", None), "layers", None)
        return None if layers is None else layers[len(layers) - 1]

    def describe(self) -> dict[str, Any]:
        """Return PaddleNLP's configuration of the model."""
        self.model.config.architectures = [type(self.model).__name__]
        return dict(self.model.config.to_diff_dict(saving_file=True))

    def freeze_first(self) -> None:
        """Stop gradients to the pooler; see `Encoder.freeze_first`."""
        if self.has_pooler:
            for parameter in self.model.pooler.parameters():
                parameter.stop_gradient = True

    def keep_first_only(self) -> None:
        """Spare the last layer all positions but the first, where the layers are replaced for a CPU."""
        last = self._last_layer()
        if last is not None:
            cpu.keep_first_only(last)

    def take_pooler(self) -> nn.Linear | None:
        """Hand over the pooler's linear map; see `Encoder.take_pooler`."""
        if not self.has_pooler:
            return None
        pooler = self.model.pooler  # of an ALBERT it is the linear map itself
        self.drop_pooler()
        return pooler if isinstance(pooler, nn.Linear) else pooler.dense

    def drop_pooler(self) -> None:
        """Take the first state as the text's own vector, for weights that come without a pooler."""
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


def _finish(model: nn.Layer) -> None:
    """Apply what PaddleNLP does not: ERNIE's LayerNorm epsilon is 1e-12 whatever its configuration says."""
    from paddlenlp.transformers.albert.modeling import AlbertLayer

    epsilon = ARCHITECTURES[model.config.model_type].epsilon
    is_tanh = model.config.hidden_act in TANH_GELU
    for layer in model.sublayers():
        if isinstance(layer, nn.LayerNorm):
            layer._epsilon = model.config.layer_norm_eps if epsilon is None else epsilon
        elif is_tanh and isinstance(layer, nn.TransformerEncoderLayer):
            layer.activation = partial(functional.gelu, approximate=True)
        elif is_tanh and isinstance(layer, AlbertLayer):
            layer.activation = nn.GELU(approximate=True)  # here it is a Layer, and may be replaced by one alone


def from_scratch(section: EncoderSection, vocabulary_size: int, pad_id: int) -> PretrainedEncoder:
    """Build the BERT or ERNIE that the section names, of its sizes, with fresh weights and two segments.

    Raises:
        ConfigError: the hidden size is no multiple of the number of heads.
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
