"""The encoders that can be trained from scratch, by name; to add one, write its module and add it to `KINDS`."""

from __future__ import annotations

from collections.abc import Callable

from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.language import _, join
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.paddlenlp import from_scratch
from paddle_tasks.models.encoders.recurrent import CELLS, Recurrent
from paddle_tasks.models.encoders.section import EncoderSection
from paddle_tasks.models.encoders.textcnn import TextCNN
from paddle_tasks.models.encoders.transformer import Transformer

__all__ = ["KINDS", "SCRATCH", "Encoder", "EncoderSection", "build_encoder"]

# Each is called with the section, the vocabulary size and the padding id.
KINDS: dict[str, Callable[[EncoderSection, int, int], Encoder]] = {
    **dict.fromkeys(CELLS, Recurrent),
    "textcnn": TextCNN,
    "transformer": Transformer,
    "bert": from_scratch,
    "ernie": from_scratch,
}
SCRATCH = tuple(KINDS)


def build_encoder(section: EncoderSection, vocabulary_size: int, pad_id: int) -> Encoder:
    """Build the from-scratch encoder that ``section.encoder`` names, with fresh weights.

    Raises:
        ConfigError: there is no such kind, or its sizes do not fit together.
    """
    if section.encoder not in KINDS:
        near = did_you_mean(section.encoder, KINDS)
        raise ConfigError(
            _("model.encoder: {name!r} is none of {kinds}{near}").format(
                name=section.encoder, kinds=join(SCRATCH), near=near
            )
        )
    return KINDS[section.encoder](section, vocabulary_size, pad_id)
