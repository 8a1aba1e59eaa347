"""The interface of every encoder, and the parts shared by those trained from scratch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.section import EncoderSection


class Encoder(nn.Layer, ABC):  # type: ignore[misc]
    """Turns token ids into one vector per token, its state, and one vector per text.

    Attributes:
        width: size of both vectors.
        max_length: maximum length of a text in tokens; None: no limit.
        vector_pooling: the pooling of the states that gives the text vector, if it is one.
    """

    width: int
    max_length: int | None
    vector_pooling: Literal["mean", "max"] | None = None

    def __init__(self, width: int, max_length: int | None = None) -> None:
        super().__init__()
        self.width, self.max_length = width, max_length

    @abstractmethod
    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch; the content of the padding does not change the result at real positions.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length], the segment of each token; recurrent and convolutional encoders
                ignore it.
            lengths: <int64>[batch], real tokens of each text, at least 1.

        Returns:
            The states <float32>[batch, length, width], where padding positions may hold anything, and the text vectors
            <float32>[batch, width]. What a text vector is depends on the encoder: for a Transformer the pooler's output
            (``states[:, 0]`` without a pooler), for a recurrent network the last state of each direction, and for a
            convolutional network the maximum over the text.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the content of `config.json`, from which the encoder can be built again."""

    def freeze_pooler(self) -> None:
        """Freeze the parameters that only text vectors use, for a task that does not use text vectors.

        Otherwise these parameters would never get a gradient, and DataParallel would wait for it forever.
        """

    def take_pooler(self) -> nn.Linear | None:
        """Remove the pooler and return its linear map, or None if there is none.

        The text vector is then the pooler's input.
        """
        return None

    def recompute(self) -> None:
        """Store only the layers' inputs for the backward pass and recompute the rest: less memory, more time.

        Raises:
            ConfigError: the encoder has no Transformer layers, or shares one of them.
        """
        layers = next((layer for layer in self.sublayers() if isinstance(layer, nn.TransformerEncoder)), None)
        if layers is None:
            raise ConfigError(_("training.recompute: only Transformer encoders can recompute their layers"))
        layers.enable_recompute = True

    def keep_first_only(self) -> None:
        """Compute only what the text vectors need, for a task that uses nothing else.

        The states may then have fewer positions than the texts.
        """


class ScratchEncoder(Encoder):
    """An encoder that is built from its configuration section, with fresh weights."""

    def __init__(
        self, section: EncoderSection, vocabulary_size: int, pad_id: int, width: int, max_length: int | None = None
    ) -> None:
        super().__init__(width, max_length)
        self._section, self._vocabulary_size, self._pad_id = section, vocabulary_size, pad_id

    def describe(self) -> dict[str, Any]:
        """Return the kind as `model_type`, the vocabulary size, the padding id and the sizes of the section."""
        sizes = self._section.model_dump(mode="json", include=set(EncoderSection.model_fields) - {"encoder"})
        vocabulary = {"vocabulary_size": self._vocabulary_size, "pad_id": self._pad_id}
        return {"model_type": self._section.encoder, **vocabulary, **sizes}


def token_embedding(
    vocabulary_size: int, size: int, pad_id: int | None, initial: nn.initializer.Initializer | None = None
) -> nn.Embedding:
    """Return an embedding whose padding row is and stays zero.

    By default weights are uniform in [-0.25, 0.25], as in Kim (2014), https://aclanthology.org/D14-1181. Paddle's
    default shrinks with the size of the vocabulary: with 20,000 tokens a recurrent network learns nothing for many
    steps.
    """
    weights = paddle.ParamAttr(initializer=initial or nn.initializer.Uniform(-0.25, 0.25))
    return nn.Embedding(vocabulary_size, size, padding_idx=pad_id, weight_attr=weights)


def check_heads(section: EncoderSection) -> None:
    """Refuse a hidden size that cannot be split among the attention heads.

    Raises:
        ConfigError: the hidden size is not a multiple of the number of heads.
    """
    if section.hidden_size % section.n_heads:
        raise ConfigError(
            _("model.hidden_size: {size} is no multiple of n_heads {heads}").format(
                size=section.hidden_size, heads=section.n_heads
            )
        )


def real_positions(lengths: Tensor, length: int) -> Tensor:
    """Return <bool>[batch, length], true where a token is real and false where it is padding."""
    return paddle.arange(length, dtype=lengths.dtype) < lengths.unsqueeze(1)
