"""A frozen encoder: its text vectors are computed once, and nothing else changes."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.encoders.textcnn import TextCNN
from paddle_tasks.tasks.classification.frozen import TextVectors, has_fixed_vectors
from paddle_tasks.training.loop import StepReport
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train

from ...workflows.snapshot import differing, snapshot, started

FROZEN = ("encoder.*",)
EPOCHS = 3
# 22 train rows in batches of 4, to train and to compute their vectors; 10 dev and 9 test rows.
TRAIN, DEV, TEST = 6, 3, 3
Make = Callable[..., dict[str, Any]]


def make_config(
    small_config: Make, folder: Path, *, encoder: str = "textcnn", dropout: float = 0.0, **training: Any
) -> dict[str, Any]:
    """Return the configuration of a run with a frozen encoder, by default without dropout."""
    model = {"encoder": encoder, "n_layers": 1, "n_heads": 2, "dropout": dropout}
    model["pooling"] = training.pop("pooling", "max")
    given = {"epochs": EPOCHS, "freeze": list(FROZEN), **training}
    # With full detail, dev's vectors would be computed once more, to show them.
    sections = {"evaluation": {"metric": "loss"}, "logging": {"detail": "light"}}
    return small_config(folder, model=model, training=given, **sections)


@pytest.fixture
def settings(small_config, tmp_path) -> Make:
    """Return a function that gives a configuration whose run folder has a name of its own."""
    return lambda name, **changes: make_config(small_config, tmp_path / name, **changes)


@pytest.fixture
def calls(monkeypatch) -> Iterator[list[int]]:
    """Keep the rows of every batch that goes through an encoder."""
    rows: list[int] = []
    for kind in (TextCNN, PretrainedEncoder):
        forward = kind.forward

        def counted(encoder: Any, input_ids: paddle.Tensor, *others: Any, forward: Any = forward) -> Any:
            rows.append(input_ids.shape[0])
            return forward(encoder, input_ids, *others)

        monkeypatch.setattr(kind, "forward", counted)
    return rows


def losses(run: Path) -> list[float]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [record["value"] for record in records if record["tag"] == "train/loss"]


def predictions(run: Path, split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / f"predictions/{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_same_scores(one: Path, two: Path) -> None:
    """Compare what two runs predict; a batch of other rows rounds differently."""
    for split in ("dev", "test"):
        for first, second in zip(predictions(one, split), predictions(two, split), strict=True):
            assert first["predicted"] == second["predicted"]
            assert first["probabilities"] == pytest.approx(second["probabilities"], rel=1e-4)


@pytest.mark.parametrize("loss", [{}, {"class_weights": {"positive": 3.0}, "label_smoothing": 0.1, "focal_gamma": 1.0}])
@pytest.mark.parametrize(("encoder", "pooling"), [("textcnn", "max"), ("bert", "cls"), ("bert", "mean")])
@pytest.mark.long
def test_caching_vectors_changes_no_loss_and_no_score(encoder, pooling, loss, settings):
    cached, computed = (
        train(settings(str(cache), encoder=encoder, pooling=pooling, cache_frozen=cache, loss=loss)).folder
        for cache in (True, False)
    )
    assert len(losses(cached)) == EPOCHS * TRAIN
    assert losses(cached) == pytest.approx(losses(computed), rel=1e-5)
    assert losses(cached)[0] != losses(cached)[-1]
    assert_same_scores(cached, computed)


@pytest.mark.parametrize("encoder", ["textcnn", "bert"])
def test_each_text_goes_through_the_encoder_once(encoder, settings, calls):
    train(settings("run", encoder=encoder))
    assert len(calls) == TRAIN + DEV + TEST
    assert sum(calls) == 22 + 10 + 9


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cache_frozen": False}, "asked for"),
        ({"pooling": "attention"}, "the pooling is trained"),
        ({"freeze": ["encoder.kernels.*"]}, "the embedding is trained"),
        ({"freeze": []}, "nothing is frozen"),
    ],
)
def test_otherwise_each_batch_goes_through_it(changes, why, settings, calls):
    train(settings("run", **changes))
    assert len(calls) == EPOCHS * (TRAIN + DEV) + DEV + TEST, why


def test_the_same_rows_as_train_and_dev_are_computed_once(settings, calls):
    config = settings("run")
    config["data"] = dict.fromkeys(("train", "dev"), config["data"]["train"])
    train(config)
    assert len(calls) == TRAIN


def test_frozen_weights_stay(settings):
    config = settings("run")
    before = {name: value.numpy() for name, value in started(config)[1].named_parameters()}
    after = {name: value.numpy() for name, value in load(train(config).folder).model.named_parameters()}
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {
        "head.output.weight",
        "head.output.bias",
    }


# ---- dropout


def test_the_heads_dropout_stays_on_and_the_encoders_is_off(settings):
    task, model = started(settings("run", dropout=0.5))
    batch = next(iter(task.train_batches(0, 0)))
    model.train()
    values = []
    for seed in (1, 1, 2):
        paddle.seed(seed)
        values.append(float(task.loss(model, batch)[0]))
    assert model.training, "still in evaluation mode, in which the vectors are computed"
    assert values[0] == values[1] != values[2]
    dataset = task.dataset(task.splits["train"].examples)
    batches = task.batches_by_length(dataset)
    vectors = TextVectors().get(model, dataset, batches, lambda: None).numpy()
    model.eval()
    with paddle.no_grad():
        expected = model.text_vectors(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()
    np.testing.assert_allclose(vectors[list(batch.rows)], expected, rtol=1e-5, atol=1e-6)
    assert (vectors == 0).mean() < 0.5


def test_the_model_is_in_training_mode_again_if_memory_runs_out(settings, monkeypatch):
    task, model = started(settings("run", dropout=0.5))
    batch = next(iter(task.train_batches(0, 0)))
    model.train()
    monkeypatch.setattr(type(model), "text_vectors", lambda *inputs: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        task.loss(model, batch)
    assert model.training
    assert model.head.dropout.training


def test_r_drop_compares_two_passes_through_the_head(settings):
    plain, dropped = (
        losses(train(settings(str(weight), dropout=0.5, loss={"r_drop": weight}, max_steps=3)).folder)
        for weight in (0.0, 4.0)
    )
    assert all(two > one for one, two in zip(plain[:1], dropped[:1], strict=True))


# ---- going on, and afterwards


class CrashError(Exception):
    """The process dies here."""


@pytest.fixture(scope="module")
def uninterrupted(small_config, tmp_path_factory) -> dict[str, Any]:
    """The snapshot of a run that was not stopped."""
    folder = tmp_path_factory.mktemp("frozen")
    return snapshot(train(make_config(small_config, folder, dropout=0.3, save_every_steps=1)).folder)


@pytest.mark.parametrize("step", [2, 8, 17])
@pytest.mark.long
def test_resuming_is_exact(step, settings, uninterrupted):
    def crash(event: Any) -> None:
        if isinstance(event, StepReport) and event.step == step:
            raise CrashError

    config = settings("stopped", dropout=0.3, save_every_steps=1)
    with pytest.raises(CrashError):
        train(config, observe=crash)
    assert differing(snapshot(train(config).folder), uninterrupted) == set()


def test_a_saved_model_scores_and_predicts_the_same(settings):
    run = train(settings("run"))
    records = predictions(run.folder, "dev")
    predicted = load(run.folder)([record["text"] for record in records])
    assert [record["label"] for record in predicted] == [record["predicted"] for record in records]
    for found, record in zip(predicted, records, strict=True):
        assert found["probabilities"] == pytest.approx(record["probabilities"], rel=1e-4)
    assert evaluate(run.folder, split="dev")["metrics"]["loss"] == pytest.approx(run.result["dev"]["loss"], rel=1e-5)


def test_vectors_of_predicted_texts_are_not_kept(settings, monkeypatch):
    """Nor are they mistaken for those of other texts."""
    datasets: list[weakref.ref[Any]] = []
    get = TextVectors.get

    def noted(cache: TextVectors, model: nn.Layer, dataset: Any, *others: Any) -> paddle.Tensor:
        datasets.append(weakref.ref(dataset))
        return get(cache, model, dataset, *others)

    monkeypatch.setattr(TextVectors, "get", noted)
    task, model = started(settings("run"))
    texts = [example.text for example in task.splits["dev"].examples]
    together = task.predict(model, texts)
    for text, expected in zip(texts, together, strict=True):
        (found,) = task.predict(model, [text])
        assert found["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-4)
    gc.collect()
    assert len(datasets) == 1 + len(texts)
    assert not [dataset for dataset in datasets if dataset() is not None]


# ---- the parts


def test_vectors_are_fixed_if_only_the_head_is_trained(settings):
    assert has_fixed_vectors(started(settings("a"))[1])
    assert not has_fixed_vectors(started(settings("b", freeze=["encoder.kernels.*"]))[1])
    assert not has_fixed_vectors(started(settings("c", pooling="attention"))[1])
    assert has_fixed_vectors(started(settings("d", pooling="attention", freeze=["encoder.*", "pool.*"]))[1])


def test_another_model_has_other_vectors(settings):
    task, model = started(settings("run"))
    _, other = started({**settings("run"), "seed": 5})
    cache, dataset = TextVectors(), task.dataset(task.splits["train"].examples)

    def vectors(layer: nn.Layer) -> np.ndarray:
        return cache.get(layer, dataset, task.batches_by_length(dataset), lambda: None).numpy()

    first, second = vectors(model), vectors(other)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(vectors(model), first)


def test_rows_are_not_sorted_for_cached_vectors(settings, monkeypatch):
    """Sorting would take longer than the step itself."""
    task, model = started(settings("run"))
    batch = next(iter(task.train_batches(0, 0)))
    sorted_rows: list[int] = []
    batches = LengthGroupedBatchSampler.batches
    monkeypatch.setattr(LengthGroupedBatchSampler, "batches", lambda own: sorted_rows.append(1) or batches(own))
    for _ in range(3):
        task.loss(model, batch)
    assert len(sorted_rows) == 1


def test_check_interrupt_is_called_before_each_computed_batch(settings):
    task, model = started(settings("run"))
    calls: list[int] = []
    for _ in range(2):
        task.evaluate(model, task.splits["dev"], lambda: calls.append(1))
    assert len(calls) == DEV
