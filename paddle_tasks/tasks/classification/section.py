"""The configuration of the tasks that give one label to one text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from paddle_tasks.config import Section
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.language import _
from paddle_tasks.models.classifier import Output
from paddle_tasks.models.encoders.build import EncoderSection
from paddle_tasks.models.heads import Head
from paddle_tasks.models.pooling import Pooling
from paddle_tasks.tasks.classification.ngram_section import TextNgramSwitch
from paddle_tasks.tasks.encoder import EncoderConfig
from paddle_tasks.training.settings import Fraction, TextTrainingSection


class ClassifierSection(EncoderSection):
    """The ``model`` section: an encoder, how its states become one vector, and the head over the vector.

    ``head`` is ``linear`` (dropout and one linear map), ``mlp`` (256 units, ReLU, dropout, output) or ``course`` (a
    pooler, which is the encoder's own if it has one, 200 units, ReLU, dropout, output).

    ``word_vectors`` is a file in word2vec's text or binary format, whose vectors are the first embeddings of an
    encoder of rnn, gru, lstm, bilstm or textcnn; they are trained like other weights.

    ``ngrams`` fits a logistic regression over the TF-IDF of character n-grams to train first. When the training is
    over, its log-odds are added to those of the best network, times a weight from 0 to 3 that is chosen on dev.
    """

    pooling: Pooling = "cls"
    head: Head = "linear"
    output: Output = "softmax"
    word_vectors: str | None = None
    ngrams: TextNgramSwitch = False


def _class_weights(value: Any, validate: Callable[[Any], Any]) -> Any:
    try:
        return validate(value)
    except ValidationError:  # pydantic would report a problem for each of the three forms
        raise PydanticCustomError(
            "class_weights",
            _(
                "expected balanced, or positive numbers: one for each label in their order, or by label, as in "
                "training.loss.class_weights.positive=2.5"
            ),
        ) from None


ClassWeights = Annotated[
    Literal["balanced"] | Annotated[list[PositiveFloat], Field(min_length=1)] | dict[str, PositiveFloat],
    WrapValidator(_class_weights),
]


class LossSection(Section):
    """The classification loss: cross-entropy and what is added to it; everything can be combined.

    ``class_weights`` is ``balanced`` (rows / (labels * rows of the label)), a number for each label in the order of
    ``data.labels``, or numbers by label, where a missing label counts 1. ``focal_gamma`` and ``r_drop`` are off at 0;
    R-Drop computes every batch twice. ``teachers`` are folders of runs or models of the same task and labels: their
    mean probabilities for each train row are mixed into its label with ``teacher_weight`` (distillation). A teacher
    must not have learnt from rows of dev or test; this is checked only for folds of the same file.
    """

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    class_weights: ClassWeights | None = None
    focal_gamma: NonNegativeFloat = 0.0
    r_drop: NonNegativeFloat = 0.0
    teachers: tuple[str, ...] = ()
    teacher_weight: Fraction = 0.5


class ClassifierTraining(TextTrainingSection):
    """The ``training`` section of a classifier.

    ``cache_frozen`` computes the text vectors of an encoder that is entirely frozen once, with its dropout off, and
    keeps them. With the trained pooling ``attention`` that is possible only if ``freeze`` names ``pool.*`` too.
    ``calibrate`` fits a temperature on dev; the best model's logits are divided by it.
    """

    cache_frozen: bool = True
    calibrate: bool = False
    loss: LossSection = LossSection()


class ClassificationConfig(EncoderConfig):
    """The whole configuration of a task that gives one label to one text."""

    data: DataSection
    model: ClassifierSection
    training: ClassifierTraining = ClassifierTraining()
