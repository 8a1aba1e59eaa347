"""The masked language model: an encoder with a head that predicts tokens and one for next-sentence prediction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.paddlenlp import TANH_GELU, PretrainedEncoder
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve
from paddle_tasks.models.pretrained.renaming import StoredTensor, check_fit, has_hugging_face_names

_HEADS, _NSP_HEAD, _BIAS = "cls.", "cls.seq_relationship.", "cls.predictions.decoder_bias"
# Second copies of the embedding's weight and of the bias in PaddleNLP's and Hugging Face's files.
_COPIES = ("cls.predictions.decoder.weight", "cls.predictions.decoder_weight", "cls.predictions.decoder.bias")
# From Hugging Face's names to PaddleNLP's.
_RENAMES = (
    (".gamma", ".weight"),
    (".beta", ".bias"),
    ("transform.dense.", "transform."),
    ("transform.LayerNorm.", "layer_norm."),
    ("cls.predictions.bias", _BIAS),
)


class MaskedLanguageModel(nn.Layer):  # type: ignore[misc]
    """Predicts the tokens at given positions, and whether the second text of a pair follows the first.

    The parameters have the names of PaddleNLP's `BertForPretraining` and `ErnieForPretraining`; the output layer
    shares the weight of the embedding.

    Source: Devlin et al., 2019, https://arxiv.org/abs/1810.04805, section 3.1.

    Attributes:
        encoder: BERT or ERNIE.
        next_sentence: whether the model has a head for next-sentence prediction.
    """

    def __init__(self, encoder: PretrainedEncoder, *, next_sentence: bool = False) -> None:
        super().__init__()
        self.encoder, self.next_sentence = encoder, next_sentence
        self.cls = nn.Layer()
        self.cls.predictions = _TokenHead(encoder)
        if next_sentence:
            self.cls.seq_relationship = nn.Linear(encoder.width, 2, weight_attr=_initial(encoder))
        else:
            encoder.freeze_pooler()

    def add_teacher(self, size: int) -> None:
        """Add a linear map from mean states to the vectors of a teacher; `load_masked_lm` and exports leave it out."""
        self.training_only = nn.Layer()
        self.training_only.teacher = nn.Linear(self.encoder.width, size, weight_attr=_initial(self.encoder))

    def set_dropout(self, probability: float) -> None:
        """Change every dropout probability of the Layers; a saved config.json keeps the configured one."""
        for layer in self.sublayers():
            if isinstance(layer, nn.Dropout):
                layer.p = probability
            elif isinstance(layer, nn.MultiHeadAttention):
                layer.dropout = probability

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return the vocabulary logits at the given positions.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each row.
            positions: <int64>[n], indices into the flattened [batch * length].

        Returns:
            <float32>[n, vocabulary].
        """
        return self.forward_both(input_ids, token_type_ids, lengths, positions)[0]

    def forward_both(
        self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits of both heads, see `mlm_logits` and `nsp_logits`; the arguments are those of `forward`."""
        states, vectors = self.encoder.states_at(input_ids, token_type_ids, lengths, positions)
        return self.mlm_logits(states), self.nsp_logits(vectors)

    def mlm_logits(self, states: Tensor) -> Tensor:
        """Return the vocabulary logits <float32>[n, vocabulary] for states <float32>[n, width]."""
        return self.cls.predictions(states, _word_vectors(self.encoder))

    def nsp_logits(self, vectors: Tensor) -> Tensor | None:
        """Return the logits <float32>[batch, 2] of "follows" and "does not follow" for text vectors.

        None if the model has no head for next-sentence prediction.
        """
        return self.cls.seq_relationship(vectors) if self.next_sentence else None


class _TokenHead(nn.Layer):  # type: ignore[misc]
    def __init__(self, encoder: PretrainedEncoder) -> None:
        super().__init__()
        config = encoder.model.config
        self.transform = nn.Linear(encoder.width, encoder.width, weight_attr=_initial(encoder))
        self.layer_norm = nn.LayerNorm(encoder.width, epsilon=config.layer_norm_eps)
        self.decoder_bias = self.create_parameter([config.vocab_size], is_bias=True)
        self.activation = config.hidden_act

    def forward(self, states: Tensor, word_vectors: Tensor) -> Tensor:
        states = self.layer_norm(_activate(self.activation, self.transform(states)))
        return cpu.tied_output(states, word_vectors, self.decoder_bias)


def _activate(name: str, states: Tensor) -> Tensor:
    if name in TANH_GELU:
        return functional.gelu(states, approximate=True)
    return getattr(functional, name)(states)


def _initial(encoder: PretrainedEncoder) -> paddle.ParamAttr:
    return paddle.ParamAttr(initializer=nn.initializer.Normal(std=encoder.model.config.initializer_range))


def _word_vectors(encoder: PretrainedEncoder) -> Tensor:
    return encoder.model.embeddings.word_embeddings.weight


def load_masked_lm(name: str, *, next_sentence: bool = False, model_type: str | None = None) -> MaskedLanguageModel:
    """Load a masked language model with every weight from its file.

    Args:
        name: see `paddle_tasks.models.pretrained.loading.resolve`.
        next_sentence: add the head for next-sentence prediction, with fresh weights if the file has none.
        model_type: ``bert`` or ``ernie``, to load the weights of one into the other.

    Raises:
        UserError: as `load_pretrained`, or the model has no masked-language-model head.
    """
    path = resolve(name).weights
    encoder = load_pretrained(name, model_type)
    stored = _head_tensors(tensors.read(path))
    if _BIAS not in stored:
        raise CheckpointError(
            _(
                "{name}: has no head that predicts tokens (cls.predictions.* in {file}); expected a masked language "
                "model, such as a run of the task pretrain or builtin/ernie-mini-zh"
            ).format(name=name, file=path.name)
        )
    model = MaskedLanguageModel(encoder, next_sentence=next_sentence)
    _fill_heads(model, stored, path)
    return model


def _fill_heads(model: MaskedLanguageModel, stored: Mapping[str, StoredTensor], path: Path) -> None:
    """Set the weights of the heads; the next-sentence head only if both the model and the file have one."""
    has_nsp = model.next_sentence and any(key.startswith(_NSP_HEAD) for key in stored)
    used = {key: tensor for key, tensor in stored.items() if has_nsp or not key.startswith(_NSP_HEAD)}
    state = {key: value for key, value in model.state_dict().items() if key.startswith(_HEADS)}
    expected = {key: value.shape for key, value in state.items() if has_nsp or not key.startswith(_NSP_HEAD)}
    check_fit(used, expected, path)
    for key in expected:
        state[key].set_value(used[key].array)


def _head_tensors(arrays: tensors.Arrays) -> dict[str, StoredTensor]:
    """Return the tensors of the heads by the model's names; `encoder_tensors` returns those of the encoder."""
    is_torch, stored = has_hugging_face_names(arrays), {}
    for name, array in arrays.items():
        if name.startswith(_HEADS) and name not in _COPIES:
            transposed = is_torch and array.ndim == 2
            stored[_to_paddle(name)] = StoredTensor(name, array.T if transposed else array, transposed)
    return stored


def _to_paddle(name: str) -> str:
    for old, new in _RENAMES:
        name = name.replace(old, new)
    return name
