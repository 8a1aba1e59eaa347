"""The configuration of opinion extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from paddle_tasks.config import CountOrZero, Size
from paddle_tasks.data.opinion.section import OpinionDataSection
from paddle_tasks.models.encoders.build import EncoderSection
from paddle_tasks.models.opinion import TagHead
from paddle_tasks.tasks.encoder import CLASSIFIER_DEFAULTS, EncoderConfig
from paddle_tasks.training.settings import EvaluationSection


class OpinionData(OpinionDataSection):
    """The ``data`` section, and how texts become tokens and windows.

    ``by_character`` makes a token of every visible character, so that every span can be represented; otherwise the
    tokens are the encoder's word pieces, and a span inside of one cannot. A text of more than ``training.max_length``
    tokens is read in windows of that length, each of which begins with the last ``window_overlap`` tokens of the one
    before.
    """

    by_character: bool = True
    window_overlap: CountOrZero = 32


class OpinionModel(EncoderSection):
    """The ``model`` section: an encoder, the head that tags its states, and the head that pairs the spans.

    ``head`` is ``linear``, ``crf`` or ``bilstm_crf``. ``decoding`` is ``marginals`` or ``viterbi``. ``marginals``
    predicts the spans whose probability reaches a threshold, which is chosen on dev for the best F1 and is at least
    0.1, and likewise the triplets; until dev has been scored the thresholds are 0.5 and 0.25. ``viterbi`` predicts the
    spans of the best path. ``overlaps`` lets ``marginals`` predict overlapping spans; null does so if dev has some and
    the F1 of spans gets better. ``pairs`` learns aspect, opinion and polarity together if the data has them, with a
    head of ``pair_size`` units whose loss is multiplied by ``pair_loss_weight``.
    """

    head: TagHead = "crf"
    decoding: Literal["marginals", "viterbi"] = "marginals"
    overlaps: bool | None = None
    pairs: bool = True
    pair_size: Size = 128
    pair_loss_weight: Annotated[float, Field(gt=0.0)] = 1.0


class OpinionEvaluation(EvaluationSection):
    """When the dev split is scored, and which of its metrics chooses the best model."""

    metric: str = "f1"


class OpinionConfig(EncoderConfig):
    """The whole configuration."""

    RETIRED: ClassVar[Mapping[str, Any]] = CLASSIFIER_DEFAULTS

    data: OpinionData
    model: OpinionModel
    evaluation: OpinionEvaluation = OpinionEvaluation()
