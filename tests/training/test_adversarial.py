"""The fast gradient method on a tiny embedding model, computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.training.adversarial import check_word_vectors, perturbed, word_vectors
from paddle_tasks.training.optimizer import build_optimizer, freeze
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.settings import OptimizerSection

from .toy import loss_scaler, make_loop, make_toy, same, weights

EPSILON = 0.5
WORDS, SIZE = 6, 3
SETTINGS = OptimizerSection(learning_rate=0.01, warmup_fraction=0.0, schedule="constant", max_gradient_norm=None)


class Words(nn.Layer):
    """A linear layer over the mean of word and position vectors; the position embedding is the larger one."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, SIZE), nn.Embedding(2 * WORDS, SIZE)
        self.output = nn.Linear(SIZE, 2)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.output(paddle.tanh((self.words(ids) + self.places(ids % 2)).mean(axis=1)))


@dataclass(frozen=True)
class Texts:
    ids: paddle.Tensor
    labels: paddle.Tensor
    rows: tuple[int, ...]
    n_tokens: int = 4
    n_padded_tokens: int = 4

    def split(self, n_parts: int) -> list[Texts]:
        assert n_parts == 1
        return [self]


IDS = np.array([[1, 2], [2, 3], [4, 5], [5, 1], [3, 3], [0, 4]])
LABELS = np.array([0, 1, 1, 0, 1, 0])


def texts(size: int, start: int = 0) -> Iterator[Texts]:
    for first in range(start * size, len(IDS), size):
        part = slice(first, first + size)
        yield Texts(paddle.to_tensor(IDS[part]), paddle.to_tensor(LABELS[part]), tuple(range(first, first + size)))


def summed_loss(model: nn.Layer, batch: Texts) -> tuple[paddle.Tensor, int]:
    return nn.functional.cross_entropy(model(batch.ids), batch.labels, reduction="sum"), len(batch.rows)


def make_words() -> Words:
    paddle.seed(5)
    return Words()


class Recorder:
    """An optimiser that records the gradients and weights of each step and does not change the weights."""

    def __init__(self, model: nn.Layer) -> None:
        self.model = model
        self.gradients: list[dict[str, np.ndarray]] = []
        self.weights: list[dict[str, np.ndarray]] = []

    def set_lr(self, rate: float) -> None: ...

    def step(self) -> None:
        self.gradients.append({name: value.grad.numpy().copy() for name, value in self.model.named_parameters()})
        self.weights.append(weights(self.model))

    def clear_grad(self, set_to_zero: bool = True) -> None:
        for value in self.model.parameters():
            value.clear_gradient(set_to_zero)


def recorded(size: int, accumulation_steps: int = 1, epsilon: float = EPSILON, **changes) -> Recorder:
    model = make_words()
    recorder = Recorder(model)
    loop = make_loop(
        model,
        recorder,
        loss=changes.pop("loss", summed_loss),
        settings=SETTINGS,
        batches_of=lambda epoch, start: texts(size, start),
        n_batches=len(IDS) // size,
        accumulation_steps=accumulation_steps,
        fgm_epsilon=epsilon,
        **changes,
    )
    list(loop.steps())
    return recorder


def gradients_at(batch: Texts, words: np.ndarray) -> dict[str, np.ndarray]:
    model = make_words()
    model.words.weight.set_value(paddle.to_tensor(words))
    summed_loss(model, batch)[0].backward()
    return {name: value.grad.numpy() for name, value in model.named_parameters()}


def by_hand(size: int, epsilon: float = EPSILON) -> list[dict[str, np.ndarray]]:
    """Return the sum of the clean and the adversarial gradient of each batch."""
    start = weights(make_words())["words.weight"]
    found = []
    for batch in texts(size):
        clean = gradients_at(batch, start)
        direction = clean["words.weight"]
        shifted = gradients_at(batch, start + epsilon * direction / np.linalg.norm(direction))
        found.append({name: clean[name] + shifted[name] for name in clean})
    return found


def close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float = 1e-5) -> bool:
    return all(np.allclose(found[name], value, rtol=rtol, atol=1e-6) for name, value in expected.items())


def scaled(gradients: dict[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    return {name: value * factor for name, value in gradients.items()}


def test_the_gradient_is_the_sum_of_clean_and_adversarial():
    found, expected = recorded(6).gradients, by_hand(6)
    assert len(found) == len(expected) == 1
    assert close(found[0], scaled(expected[0], 1 / 6))
    for wrong in (-EPSILON, 0.9 * EPSILON, 0.0):  # the other direction, another distance, twice the clean gradient
        assert not close(found[0], scaled(by_hand(6, wrong)[0], 1 / 6))


def test_each_micro_batch_is_perturbed_along_its_own_gradient():
    (found,) = recorded(2, 3).gradients
    parts = by_hand(2)
    expected = {name: sum(part[name] for part in parts) / 6 for name in parts[0]}
    assert close(found, expected)
    assert not close(found, scaled(by_hand(6)[0], 1 / 6)), "the direction of all rows together is another"


def test_the_loss_is_that_of_the_clean_pass():
    losses = []
    for epsilon in (0.0, EPSILON):
        model = make_words()
        loop = make_loop(
            model,
            Recorder(model),
            loss=summed_loss,
            batches_of=lambda epoch, start: texts(6, start),
            n_batches=1,
            fgm_epsilon=epsilon,
        )
        losses.append(next(loop.steps()).loss)
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("size", "accumulation_steps"), [(6, 1), (2, 3)])
def test_the_weights_are_restored_bit_for_bit_before_the_update(size, accumulation_steps):
    for epsilon in (EPSILON, 1e6):  # taking the shift off again would round
        (found,) = recorded(size, accumulation_steps, epsilon).weights
        assert same(found, weights(make_words()))


def test_the_weights_are_restored_after_an_error_in_the_second_pass():
    model = make_words()
    inside: list[bool] = []

    def second_pass() -> None:
        with perturbed(model.words.weight, paddle.ones([WORDS, SIZE]), 0.1):
            inside.append(same(weights(model), weights(make_words())))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        second_pass()
    assert inside == [False]
    assert same(weights(model), weights(make_words()))


def test_the_distance_is_epsilon():
    model = make_words()
    before = model.words.weight.numpy()
    with perturbed(model.words.weight, 1e3 * paddle.ones([WORDS, SIZE]), 0.25):
        shift = model.words.weight.numpy() - before
    assert np.linalg.norm(shift) == pytest.approx(0.25, rel=1e-5)
    assert (shift > 0).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_distance_in_half_precision(dtype):
    """The norm of this gradient overflows float16."""
    weight = paddle.zeros([WORDS, SIZE]).astype(dtype)
    with perturbed(weight, paddle.full([WORDS, SIZE], 3e4).astype(dtype), 0.25):
        assert float(weight.astype("float32").norm()) == pytest.approx(0.25, rel=1e-2)
    assert not weight.astype("float32").any()
    with perturbed(weight, paddle.zeros([WORDS, SIZE]).astype(dtype), 0.25):
        assert not weight.astype("float32").any()


def test_a_zero_gradient_moves_nothing():
    model = make_words()
    with perturbed(model.words.weight, paddle.zeros([WORDS, SIZE]), 0.25):
        assert same(weights(model), weights(make_words()))


def test_it_is_off_at_0():
    calls = []

    def loss(model, batch):
        calls.append(batch.rows)
        return summed_loss(model, batch)

    (found,) = recorded(6, epsilon=0.0, loss=loss).gradients
    assert len(calls) == 1
    assert close(found, scaled(gradients_at(next(texts(6)), weights(make_words())["words.weight"]), 1 / 6))
    recorded(6, loss=loss)
    assert len(calls) == 3


def test_loss_scaling_does_not_change_the_distance(monkeypatch):
    scaler = loss_scaler(monkeypatch)
    model = make_words()
    optimizer = build_optimizer(model, SETTINGS)
    seen = []
    step = optimizer.step
    optimizer.step = lambda: (seen.append({n: v.grad.numpy() for n, v in model.named_parameters()}), step())
    loop = make_loop(
        model,
        optimizer,
        loss=summed_loss,
        settings=SETTINGS,
        batches_of=lambda epoch, start: texts(6, start),
        n_batches=1,
        fgm_epsilon=EPSILON,
        precision=Precision(scaler=scaler),
    )
    list(loop.steps())
    assert close(seen[0], scaled(by_hand(6)[0], 1 / 6), rtol=1e-4)


def test_the_first_embedding_is_the_word_embedding():
    model = make_words()
    assert word_vectors(model) is model.words.weight
    check_word_vectors(model)


@pytest.mark.parametrize("model", [make_toy, make_words])
def test_frozen_or_missing_word_vectors_are_refused(model):
    layer = model()
    if isinstance(layer, Words):
        freeze(layer, ("words.*",))
    with pytest.raises(ConfigError, match=r"training\.fgm_epsilon"):
        check_word_vectors(layer)
