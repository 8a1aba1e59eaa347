"""Similarity: segment ids reach the model, the threshold is chosen on dev alone and goes with the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import load, options_of
from paddle_tasks.models.similarity import PairClassifier
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.classification.frozen import vectors_are_fixed
from paddle_tasks.tasks.similarity.task import Task
from paddle_tasks.training.optimizer import pattern_rate_factors
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import load_config, train

from ...helpers import ROOT, table
from ...models.conftest import make_encoder
from ..conftest import fixture_of, quick_config, read_task, sources

FIXTURE = fixture_of("similarity")
HEADER = ("text_a", "text_b", "label")


def test_segment_ids_reach_the_model_and_change_its_answer():
    task = read_task("similarity", FIXTURE)
    paddle.seed(1)
    model = task.build_model()
    model.eval()
    seen: list[np.ndarray] = []
    hook = model.encoder.model.register_forward_pre_hook(
        lambda _layer, _inputs, options: seen.append(options["token_type_ids"].numpy()), with_kwargs=True
    )
    batch = next(iter(task._collated(task._train, [[0, 7]])))
    answer = model(batch.input_ids, batch.token_type_ids, batch.lengths)
    hook.remove()
    first, second = ("怎么提前还款", "还款日是哪天"), ("款", "货")
    expected = [[0] * (len(a) + 2) + [1] * (len(b) + 1) for a, b in (first, second)]
    assert [row[: len(kinds)].tolist() for row, kinds in zip(seen[0], expected, strict=True)] == expected
    without = model(batch.input_ids, paddle.zeros_like(batch.token_type_ids), batch.lengths)
    assert abs((answer - without).numpy()).max(axis=1).min() > 1e-4


def test_a_long_pair_loses_of_its_longer_text(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("一二三四五六七八", "九十", "0"), ("一二三四五六七八", "九十", "1"))
    task = read_task("similarity", path, "training.max_length=9")
    row = task._train.new_data[0]
    assert row["token_type_ids"].tolist() == [0] * 6 + [1] * 3
    apart = read_task("similarity", path, "training.max_length=9", "model.kind=bi")._train.new_data[0]
    assert apart["token_type_ids"].tolist() == [0] * 9 + [1] * 4


@pytest.mark.parametrize("rows", [[("甲", "乙", "0"), ("甲", "丙", "1"), ("甲", "丁", "2")]])
def test_there_are_two_labels(tmp_path, rows):
    with pytest.raises(ConfigError, match=r"expected two labels, found \['0', '1', '2'\]"):
        read_task("similarity", table(tmp_path / "a.tsv", HEADER, *rows))


def test_a_threshold_is_an_aim_or_a_number():
    for wrong in ("1.5", "loss", "true"):
        with pytest.raises(ConfigError, match=r"model\.threshold: expected accuracy or f1"):
            load_config(quick_config("similarity"), [f"model.threshold={wrong}"])


# ---- the threshold


def scored(task: Task, name: Any, gold: list[int], chances: list[float]) -> dict[str, Any]:
    """Score pairs for which a model would give these chances of being similar."""
    rows = [LabelledText(f"甲{place}\t乙", str(label), "x") for place, label in enumerate(gold)]
    chances_of = np.array(chances, dtype=np.float32)
    task.probabilities = lambda *_: np.stack([1 - chances_of, chances_of], axis=1)
    task.splits = {}
    task._datasets = {}
    found = task.evaluate(SimpleNamespace(), Split(name, Path("x"), name, rows, []), lambda: None)
    return {**found.metrics, "predicted": [record["predicted"] for record in found.predictions]}


@pytest.mark.parametrize(
    ("aim", "threshold", "accuracy", "f1"),
    [("accuracy", 0.5, 4 / 5, 2 / 3), ("f1", 0.3, 4 / 5, 0.8), ("0.9", 0.9, 3 / 5, 0)],
)
def test_it_is_chosen_on_dev_and_used_on_test(aim, threshold, accuracy, f1):
    task = read_task("similarity", FIXTURE, f"model.threshold={aim}")
    dev = scored(task, "dev", [0, 0, 0, 1, 1], [0.1, 0.2, 0.4, 0.4, 0.8])
    assert dev["threshold"] == task.threshold == pytest.approx(threshold)
    assert (dev["accuracy"], dev["f1"]) == pytest.approx((accuracy, f1))
    assert (dev["accuracy_at_half"], dev["f1_at_half"]) == pytest.approx((4 / 5, 2 / 3))
    test = scored(task, "test", [1, 1], [0.35, 0.95])
    assert test["threshold"] == pytest.approx(threshold), "test chooses nothing"
    assert test["predicted"] == [str(int(chance >= threshold)) for chance in (0.35, 0.95)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose threshold is not 0.5."""
    changes = {"model.threshold": "f1", "training.epochs": 2, "optimizer.learning_rate": 1e-4}
    return train(
        quick_config("similarity"), run_dir=tmp_path_factory.mktemp("pairs") / "run", **{**sources(FIXTURE), **changes}
    )


def test_it_goes_with_the_model(run, tmp_path):
    threshold = run.result["dev"]["threshold"]
    assert threshold != 0.5
    assert json.loads((run.folder / "model" / SETTINGS).read_text(encoding="utf-8"))["threshold"] == threshold
    predictor = load(run.folder)
    assert predictor.task.threshold == threshold
    pairs = [example.text for example in predictor.task.load_split("dev").examples]
    for answer in predictor(pairs):
        assert answer["label"] == str(int(answer["probabilities"]["1"] >= threshold))
    other = table(tmp_path / "a.tsv", HEADER, ("怎么还款", "还款日", "0"), ("款", "货", "1"))
    assert evaluate(run.folder, split="dev", data=str(other))["metrics"]["threshold"] == threshold


def test_a_restored_model_has_its_own(run):
    task = Task(load_config(run.folder / "config.yaml"))
    task.read()
    model = task.build_model()
    assert task.threshold == 0.5
    task.load_weights(model, run.folder / "model")
    assert task.threshold == run.result["dev"]["threshold"]


def test_a_pair_is_asked_for_with_a_tab(run):
    assert options_of(run.folder) == ()
    assert set(load(run.folder)("怎么还款\t还款日")) == {"input", "label", "probabilities"}
    with pytest.raises(DataError, match="expected two texts with a tab between them, found '怎么还款'"):
        load(run.folder)("怎么还款")


def test_a_frozen_encoder_leaves_the_alignment_to_learn():
    task = read_task("similarity", FIXTURE, "model.kind=aligned")
    model = task.build_model()
    for parameter in model.encoder.parameters():
        parameter.stop_gradient = True
    assert not vectors_are_fixed(model)
    for parameter in model.align.parameters():
        parameter.stop_gradient = True
    assert vectors_are_fixed(model)


@pytest.mark.parametrize("kind", ["bi", "aligned"])
def test_other_kinds_learn_too(tmp_path, kind):
    changes = {"model.kind": kind, "model.dropout": 0.0, "training.epochs": 40, "training.batch_size": 8}
    found = train(quick_config("similarity"), run_dir=tmp_path / "bi", **{**sources(FIXTURE), **changes})
    assert found.result["dev"]["accuracy"] == 1
    assert load(found.folder)("怎么提前还款\t想早点把钱还上要怎么弄")["label"] == "1"


@pytest.mark.parametrize("kind", ["cross", "aligned", "bi"])
def test_the_shipped_rates_are_of_what_starts_from_nothing_in_every_kind(kind):
    config = load_config(ROOT / "configs" / "similarity.yaml", [f"model.kind={kind}"])
    encoder = make_encoder("bert")
    model = PairClassifier(encoder, kind=kind, pooling="mean", head="linear", output="softmax", dropout=0.1)
    fresh = {name for name, _ in model.named_parameters() if not name.startswith("encoder.")}
    assert set(pattern_rate_factors(model, config.optimizer)) == fresh
    assert fresh


def test_both_orders_take_turns():
    task = read_task("similarity", FIXTURE, "data.both_orders=true")
    plain = read_task("similarity", FIXTURE)
    turned = [replace(one, text="\t".join(one.text.split("\t")[::-1])) for one in plain.splits["train"].examples]
    expected = {0: plain._train, 1: plain.dataset(turned), 2: plain._train}
    for epoch, dataset in expected.items():
        batches = list(task.batches_of(epoch, 0))
        assert [batch.rows for batch in batches] == [batch.rows for batch in plain.batches_of(epoch, 0)]
        for batch in batches:
            (wanted,) = plain._collated(dataset, [batch.rows])
            assert batch.labels.tolist() == wanted.labels.tolist()
            assert batch.input_ids.tolist() == wanted.input_ids.tolist()
            assert batch.token_type_ids.tolist() == wanted.token_type_ids.tolist()
    assert plain._train.new_data[0]["input_ids"].tolist() != plain.dataset(turned).new_data[0]["input_ids"].tolist()


def test_the_other_order_is_seen_with_a_frozen_encoder_too():
    task = read_task("similarity", FIXTURE, "data.both_orders=true", "training.freeze=[encoder.*]")
    model = task.build_model()
    for parameter in model.encoder.parameters():
        parameter.stop_gradient = True
    assert vectors_are_fixed(model)
    model.eval()
    plain, turned = (sum(float(task.loss(model, one)[0]) for one in task.batches_of(epoch, 0)) for epoch in (0, 1))
    assert abs(plain - turned) > 1e-3
