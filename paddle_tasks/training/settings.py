"""The sections of the configuration that every trained task shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from paddle_tasks.config import Section

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]


class OptimizerSection(Section):
    """AdamW and the learning rate's way, a function of the step."""

    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    beta1: Beta = 0.9
    beta2: Beta = 0.999
    epsilon: PositiveFloat = 1e-8
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_fraction: Fraction = 0.1
    max_gradient_norm: PositiveFloat | None = 1.0


class TrainingSection(Section):
    """How long, in which portions, and what to do when something goes wrong."""

    epochs: PositiveInt = 3
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt = 32
    accumulation_steps: PositiveInt = 1
    max_length: PositiveInt = 256
    freeze: tuple[str, ...] = ()
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    early_stopping_patience: PositiveInt | None = None
    save_every_steps: PositiveInt | None = None
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2
    on_nonfinite: Literal["stop", "skip"] = "stop"


class EvaluationSection(Section):
    """When to score the dev split, and which of its metrics chooses the best model."""

    every_steps: PositiveInt | None = None
    metric: str = "accuracy"
    batch_size: PositiveInt = 64


class LoggingSection(Section):
    """What is written while training."""

    every_steps: PositiveInt = 10
    visualdl: bool = True


class RunSection(Section):
    """The whole configuration; a task puts its own sections in the places of ``data`` and ``model``."""

    task: str
    seed: NonNegativeInt = 0
    run_dir: Annotated[str, Field(min_length=1)]
    data: Section
    model: Section
    optimizer: OptimizerSection = OptimizerSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    logging: LoggingSection = LoggingSection()
