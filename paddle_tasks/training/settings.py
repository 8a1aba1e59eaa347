"""The sections of the configuration that every trained task shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat

from paddle_tasks.config import Count, Section, Seed

Dtype = Literal["float32", "float16", "bfloat16"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]


class OptimizerSection(Section):
    """AdamW or plain gradient descent (``sgd``), and the learning rate as a function of the step.

    ``gradient`` is that of the mean loss, or that of the ``sum``, in which case the learning rate is the rate of a
    single summand. ``beta1``, ``beta2`` and ``epsilon`` are AdamW's.

    ``layer_decay`` is the factor between the learning rates of a Transformer layer and the layer above it; 1 is off.
    ``learning_rates`` sets the rate of the parameters whose name matches a shell pattern, such as ``{"crf.*": 0.01}``,
    regardless of ``layer_decay``; they follow the same schedule. If several patterns match, the last one counts.
    """

    kind: Literal["adamw", "sgd"] = "adamw"
    gradient: Literal["mean", "sum"] = "mean"
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


class TrainingSection(Section):
    """How long to train, how batches are made, and what to do when something goes wrong.

    ``precision`` is that of the products: ``auto`` is bfloat16 on a CPU that computes them faster in it, and float32
    elsewhere; config.yaml of the run records which it was. float16 is for a GPU, and so are ``amp_level`` and
    ``deterministic``. ``freeze`` has shell patterns of parameter names.
    ``fgm_epsilon`` adds an adversarial pass over word vectors that are moved by that distance (0 is off).
    ``ema_decay`` scores and saves a moving average of the weights (null is off).
    """

    epochs: Count = 3
    max_steps: Count | None = None
    batch_size: Count = 32
    accumulation_steps: Count = 1
    freeze: tuple[str, ...] = ()
    precision: Literal["auto"] | Dtype = "auto"
    amp_level: Literal["O1", "O2"] = "O1"
    deterministic: bool = False
    fgm_epsilon: NonNegativeFloat = 0.0
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    early_stopping_patience: Count | None = None
    save_every_steps: Count | None = None
    keep_checkpoints: Count = 2
    on_nonfinite: Literal["stop", "skip"] = "stop"


class TextTrainingSection(TrainingSection):
    """The training of a model over padded token sequences.

    ``max_length`` is the maximum number of tokens of an input, special tokens included. ``max_tokens_per_batch`` limits
    a batch's rows times its longest row, padding included, in addition to ``batch_size``; a row that is longer than
    that is a batch of its own. ``recompute`` keeps only the input of each Transformer layer and computes the rest again
    in the backward pass: less memory, more time.
    """

    max_length: Count = 256
    max_tokens_per_batch: Count | None = None
    recompute: bool = False


class EvaluationSection(Section):
    """When the dev split is scored, and which of its metrics chooses the best model."""

    every_steps: Count | None = None
    metric: str = "accuracy"
    batch_size: Count = 64


Detail = Literal["light", "normal", "full"]
DETAILS: tuple[Detail, ...] = get_args(Detail)  # each includes the ones before it


class LoggingSection(Section):
    """What is written during training, and how much of it VisualDL shows.

    ``detail`` is ``light`` (scalars and texts), ``normal`` (also confusion matrix, precision-recall and ROC curves of
    the ten most frequent labels, calibration, histograms of confidence and length, the worst errors, CRF transitions,
    sentence vectors, hyper-parameters and the model's graph) or ``full`` (also histograms of the weights and gradients
    of every parameter at each evaluation). Neither the scalars nor the trained weights depend on it.
    """

    every_steps: Count = 10
    visualdl: bool = True
    detail: Detail = "normal"


class AnyRunSection(Section):
    """The settings of every run, a baseline's too.

    A task's ``data`` has a method ``has(split)``, which tells whether the configuration names that split.
    """

    task: str
    seed: Seed = 0
    run_dir: Annotated[str, Field(min_length=1)]
    data: Section
    model: Section


class RunSection(AnyRunSection):
    """The whole configuration; a task replaces ``data`` and ``model``, and other sections where it needs more.

    Attributes:
        RETIRED: settings that older versions wrote for this task and that it never used, each with its default, by
            dotted key. A file that holds such a default loads; any other value is refused as an unknown key.
    """

    RETIRED: ClassVar[Mapping[str, Any]] = {}

    optimizer: OptimizerSection = OptimizerSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    logging: LoggingSection = LoggingSection()

    @classmethod
    def upgrade(cls, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a configuration without the defaults of retired settings."""
        for key, default in cls.RETIRED.items():
            section, _, name = key.partition(".")
            values = tree.get(section)
            if isinstance(values, Mapping) and name in values and _is_default(values[name], default):
                kept = {other: value for other, value in values.items() if other != name}
                tree = {**tree, section: kept}
        return tree


def _is_default(value: Any, default: Any) -> bool:
    if isinstance(default, Mapping):  # older versions had fewer keys
        return isinstance(value, Mapping) and all(
            name in default and _is_default(inner, default[name]) for name, inner in value.items()
        )
    return isinstance(value, bool) == isinstance(default, bool) and bool(value == default)  # False equals 0.0
