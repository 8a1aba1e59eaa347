"""The training loop: accumulation, non-finite losses and gradients, loss scaling, counts and seeds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.errors import NonFiniteError
from paddle_tasks.training import loop as loop_module
from paddle_tasks.training.checkpoint import optimizer_state
from paddle_tasks.training.loop import Progress, step_seed
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.settings import OptimizerSection

from .toy import Recorder, batches, loss_scaler, make_loop, make_toy, same, summed_loss, weights

UNCLIPPED = OptimizerSection(learning_rate=0.01, max_gradient_norm=None)


def gradients(batch_size: int, accumulation_steps: int, n_rows: int, loss=summed_loss) -> list[np.ndarray]:
    model = make_toy()
    recorder = Recorder(model)
    loop = make_loop(
        model,
        recorder,
        n_rows=n_rows,
        batch_size=batch_size,
        accumulation_steps=accumulation_steps,
        settings=UNCLIPPED,
        loss=loss,
    )
    list(loop.steps())
    return recorder.gradients


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


# Eight rows a step: the last step of 20 rows has four, and 3 + 3 + 2 is a group of unequal batches.
@pytest.mark.parametrize(
    ("batch_size", "accumulation_steps", "n_rows"), [(4, 2, 24), (1, 8, 24), (4, 2, 20), (1, 8, 20), (3, 3, 8)]
)
def test_accumulation_equals_a_large_batch(batch_size, accumulation_steps, n_rows):
    large = gradients(8, 1, n_rows)
    small = gradients(batch_size, accumulation_steps, n_rows)
    assert len(small) == len(large) == math.ceil(n_rows / 8)
    assert max(map(distance, small, large)) < 1e-6


def test_averaging_each_micro_batch_would_differ():
    def mean_loss(model, batch):
        loss, count = summed_loss(model, batch)
        return loss / count, 1

    assert distance(gradients(4, 2, 8, mean_loss)[0], gradients(8, 1, 8)[0]) < 1e-6
    assert distance(gradients(3, 3, 8, mean_loss)[0], gradients(8, 1, 8)[0]) > 1e-2


def trained(n_epochs: int = 2, settings: OptimizerSection = UNCLIPPED, **changes):
    model = make_toy(changes.pop("dropout", 0.0))
    optimizer = changes.pop("optimizer", build_optimizer)(model, settings)
    loop = make_loop(model, optimizer, epochs=n_epochs, settings=settings, **changes)
    return model, optimizer, loop, list(loop.steps())


@pytest.mark.parametrize(("batch_size", "accumulation_steps"), [(4, 2), (1, 8)])
def test_accumulation_leads_to_the_same_weights(batch_size, accumulation_steps):
    large, small = (
        weights(trained(n_rows=20, batch_size=size, accumulation_steps=number)[0])
        for size, number in ((8, 1), (batch_size, accumulation_steps))
    )
    moved = np.abs(large["first.weight"] - weights(make_toy())["first.weight"]).max()
    assert moved > 0.01
    for name in large:
        np.testing.assert_allclose(small[name], large[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("n_rows", "accumulation_steps", "epochs", "max_steps", "steps"),
    [(24, 1, 2, None, 6), (20, 2, 2, None, 4), (20, 8, 3, None, 3), (20, 2, 2, 3, 3), (20, 2, 2, 9, 4)],
)
def test_number_of_steps(n_rows, accumulation_steps, epochs, max_steps, steps):
    _, _, loop, reports = trained(epochs, n_rows=n_rows, accumulation_steps=accumulation_steps, max_steps=max_steps)
    assert [report.step for report in reports] == list(range(1, steps + 1))
    assert loop.total_steps == reports[0].total_steps == steps
    assert loop.is_done


def test_reports_and_counts():
    """Five batches of 4, 4, 4, 4, 3 rows in groups of two, over two epochs."""
    _, _, loop, reports = trained(n_rows=19, batch_size=4, accumulation_steps=2)
    assert [(report.epoch, report.ends_epoch) for report in reports] == [(1, 0), (1, 0), (1, 1), (2, 0), (2, 0), (2, 1)]
    assert [report.n_tokens for report in reports] == [8, 8, 3] * 2
    progress = loop.progress
    assert (progress.n_tokens, progress.n_padded_tokens) == (38, 76)
    assert (progress.epoch, progress.batch, progress.current_epoch) == (2, 0, 2)
    assert progress.window_count == 38
    assert progress.window_loss == pytest.approx(sum(report.loss * report.n_tokens for report in reports))
    assert progress.seconds == pytest.approx(sum(report.seconds for report in reports))


def test_a_step_reports_the_mean_loss_and_the_norm_of_the_mean_gradient():
    _, _, _, reports = trained(1)
    model = make_toy()
    loss, count = summed_loss(model, next(batches(24, 8)))
    (loss / count).backward()
    norm = np.linalg.norm(np.concatenate([p.grad.numpy().ravel() for p in model.parameters()]))
    assert reports[0].loss == pytest.approx(float(loss) / 8, rel=1e-6)
    assert reports[0].gradient_norm == pytest.approx(norm, rel=1e-6)


# ---- randomness


def test_a_step_draws_from_its_own_seed():
    seeds = {step_seed(seed, step) for seed, step in itertools.product(range(30), range(30))}
    assert len(seeds) == 900
    assert step_seed(1, 2) == step_seed(1, 2)


@pytest.mark.parametrize("seed", [3, 4])
def test_the_seed_decides_the_dropout(seed):
    first, second = (trained(dropout=0.5, seed=number)[0] for number in (3, seed))
    assert same(weights(first), weights(second)) == (seed == 3)


def test_batches_are_requested_by_epoch_and_start():
    asked = []

    def batches_of(epoch, start):
        asked.append((epoch, start))
        return batches(24, 8, epoch, start)

    trained(3, batches_of=batches_of, progress=Progress(step=1, epoch=0, batch=1))
    assert asked == [(0, 1), (1, 0), (2, 0)]


# ---- not finite


class Spoiled:
    """The loss, multiplied by ``value`` at batch number ``at``, counted from 1 over the whole run."""

    def __init__(self, at: int, value: float) -> None:
        self.at, self.value, self.calls = at, value, 0

    def __call__(self, model, batch):
        self.calls += 1
        loss, count = summed_loss(model, batch)
        return (loss * self.value if self.calls == self.at else loss), count


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_stop_before_a_step_that_is_not_finite(value):
    """Batch 4 is the second one of step 2: the message names the rows of both batches of that step, and no others."""
    model = make_toy()
    loop = make_loop(model, build_optimizer(model, UNCLIPPED), batch_size=4, accumulation_steps=2)
    loop.loss = Spoiled(4, value)
    steps = loop.steps()
    next(steps)
    before, state = weights(model), optimizer_state(loop.optimizer, model)
    group = list(batches(24, 4))[2:4]
    rows = [row for batch in group for row in batch.rows]
    with pytest.raises(NonFiniteError, match=rf"step 2: .* counted from 0: \[{', '.join(map(str, rows))}\]\."):
        next(steps)
    assert same(weights(model), before)
    assert same(optimizer_state(loop.optimizer, model), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (loop.progress.step, loop.progress.batch) == (1, 2)


def test_stop_when_only_a_gradient_is_not_finite():
    def loss_with_a_bad_gradient(model, batch):
        loss, count = summed_loss(model, batch)
        return loss + paddle.sqrt(model.last.bias.sum() * 0), count  # finite, but 0 * inf going back

    model = make_toy()
    loop = make_loop(model, build_optimizer(model, UNCLIPPED), loss=loss_with_a_bad_gradient)
    with pytest.raises(NonFiniteError, match=r"loss \d\S+ and gradient norm nan"):
        next(loop.steps())
    assert same(weights(model), weights(make_toy()))


class LeavingOut:
    """AdamW without one of its steps."""

    def __init__(self, model: nn.Layer, settings: OptimizerSection, left_out: int) -> None:
        self.inner, self.left_out, self.steps = build_optimizer(model, settings), left_out, 0

    def step(self) -> None:
        self.steps += 1
        if self.steps != self.left_out:
            self.inner.step()

    def __getattr__(self, name: str):
        return getattr(self.inner, name)


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_skip_continues_without_that_step(at, value):
    model, optimizer, loop, reports = trained(loss=Spoiled(at, value), on_nonfinite="skip", dropout=0.5)
    other, other_optimizer, *_ = trained(optimizer=lambda m, s: LeavingOut(m, s, at), dropout=0.5)
    assert same(weights(model), weights(other))
    assert same(optimizer_state(optimizer, model), optimizer_state(other_optimizer.inner, other))
    assert [report.step for report in reports if report.skipped] == [at]
    assert loop.progress.skipped_steps == 1
    assert math.isfinite(loop.progress.window_loss)
    assert loop.progress.window_count == 48 - 8
    assert not same(weights(model), weights(trained(dropout=0.5)[0]))


# ---- float16's loss scale


@pytest.fixture
def scaler(monkeypatch):
    return loss_scaler(monkeypatch)


def overflowing(at: int):
    """Return a finite loss whose scaled gradient overflows at one batch."""
    calls = itertools.count(1)

    def loss(model, batch):
        value, count = summed_loss(model, batch)
        return (
            (value + 1e36 * (model.last.bias.sum() - model.last.bias.sum().detach()), count)
            if next(calls) == at
            else (value, count)
        )

    return loss


def scale_of(scaler) -> float:
    return float(scaler.state_dict()["scale"][0])


def test_scaling_the_loss_changes_nothing(scaler):
    scaled = trained(precision=Precision(scaler=scaler))[0]
    assert scale_of(scaler) == 1024
    for name, value in weights(trained()[0]).items():
        np.testing.assert_allclose(weights(scaled)[name], value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("on_nonfinite", ["stop", "skip"])
def test_an_overflow_skips_the_step_and_lowers_the_scale(scaler, on_nonfinite):
    model, _, loop, reports = trained(
        loss=overflowing(4), precision=Precision(scaler=scaler), on_nonfinite=on_nonfinite, settings=UNCLIPPED
    )
    assert scale_of(scaler) == 512
    assert [report.step for report in reports if report.skipped] == [4]
    assert loop.progress.skipped_steps == 1
    expected = weights(trained(optimizer=lambda m, s: LeavingOut(m, s, 4))[0])
    for name, value in weights(model).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6, atol=1e-7)


def test_a_loss_that_is_not_finite_is_skipped_with_a_scaler_too(scaler):
    _, _, loop, reports = trained(loss=Spoiled(2, math.nan), precision=Precision(scaler=scaler), on_nonfinite="skip")
    assert [report.step for report in reports if report.skipped] == [2]
    assert loop.progress.step == 6


def test_a_cpu_always_computes_in_float32():
    assert Precision.prepare("float16") == Precision.prepare("float32") == Precision()


# ---- a parameter that some batches leave out


class Optional(nn.Layer):
    """Uses its second layer for some batches only."""

    def __init__(self) -> None:
        super().__init__()
        self.always, self.sometimes = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, inputs, labels):
        logits = self.always(inputs)
        return logits + self.sometimes(inputs) if int(labels[0]) == 0 else logits


def test_a_parameter_without_gradient_stays_as_it_is():
    """Just as in the first step after a resume, when it has no gradient yet."""
    used = []

    def loss(model, batch):
        used.append(int(batch.labels[0]) == 0)
        return nn.functional.cross_entropy(model(batch.inputs, batch.labels), batch.labels, reduction="sum"), 1

    paddle.seed(1)
    model = Optional()
    loop = make_loop(model, build_optimizer(model, UNCLIPPED), batch_size=2, loss=loss)
    before, moved = weights(model), []
    for _ in loop.steps():
        now = weights(model)
        moved.append(now["sometimes.weight"].tobytes() != before["sometimes.weight"].tobytes())
        before = now
    assert moved == used
    assert (True, False) in itertools.pairwise(used)


def test_step_seed_is_what_the_loop_uses(monkeypatch):
    """Negative control of resuming: with a seed that depends on the process, the run differs."""
    counter = itertools.count(100)
    expected = weights(trained(dropout=0.5)[0])
    monkeypatch.setattr(loop_module, "step_seed", lambda seed, step, rank: next(counter))
    assert not same(weights(trained(dropout=0.5)[0]), expected)


# ---- a step whose loss counts nothing, as of a batch without a masked token


def counting_nothing(at: set[int], *, connected: bool):
    """Return a loss with sum 0 and count 0 at some batches; ``connected``: whether it depends on the weights."""
    calls = itertools.count(1)

    def loss(model, batch):
        value, count = summed_loss(model, batch)
        if next(calls) not in at:
            return value, count
        return (value * 0 if connected else paddle.zeros([])), 0

    return loss


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("on_nonfinite", ["stop", "skip"])
def test_a_step_that_counts_nothing_is_finite(connected, on_nonfinite):
    model, _, loop, reports = trained(1, loss=counting_nothing({2}, connected=connected), on_nonfinite=on_nonfinite)
    assert [report.loss for report in reports][1] == 0
    assert [report.gradient_norm for report in reports][1] == 0
    assert loop.progress.skipped_steps == 0
    assert loop.progress.window_count == 16
    assert all(np.isfinite(value).all() for value in weights(model).values())


@pytest.mark.parametrize("connected", [True, False])
def test_a_first_step_that_counts_nothing_moves_nothing(connected):
    settings = UNCLIPPED.model_copy(update={"weight_decay": 0.0})
    model, *_ = trained(1, settings, loss=counting_nothing({1}, connected=connected), max_steps=1)
    assert same(weights(model), weights(make_toy()))


@pytest.mark.parametrize("connected", [True, False])
def test_a_micro_batch_that_counts_nothing_adds_nothing(connected):
    """One step of three batches, the second of which counts nothing."""
    found = gradients(8, 3, 24, counting_nothing({2}, connected=connected))
    kept = [batch for index, batch in enumerate(batches(24, 8)) if index != 1]
    model = make_toy()
    for batch in kept:
        (summed_loss(model, batch)[0] / 16).backward()
    expected = np.concatenate([value.grad.numpy().ravel() for value in model.parameters()])
    assert distance(found[0], expected) < 1e-6
