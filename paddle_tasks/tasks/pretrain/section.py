"""The configuration of pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from paddle_tasks.data.corpus.corpora import PretrainingData
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.base import check_heads
from paddle_tasks.models.encoders.build import KINDS, EncoderSection
from paddle_tasks.tasks.encoder import CLASSIFIER_DEFAULTS, EncoderConfig

SCRATCH = ("bert", "ernie")
"""The encoders that can be pretrained from random weights."""


class PretrainingModel(EncoderSection):
    """The ``model`` section: ``bert`` or ``ernie`` from scratch, or the name or folder of a model to continue with.

    ``dropout`` is the model's dropout when it is fine-tuned, ``pretraining_dropout`` its dropout until then: a small
    model that sees each text a few times learns more without. ``informed_start`` starts from counts of which tokens
    occur near which (`paddle_tasks.models.encoders.informed_start`) instead of random weights. ``becomes`` takes the
    weights of a BERT for an ERNIE or the other way round; both have the same layers. ``word_vectors`` is the weight of
    a second loss for every token, hidden or not: 1 minus the cosine between the first half of its state and the static
    vector of the word, by jieba, that it belongs to (`paddle_tasks.text.word_vectors`).

    ``teacher`` and ``teacher_relations`` are the weights of two losses against the vectors of ``data.teacher``, of rows
    that have one: 1 minus the cosine between the teacher's vector and a linear map of the mean state, and the mean
    squared difference between the cosines of the row with the other rows, by the teacher and by the mean states
    themselves (Park et al., 2019, https://arxiv.org/abs/1904.05068). The map is not exported.
    """

    pretraining_dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.0
    informed_start: bool = True
    becomes: Literal["bert", "ernie"] | None = None
    word_vectors: NonNegativeFloat = 0.0
    teacher: NonNegativeFloat = 0.0
    teacher_relations: NonNegativeFloat = 0.0

    @property
    def has_teacher(self) -> bool:
        """Whether a loss needs a teacher's vectors."""
        return self.teacher > 0 or self.teacher_relations > 0


class PretrainingConfig(EncoderConfig):
    """The whole configuration."""

    RETIRED: ClassVar[Mapping[str, Any]] = CLASSIFIER_DEFAULTS

    data: PretrainingData
    model: PretrainingModel


def check_config(config: PretrainingConfig) -> None:
    """Check what the configuration alone can show to be wrong.

    Raises:
        ConfigError: settings do not fit together.
    """
    encoder, max_length = config.model.encoder, config.training.max_length
    if encoder in KINDS and encoder not in SCRATCH:
        raise ConfigError(
            _("model.encoder: {encoder!r} cannot be pretrained; {first} and {second} can be, from scratch").format(
                encoder=encoder, first=SCRATCH[0], second=SCRATCH[1]
            )
        )
    if max_passage_length(config, pairs=config.data.next_sentence) < 1:
        raise ConfigError(
            _("training.max_length: {length} leaves no room besides the special tokens").format(length=max_length)
        )
    if (config.data.teacher is not None) != config.model.has_teacher:
        raise ConfigError(
            _(
                "data.teacher: its vectors are for the losses with the weights model.teacher and "
                "model.teacher_relations; set both sides, or neither"
            )
        )
    if encoder in SCRATCH:
        _check_sizes(config.model, max_length)


def _check_sizes(model: PretrainingModel, max_length: int) -> None:
    check_heads(model)
    if max_length > model.max_positions:
        raise ConfigError(
            _("training.max_length: {length} is more than model.max_positions, {limit}").format(
                length=max_length, limit=model.max_positions
            )
        )
    head_width = model.hidden_size // model.n_heads
    if model.informed_start and (model.n_heads < 2 or head_width % 2):
        raise ConfigError(
            _(
                "model.informed_start: needs at least 2 heads of an even width, found {heads} of {width}; change them, "
                "or set it to false"
            ).format(heads=model.n_heads, width=head_width)
        )


def max_passage_length(config: PretrainingConfig, *, pairs: bool) -> int:
    """Return the maximum number of tokens of a passage, without [CLS] and [SEP], and the second [SEP] of a pair."""
    return config.training.max_length - 2 - pairs
