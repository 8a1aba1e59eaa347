"""The losses of the first steps of each task, which tests/golden/curves holds as they once were."""

from __future__ import annotations

from typing import Any

import paddle

from paddle_tasks import tasks
from paddle_tasks.training.build import build_loop, build_model
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.workflows.config import assignments, load_config

from .conftest import fixture_of, quick_config, sources

N_STEPS, SEED = 6, 7
PRECISIONS = ("float32",)
"""Those that a CPU computes in."""
_SMALL = {
    "model.embedding_size": 16,
    "model.hidden_size": 16,
    "model.dropout": 0.2,
    "training.batch_size": 4,
    "training.epochs": N_STEPS,  # an epoch of the fixture has 2 batches or more
    "training.max_steps": N_STEPS,
}
_SMALL_TASK = {
    "novel": {"data.vocabulary": {"min_count": 1}},
    # Only an rnn has an embedding_size; 256 is the default.
    "translate": {"model.embedding_size": 256, "data.vocabulary": {"min_count": 1}},
    "pretrain": {"model.pretraining_dropout": 0.2, "data.vocabulary": {"size": 300, "min_count": 1}},
}


def first_losses(name: str, precision: str, **changes: Any) -> list[float]:
    """Return the mean loss of each of the first steps.

    The model is that of the task's quick configuration, but small; the data are the task's fixture.

    Args:
        name: the name of the task.
        precision: the setting ``training.precision``.
        **changes: other settings, by dotted key; ``seed`` for another seed.
    """
    small = {**sources(fixture_of(name)), **_SMALL, **_SMALL_TASK.get(name, {})}
    settings = {**small, "seed": SEED, "training.precision": precision, **changes}
    config = load_config(quick_config(name), assignments(settings))
    task = tasks.find(name)(config)
    task.read()
    paddle.seed(config.seed)
    model = build_model(task, config.training)
    loop = build_loop(config, task, model, build_optimizer(model, config.optimizer))
    return [report.loss for report in loop.steps()]
