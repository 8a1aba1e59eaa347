"""Builds what a run trains from a task and its configuration: the model and the loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle
from paddle import nn

from paddle_tasks import runtime
from paddle_tasks.language import _, join
from paddle_tasks.models import cpu, gpu
from paddle_tasks.models.parameter_memory import parameters_within_memory
from paddle_tasks.training.adversarial import check_word_vectors
from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.training.loop import Loop, Progress
from paddle_tasks.training.optimizer import freeze
from paddle_tasks.training.precision import Precision, resolve
from paddle_tasks.training.protocol import Task
from paddle_tasks.training.settings import RunSection, TrainingSection
from paddle_tasks.training.stopping import StopSignal


def build_model(task: Task, training: TrainingSection) -> nn.Layer:
    """Return the task's model as it is trained: partly frozen, with the faster kernels of its device."""
    with parameters_within_memory(_("model")):
        model = task.build_model()
    freeze(model, training.freeze)
    if training.fgm_epsilon:
        check_word_vectors(model)
    if training.deterministic:
        runtime.make_deterministic()
    cpu.switch_in(model)
    if resolve(training.precision) != "float32" and paddle.device.get_device().startswith("gpu"):
        gpu.switch_in(model)
    return model


def describe_model(model: nn.Layer, name: str, frozen: Sequence[str]) -> str:
    """Return a line about a model: its name, its parameters, and which of them are trained.

    Args:
        model: the model, partly frozen.
        name: the name of its encoder, or of the task if there is none.
        frozen: the patterns of ``training.freeze``.
    """
    sizes = [(math.prod(parameter.shape), parameter.stop_gradient) for parameter in model.parameters()]
    n_all, n_trained = sum(size for size, _ in sizes), sum(size for size, is_frozen in sizes if not is_frozen)
    if n_trained == n_all:
        return _("model: {name}, {parameters:,} parameters, all trained").format(name=name, parameters=n_all)
    message = _("model: {name}, {parameters:,} parameters, {trained:,} of them trained")
    if frozen:
        message = _(
            "model: {name}, {parameters:,} parameters, {trained:,} of them trained (training.freeze: {patterns})"
        )
    return message.format(name=name, parameters=n_all, trained=n_trained, patterns=join(frozen))


def build_loop(config: RunSection, task: Task, model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> Loop:
    """Return the loop before its first step, with the weights in the configured precision."""
    training = config.training
    loop = Loop(
        model=model,
        loss=task.loss,
        optimizer=optimizer,
        settings=config.optimizer,
        batches_of=task.train_batches,
        n_batches=task.n_batches,
        epochs=training.epochs,
        accumulation_steps=training.accumulation_steps,
        max_steps=training.max_steps,
        seed=config.seed,
        on_nonfinite=training.on_nonfinite,
        progress=Progress(),
        precision=Precision.prepare(resolve(training.precision), training.amp_level),
        fgm_epsilon=training.fgm_epsilon,
        average=WeightAverage(model, training.ema_decay) if training.ema_decay else None,
        ranks=task.ranks,
        stop=StopSignal(single_process=task.ranks.size == 1),
    )
    loop.precision.decorate(model, optimizer)
    return loop
