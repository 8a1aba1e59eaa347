"""What every encoder is, and what the from-scratch ones have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.encoders.section import EncoderSection


class Encoder(nn.Layer, ABC):  # type: ignore[misc]
    """Turns token ids into one vector a token and one vector a text.

    Attributes:
        width: size of both vectors.
        max_length: the longest text in tokens, or None when any length will do.
        own_pooling: the pooling over the states that a text's own vector is, when it is one.
    """

    width: int
    max_length: int | None
    own_pooling: Literal["mean", "max"] | None = None

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
            (or ``states[:, 0]`` when there is no pooler) of a Transformer, the last state of each direction of a
            recurrent network, and the maximum over the text of a convolutional one.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what `config.json` holds, from which the encoder can be built again."""

    def freeze_first(self) -> None:
        """Stop gradients to the parameters that only the texts' own vectors use, for a task that ignores these.

        Without it such parameters would get no gradient, over which DataParallel waits for ever.
        """

    def take_pooler(self) -> nn.Linear | None:
        """Hand over the linear map of the pooler, if there is one: a text's own vector is then what lay below it."""
        return None

    def recompute(self) -> None:
        """Keep only the inputs of the layers for the way back, and compute the rest again: less memory, more time.

        Raises:
            ConfigError: the encoder has no Transformer layers, or shares one among them.
        """
        layers = next((layer for layer in self.sublayers() if isinstance(layer, nn.TransformerEncoder)), None)
        if layers is None:
            raise ConfigError("training.recompute: is for Transformer encoders, whose layers can be computed again")
        layers.enable_recompute = True

    def keep_first_only(self) -> None:
        """Compute only what goes into the texts' own vectors, for a task that looks at nothing else.

        The states may then hold fewer positions than the texts.
        """


class ScratchEncoder(Encoder):
    """An encoder that is built from its section, with fresh weights."""

    def __init__(
        self, section: EncoderSection, vocabulary_size: int, pad_id: int, width: int, max_length: int | None = None
    ) -> None:
        super().__init__(width, max_length)
        self._section, self._vocabulary_size, self._pad_id = section, vocabulary_size, pad_id

    def describe(self) -> dict[str, Any]:
        """Return the kind as `model_type`, the vocabulary's size, the padding id and the section's sizes."""
        sizes = self._section.model_dump(mode="json", include=set(EncoderSection.model_fields) - {"encoder"})
        vocabulary = {"vocabulary_size": self._vocabulary_size, "pad_id": self._pad_id}
        return {"model_type": self._section.encoder, **vocabulary, **sizes}


def token_embedding(
    vocabulary_size: int, size: int, pad_id: int | None, initial: nn.initializer.Initializer | None = None
) -> nn.Embedding:
    """Return an embedding whose padding row is zero and stays so.

    Uniform in [-0.25, 0.25] as in Kim (2014), https://aclanthology.org/D14-1181, when ``initial`` is not given:
    Paddle's own default shrinks with the size of the vocabulary, and with 20,000 tokens a recurrent network learns
    nothing for many steps.
    """
    drawn = paddle.ParamAttr(initializer=initial or nn.initializer.Uniform(-0.25, 0.25))
    return nn.Embedding(vocabulary_size, size, padding_idx=pad_id, weight_attr=drawn)


def check_heads(section: EncoderSection) -> None:
    """Refuse a hidden size that the attention heads cannot share.

    Raises:
        ConfigError: the hidden size is no multiple of the number of heads.
    """
    if section.hidden_size % section.n_heads:
        raise ConfigError(f"model.hidden_size: {section.hidden_size} is no multiple of n_heads {section.n_heads}")


def real_positions(lengths: Tensor, length: int) -> Tensor:
    """Return <bool>[batch, length], true where a token is real and false where it is padding."""
    return paddle.arange(length, dtype=lengths.dtype) < lengths.unsqueeze(1)
