"""One training step of a model at a given batch size and length: forward, backward and update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import paddle
from paddle import nn

from paddle_tasks import runtime, tasks
from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.protocol import Task
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.bench.products import Products, settle, step_flops
from paddle_tasks.workflows.bench.report import Line, Report, Say, Spread, rounds, seconds_of
from paddle_tasks.workflows.bench.variants import Variant
from paddle_tasks.workflows.train import build_loop, starting_model

WARMUP = 2
_MATMUL = "matrix products"


@dataclass(frozen=True)
class _Measured:
    model: nn.Layer
    steps: Iterator[StepReport]
    batch_size: int
    length: int

    def step(self) -> None:
        next(self.steps)
        settle()


def bench_encoder(
    variants: Mapping[str, Variant], *, repeats: int, device: str, say: Say = lambda _text: None
) -> Report:
    """Time single training steps of each variant, at its ``training.batch_size`` and ``training.max_length``.

    The steps are those of the trainer, over and over on one batch without padding, made of the train data's tokens.

    Args:
        variants: what is compared, by name; they are measured in turn, step by step.
        repeats: steps that count.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        say: is told how far it is.

    Raises:
        UserError: something in a configuration or its data cannot be used.
    """
    device = runtime.use_device(device)
    measured = {name: _prepare(variant, WARMUP + repeats) for name, variant in variants.items()}
    first = next(iter(variants))
    training = variants[first].config.training
    products = Products(measured[first].model, training.batch_size * training.max_length)
    calls: dict[str, Callable[[], None]] = {name: one.step for name, one in measured.items()}
    calls[_MATMUL] = products
    timers = {name: (lambda call=call: seconds_of(call)) for name, call in calls.items()}
    seconds = rounds(timers, repeats, warmup=WARMUP, say=say)
    matmul = Spread.of([products.flops / value / 1e9 for value in seconds.pop(_MATMUL)])
    return Report(
        bench="encoder",
        timed="one training step",
        lines=[_line(name, measured[name], seconds[name], matmul) for name in variants],
        settings={"batch_size": training.batch_size, "length": training.max_length},
        environment=runtime.environment(device),
        matmul_gflops=matmul,
    )


def _line(name: str, measured: _Measured, seconds: list[float], matmul: Spread) -> Line:
    spread, size = Spread.of(seconds), (measured.batch_size, measured.length)
    gflops = step_flops(measured.model, *size) / spread.median / 1e9
    figures = {
        "tokens_per_second": math.prod(size) / spread.median,
        "gflops": gflops,
        "matmul_share": gflops / matmul.median,
    }
    return Line(name, spread, figures)


def _prepare(variant: Variant, n_steps: int) -> _Measured:
    config = computed_anew(variant.config)
    task: Task = tasks.find(config.task)(config)
    task.read()
    paddle.seed(config.seed)
    model = starting_model(task, config.training)
    variant.alter(model)
    size = config.training.batch_size, config.training.max_length
    batch = full_batch(next(task.batches_of(0, 0)), *size)
    loop = replace(
        build_loop(config, task, model, build_optimizer(model, config.optimizer)),
        batches_of=lambda _epoch, start: iter([batch] * (n_steps - start)),
        n_batches=n_steps,
        epochs=1,
        accumulation_steps=1,
        max_steps=None,
        on_nonfinite="stop",
    )
    return _Measured(model, loop.steps(), *size)


def computed_anew(config: RunSection) -> RunSection:
    """Return a configuration whose frozen encoder is computed in every step, since it is what is measured."""
    training = config.training.model_copy(update={"cache_frozen": False})
    return config.model_copy(update={"training": training})


def full_batch(batch: Batch, batch_size: int, length: int) -> Batch:
    """Return a batch of exactly that size, without padding, from the tokens and labels of another one."""
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
