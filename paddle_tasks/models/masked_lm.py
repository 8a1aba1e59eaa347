"""The masked language model: an encoder, the head that names tokens, and the head that tells following sentences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.paddlenlp import TANH_GELU, PretrainedEncoder
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve
from paddle_tasks.models.pretrained.renaming import Stored, check_fit, is_torch

_HEAD, _PAIRS, _BIAS = "cls.", "cls.seq_relationship.", "cls.predictions.decoder_bias"
# What PaddleNLP's and Hugging Face's files hold a second time: the embedding's weight, and the bias.
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
    """Names the tokens that stand at chosen positions, and tells whether the second text follows the first.

    The parameters have the names of PaddleNLP's `BertForPretraining` and `ErnieForPretraining`; the output layer
    shares the embedding's weight.

    Source: Devlin et al., 2019, https://arxiv.org/abs/1810.04805, section 3.1.

    Attributes:
        encoder: BERT or ERNIE.
        next_sentence: whether there is a head over pairs of texts.
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

    def set_dropout(self, probability: float) -> None:
        """Drop other parts than config.json says, where it will go on saying what it says."""
        for layer in self.sublayers():
            if isinstance(layer, nn.Dropout):
                layer.p = probability
            elif isinstance(layer, nn.MultiHeadAttention):
                layer.dropout = probability

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return the logits of the tokens at the positions.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each row.
            positions: <int64>[n], places in the flattened [batch * length].

        Returns:
            <float32>[n, vocabulary].
        """
        return self.both(input_ids, token_type_ids, lengths, positions)[0]

    def both(
        self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return what `forward` does, and the logits <float32>[batch, 2] of "follows" and "does not", if learnt."""
        states, vectors = self.encoder.states_at(input_ids, token_type_ids, lengths, positions)
        return self.named(states), self.told(vectors)

    def named(self, states: Tensor) -> Tensor:
        """Return the logits <float32>[n, vocabulary] of the tokens for states <float32>[n, width]."""
        return self.cls.predictions(states, _word_vectors(self.encoder))

    def told(self, vectors: Tensor) -> Tensor | None:
        """Return the logits <float32>[batch, 2] of pairs for the encoder's text vectors, or None if none is learnt."""
        return self.cls.seq_relationship(vectors) if self.next_sentence else None


class _TokenHead(nn.Layer):  # type: ignore[misc]
    def __init__(self, encoder: PretrainedEncoder) -> None:
        super().__init__()
        config = encoder.model.config
        self.transform = nn.Linear(encoder.width, encoder.width, weight_attr=_initial(encoder))
        self.layer_norm = nn.LayerNorm(encoder.width, epsilon=config.layer_norm_eps)
        self.decoder_bias = self.create_parameter([config.vocab_size], is_bias=True)
        self._activation = config.hidden_act

    def forward(self, states: Tensor, word_vectors: Tensor) -> Tensor:
        states = self.layer_norm(_activate(self._activation, self.transform(states)))
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
    """Load the masked language model that a configuration names, with every weight of it from its file.

    Args:
        name: see `paddle_tasks.models.pretrained.loading.resolve`.
        next_sentence: with the head over pairs of texts, fresh when the file has none.
        model_type: ``bert`` or ``ernie``, to take the weights of the one for the other.

    Raises:
        UserError: as `load_pretrained`, or the model has no head that names tokens.
    """
    path = resolve(name).weights
    encoder = load_pretrained(name, model_type)
    found = _head_tensors(tensors.read(path))
    if _BIAS not in found:
        raise CheckpointError(
            f"{name}: has no head that names tokens (cls.predictions.* in {path.name}); "
            "expected a masked language model, such as a run of the task pretrain or builtin/ernie-mini-zh"
        )
    model = MaskedLanguageModel(encoder, next_sentence=next_sentence)
    _fill_heads(model, found, path)
    return model


def _fill_heads(model: MaskedLanguageModel, found: Mapping[str, Stored], path: Path) -> None:
    """Fill the heads; one over pairs of texts is left where it is not asked for, and stays fresh where none is."""
    has_pairs = model.next_sentence and any(key.startswith(_PAIRS) for key in found)
    kept = {key: stored for key, stored in found.items() if has_pairs or not key.startswith(_PAIRS)}
    state = {key: value for key, value in model.state_dict().items() if key.startswith(_HEAD)}
    expected = {key: value.shape for key, value in state.items() if has_pairs or not key.startswith(_PAIRS)}
    check_fit(kept, expected, path)
    for key in expected:
        state[key].set_value(kept[key].array)


def _head_tensors(arrays: tensors.Arrays) -> dict[str, Stored]:
    """Return the heads' tensors of a file by the model's names, as `encoder_tensors` does the encoder's."""
    torch, found = is_torch(arrays), {}
    for name, array in arrays.items():
        if name.startswith(_HEAD) and name not in _COPIES:
            turns = torch and array.ndim == 2
            found[_paddle(name)] = Stored(name, array.T if turns else array, transposed=turns)
    return found


def _paddle(name: str) -> str:
    for old, new in _RENAMES:
        name = name.replace(old, new)
    return name
