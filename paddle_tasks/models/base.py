"""What every encoder is, and what the from-scratch ones have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import paddle
from paddle import Tensor, nn

from paddle_tasks.models.section import EncoderSection


class Encoder(nn.Layer, ABC):  # type: ignore[misc]
    """Turns token ids into one vector a token and one vector a text.

    Attributes:
        width: size of both vectors.
        max_length: the longest text in tokens, or None when any length will do.
    """

    width: int
    max_length: int | None

    def __init__(self, width: int, max_length: int | None = None) -> None:
        super().__init__()
        self.width, self.max_length = width, max_length

    @abstractmethod
    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch; what stands in the padding changes nothing at the real positions.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length], the segment of each token; from-scratch recurrent and
                convolutional encoders do not look at it.
            lengths: <int64>[batch], real tokens of each text, at least 1.

        Returns:
            The states <float32>[batch, length, width], where padding positions may hold anything, and the texts'
            own vectors <float32>[batch, width]: whatever the kind of encoder has for one. That is the pooler's output
            (or ``states[:, 0]`` when there is no pooler) of a BERT, the last state of each direction of a recurrent
            network, and the maximum over the text of a convolutional one.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what `config.json` holds, from which the encoder can be built again."""

    def freeze_first(self) -> None:
        """Stop gradients to the parameters that only the texts' own vectors use, for a task that ignores these.

        Without it such parameters would get no gradient, over which DataParallel waits for ever.
        """


class ScratchEncoder(Encoder):
    """An encoder that is built from its section, with fresh weights."""

    def __init__(self, section: EncoderSection, vocabulary_size: int, pad_id: int, width: int) -> None:
        super().__init__(width)
        self._section, self._vocabulary_size, self._pad_id = section, vocabulary_size, pad_id

    def describe(self) -> dict[str, Any]:
        """Return the kind as `model_type`, the vocabulary's size, the padding id and the section's sizes."""
        sizes = self._section.model_dump(mode="json", include=set(EncoderSection.model_fields) - {"encoder"})
        vocabulary = {"vocabulary_size": self._vocabulary_size, "pad_id": self._pad_id}
        return {"model_type": self._section.encoder, **vocabulary, **sizes}


def token_embedding(vocabulary_size: int, size: int, pad_id: int) -> nn.Embedding:
    """Return an embedding whose padding row is zero and stays so.

    Uniform in [-0.25, 0.25] as in Kim (2014), https://aclanthology.org/D14-1181: Paddle's own default shrinks with
    the size of the vocabulary, and with 20,000 tokens a recurrent network learns nothing for many steps.
    """
    initial = paddle.ParamAttr(initializer=nn.initializer.Uniform(-0.25, 0.25))
    return nn.Embedding(vocabulary_size, size, padding_idx=pad_id, weight_attr=initial)


def real_positions(lengths: Tensor, length: int) -> Tensor:
    """Return <bool>[batch, length], true where a token is real and false where it is padding."""
    return paddle.arange(length, dtype=lengths.dtype) < lengths.unsqueeze(1)
