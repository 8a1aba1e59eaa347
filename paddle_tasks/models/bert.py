"""BERT and ERNIE: PaddleNLP's own Layers as an encoder, with loaded or fresh weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.base import Encoder, real_positions
from paddle_tasks.models.section import EncoderSection

MODEL_TYPES = ("bert", "ernie")
# Names in use for GELU with the tanh approximation, which PaddleNLP's layers cannot name.
TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
ACTIVATIONS = ("gelu", "relu", "silu", "swish", *TANH_GELU)


class PretrainedEncoder(Encoder):
    """PaddleNLP's BertModel or ErnieModel (Devlin et al., 2019; Sun et al., 2019), as attribute ``model``."""

    def __init__(self, model: nn.Layer) -> None:
        super().__init__(model.config.hidden_size, model.config.max_position_embeddings)
        self.model = model

    @property
    def model_type(self) -> str:
        """`bert` or `ernie`: also the prefix of the tensors' names in a file."""
        return str(self.model.base_model_prefix)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder.forward`; token types stay below the model's ``type_vocab_size``."""
        states, first = self.model(
            input_ids,
            token_type_ids=token_type_ids,
            attention_mask=real_positions(lengths, input_ids.shape[1]).astype("int64"),
        )
        return states, first

    def describe(self) -> dict[str, Any]:
        """Return PaddleNLP's configuration of the model."""
        self.model.config.architectures = [type(self.model).__name__]
        return dict(self.model.config.to_diff_dict(saving_file=True))

    def freeze_first(self) -> None:
        """Stop gradients to the pooler; see `Encoder.freeze_first`."""
        for parameter in self.model.pooler.parameters():
            parameter.stop_gradient = True

    def drop_pooler(self) -> None:
        """Take the first state as the text's own vector, for weights that come without a pooler."""
        self.model.pooler = _FirstState()


class _FirstState(nn.Layer):  # type: ignore[misc]
    """Stands where a pooler would: <float32>[batch, length, width] -> <float32>[batch, width]."""

    def forward(self, states: Tensor) -> Tensor:
        return states[:, 0]


def build_model(model_type: str, fields: Mapping[str, Any]) -> nn.Layer:
    """Build PaddleNLP's Layer with fresh weights.

    Args:
        model_type: `bert` or `ernie`.
        fields: arguments of its configuration class; ``hidden_act`` is one of `ACTIVATIONS`.
    """
    from paddlenlp.transformers import BertConfig, BertModel, ErnieConfig, ErnieModel

    kind, config_kind = (BertModel, BertConfig) if model_type == "bert" else (ErnieModel, ErnieConfig)
    activation = fields.get("hidden_act", "gelu")
    model = kind(config_kind(**{**fields, "hidden_act": "gelu" if activation in TANH_GELU else activation}))
    model.config.hidden_act = activation
    _finish(model)
    return model


def _finish(model: nn.Layer) -> None:
    """Apply what PaddleNLP does not: ERNIE's LayerNorm epsilon is 1e-12 whatever its configuration says."""
    for layer in model.sublayers():
        if isinstance(layer, nn.LayerNorm):
            layer._epsilon = model.config.layer_norm_eps
        if isinstance(layer, nn.TransformerEncoderLayer) and model.config.hidden_act in TANH_GELU:
            layer.activation = partial(functional.gelu, approximate=True)


def bert_from_scratch(section: EncoderSection, vocabulary_size: int, pad_id: int) -> PretrainedEncoder:
    """Build a BERT of the section's sizes, with fresh weights and two segments.

    Raises:
        ConfigError: the hidden size is no multiple of the number of heads.
    """
    if section.hidden_size % section.n_heads:
        raise ConfigError(f"model.hidden_size: {section.hidden_size} is no multiple of n_heads {section.n_heads}")
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
    return PretrainedEncoder(build_model("bert", fields))
