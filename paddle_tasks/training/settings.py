"""The sections of the configuration that every trained task shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from paddle_tasks.config import Section

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]


class OptimizerSection(Section):
    """AdamW and the learning rate's way, a function of the step.

    ``layer_decay`` multiplies the learning rate of each layer of a Transformer below the one above it; 1 is off.
    ``learning_rates`` gives parameters a rate of their own by the shell pattern of their names, such as
    ``{"crf.*": 0.01}``, whatever ``layer_decay`` says; they follow the same schedule, and where patterns overlap the
    last one counts.
    """

    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    beta1: Beta = 0.9
    beta2: Beta = 0.999
    epsilon: PositiveFloat = 1e-8
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_fraction: Fraction = 0.1
    max_gradient_norm: PositiveFloat | None = 1.0
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    learning_rates: dict[str, PositiveFloat] = Field(default_factory=dict)


def _class_weights(value: Any, validate: Callable[[Any], Any]) -> Any:
    try:
        return validate(value)
    except ValidationError:  # which would complain of each form by itself
        raise PydanticCustomError(
            "class_weights",
            "expected balanced, or positive numbers: one for each label in their order, or by label, as in "
            "training.loss.class_weights.positive=2.5",
        ) from None


ClassWeights = Annotated[
    Literal["balanced"] | Annotated[list[PositiveFloat], Field(min_length=1)] | dict[str, PositiveFloat],
    WrapValidator(_class_weights),
]


class LossSection(Section):
    """What a classifier's loss is besides the cross-entropy; everything can be combined.

    ``class_weights`` is ``balanced`` (rows / (labels * rows of the label)), a number for each label in the order of
    ``data.labels``, or numbers by label, where a label that is not named counts 1. ``focal_gamma`` and ``r_drop`` are
    off at 0; R-Drop computes every batch twice. ``teachers`` are folders of runs or models of the same task and labels;
    their mean answer to each train row is mixed into its label with ``teacher_weight``: distillation. They must not
    have learnt from rows of dev or test, which is only checked for folds of the same file.
    """

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    class_weights: ClassWeights | None = None
    focal_gamma: NonNegativeFloat = 0.0
    r_drop: NonNegativeFloat = 0.0
    teachers: tuple[str, ...] = ()
    teacher_weight: Fraction = 0.5


class TrainingSection(Section):
    """How long, in which portions, and what to do when something goes wrong.

    ``max_tokens_per_batch`` bounds a batch's rows times its longest row, padding included, besides ``batch_size``
    rows; a row that is longer by itself stands alone.

    ``recompute`` keeps only what goes into each Transformer layer and computes the rest again on the way back: less
    memory, more time. ``amp_level`` and ``deterministic`` are for a GPU. ``fgm_epsilon`` adds an adversarial pass over
    word vectors moved so far (0: off), ``ema_decay`` scores and saves a moving average of the weights (null: off).
    ``cache_frozen`` computes the outputs of an encoder that is frozen whole once, with its dropout off, and keeps them;
    with the learnt pooling ``attention`` only where ``freeze`` names ``pool.*`` too.
    """

    epochs: PositiveInt = 3
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt = 32
    max_tokens_per_batch: PositiveInt | None = None
    accumulation_steps: PositiveInt = 1
    max_length: PositiveInt = 256
    freeze: tuple[str, ...] = ()
    recompute: bool = False
    cache_frozen: bool = True
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    amp_level: Literal["O1", "O2"] = "O1"
    deterministic: bool = False
    fgm_epsilon: NonNegativeFloat = 0.0
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    early_stopping_patience: PositiveInt | None = None
    save_every_steps: PositiveInt | None = None
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2
    on_nonfinite: Literal["stop", "skip"] = "stop"
    loss: LossSection = LossSection()


class EvaluationSection(Section):
    """When to score the dev split, and which of its metrics chooses the best model."""

    every_steps: PositiveInt | None = None
    metric: str = "accuracy"
    batch_size: PositiveInt = 64


Detail = Literal["light", "normal", "full"]
DETAILS: tuple[Detail, ...] = get_args(Detail)  # each with what those before it have


class LoggingSection(Section):
    """What is written while training, and how much of it there is to look at in VisualDL.

    ``detail`` is ``light`` (scalars and texts), ``normal`` (besides: confusion matrix, curves of precision and recall
    and ROC curves of the ten most frequent labels, calibration, histograms of confidence and length, the worst errors,
    CRF transitions, sentence vectors, hyper-parameters and the model's graph) or ``full`` (besides: histograms of the
    weights and gradients of every parameter at each evaluation). The scalars are the same at each of them, and so is
    what is learnt.
    """

    every_steps: PositiveInt = 10
    visualdl: bool = True
    detail: Detail = "normal"


class AnyRunSection(Section):
    """What the configuration of every run has, trained step by step or not."""

    task: str
    seed: NonNegativeInt = 0
    run_dir: Annotated[str, Field(min_length=1)]
    data: Section
    model: Section


class RunSection(AnyRunSection):
    """The whole configuration; a task puts its own sections in the places of ``data`` and ``model``."""

    optimizer: OptimizerSection = OptimizerSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    logging: LoggingSection = LoggingSection()
