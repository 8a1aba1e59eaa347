"""Single training steps of a model at a given batch size and length: forward, backward and update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import paddle
from paddle import nn

from paddle_tasks import runtime, tasks
from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.errors import ConfigError
from paddle_tasks.training.build import build_loop, build_model
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.protocol import Task
from paddle_tasks.training.settings import Dtype, RunSection, TextTrainingSection
from paddle_tasks.workflows.bench.products import MatrixProducts, step_flops, synchronize
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds, time_call
from paddle_tasks.workflows.bench.variants import Variant

WARMUP = 2
_MATMUL = "matrix products"


@dataclass(frozen=True)
class _Stepper:
    """Runs a model's training steps one at a time."""

    model: nn.Layer
    steps: Iterator[StepReport]
    batch_size: int
    length: int
    precision: Dtype

    def step(self) -> None:
        next(self.steps)
        synchronize()


def measure_encoder(
    variants: Mapping[str, Variant], *, repeats: int, device: str, notify: Notify = lambda _text: None
) -> Report:
    """Time single training steps of each variant, at its ``training.batch_size`` and ``training.max_length``.

    The steps are the trainer's own. All of them use one batch without padding, made from tokens of the train data.

    Args:
        variants: what to compare, by name; each takes one step in turn.
        repeats: steps that count.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        notify: called with messages about the progress.

    Raises:
        UserError: a configuration or its data cannot be used, or the task does not classify texts.
    """
    device = runtime.use_device(device)
    steppers = {name: _prepare(variant, WARMUP + repeats) for name, variant in variants.items()}
    first = next(iter(variants))
    batch_size, length = steppers[first].batch_size, steppers[first].length
    products = {
        stepper.precision: MatrixProducts(steppers[first].model, batch_size * length, stepper.precision)
        for stepper in steppers.values()
    }
    calls: dict[str, Callable[[], None]] = {name: stepper.step for name, stepper in steppers.items()}
    calls |= {f"{_MATMUL} {precision}": call for precision, call in products.items()}
    timers = {name: (lambda call=call: time_call(call)) for name, call in calls.items()}
    seconds = run_rounds(timers, repeats, warmup=WARMUP, notify=notify)
    matmul = {
        precision: Spread.from_values([call.flops / value / 1e9 for value in seconds.pop(f"{_MATMUL} {precision}")])
        for precision, call in products.items()
    }
    return Report(
        bench="encoder",
        timed="one training step",
        measurements=[
            _measurement(name, steppers[name], seconds[name], matmul[steppers[name].precision]) for name in variants
        ],
        settings={"batch_size": batch_size, "length": length, "precision": steppers[first].precision},
        environment=runtime.describe_environment(device),
        matmul_gflops=matmul[steppers[first].precision],
    )


def _measurement(name: str, stepper: _Stepper, seconds: list[float], matmul: Spread) -> Measurement:
    spread, size = Spread.from_values(seconds), (stepper.batch_size, stepper.length)
    gflops = step_flops(stepper.model, *size) / spread.median / 1e9
    values = {
        "tokens_per_second": math.prod(size) / spread.median,
        "gflops": gflops,
        "matmul_share": gflops / matmul.median,
    }
    return Measurement(name, spread, values)


def _prepare(variant: Variant, n_steps: int) -> _Stepper:
    config = disable_frozen_cache(variant.config)
    task: Task = tasks.find(config.task)(config)
    task.read()
    paddle.seed(config.seed)
    model = build_model(task, config.training)
    variant.apply_switches(model)
    batch = next(task.train_batches(0, 0))
    if not isinstance(config.training, TextTrainingSection) or not isinstance(batch, Batch):
        raise ConfigError(f"bench encoder: expected a task that classifies texts, found {config.task!r}")
    size = config.training.batch_size, config.training.max_length
    full_batch = fill_batch(batch, *size)
    loop = replace(
        build_loop(config, task, model, build_optimizer(model, config.optimizer)),
        batches_of=lambda _epoch, start: iter([full_batch] * (n_steps - start)),
        n_batches=n_steps,
        epochs=1,
        accumulation_steps=1,
        max_steps=None,
        on_nonfinite="stop",
    )
    return _Stepper(model, loop.steps(), *size, loop.precision.dtype)


def disable_frozen_cache(config: RunSection) -> RunSection:
    """Return a configuration that computes a frozen encoder in every step, because that is what is measured."""
    training = config.training.model_copy(update={"cache_frozen": False})
    return config.model_copy(update={"training": training})


def fill_batch(batch: Batch, batch_size: int, length: int) -> Batch:
    """Return a batch of exactly this size, without padding, made from the tokens and labels of another batch."""
    ids, lengths = batch.input_ids.numpy(), batch.lengths.numpy()
    tokens = ids[np.arange(ids.shape[1]) < lengths[:, None]]
    size = (batch_size, length)
    return replace(
        batch,
        input_ids=paddle.to_tensor(np.resize(tokens, size)),
        token_type_ids=paddle.zeros(size, dtype="int64"),
        lengths=paddle.full([batch_size], length, dtype="int64"),
        labels=paddle.to_tensor(np.resize(batch.labels.numpy(), batch_size)),
        rows=tuple(range(batch_size)),
        n_tokens=batch_size * length,
        n_padded_tokens=batch_size * length,
    )
