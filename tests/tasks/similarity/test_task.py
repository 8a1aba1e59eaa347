"""Similarity: segment ids, the threshold that dev chooses, the kinds of models, and both orders of a pair."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.inference.usage import usage_of
from paddle_tasks.models.similarity import PairClassifier
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.classification.frozen import has_fixed_vectors
from paddle_tasks.tasks.similarity.task import SimilarityTask
from paddle_tasks.training.optimizer import pattern_rate_factors
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train

from ...helpers import ROOT, table
from ...models.conftest import make_encoder
from ..conftest import fixture_of, quick_config, read_task, sources

FIXTURE = fixture_of("similarity")
HEADER = ("text_a", "text_b", "label")


def test_segment_ids_reach_the_model_and_change_its_logits():
    task = read_task("similarity", FIXTURE)
    paddle.seed(1)
    model = task.build_model()
    model.eval()
    seen: list[np.ndarray] = []
    hook = model.encoder.model.register_forward_pre_hook(
        lambda _layer, _inputs, options: seen.append(options["token_type_ids"].numpy()), with_kwargs=True
    )
    batch = task.collate(task.dataset(task.splits["train"].examples), [0, 7])
    logits = model(batch.input_ids, batch.token_type_ids, batch.lengths)
    hook.remove()
    first, second = ("怎么提前还款", "还款日是哪天"), ("款", "货")
    expected = [[0] * (len(a) + 2) + [1] * (len(b) + 1) for a, b in (first, second)]
    assert [row[: len(segments)].tolist() for row, segments in zip(seen[0], expected, strict=True)] == expected
    without = model(batch.input_ids, paddle.zeros_like(batch.token_type_ids), batch.lengths)
    assert abs((logits - without).numpy()).max(axis=1).min() > 1e-4


def test_the_longer_text_of_a_long_pair_is_truncated(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("一二三四五六七八", "九十", "0"), ("一二三四五六七八", "九十", "1"))
    for settings, expected in (([], [0] * 6 + [1] * 3), (["model.kind=bi"], [0] * 9 + [1] * 4)):
        task = read_task("similarity", path, "training.max_length=9", *settings)
        row = task.dataset(task.splits["train"].examples)[0]
        assert row["token_type_ids"].tolist() == expected


@pytest.mark.parametrize("rows", [[("甲", "乙", "0"), ("甲", "丙", "1"), ("甲", "丁", "2")]])
def test_other_than_two_labels_are_refused(tmp_path, rows):
    with pytest.raises(ConfigError, match=r"expected 2 labels, found \['0', '1', '2'\]"):
        read_task("similarity", table(tmp_path / "a.tsv", HEADER, *rows))


def test_a_threshold_is_a_metric_or_a_number():
    for wrong in ("1.5", "loss", "true"):
        with pytest.raises(ConfigError, match=r"model\.threshold: expected accuracy or f1"):
            load_config(quick_config("similarity"), [f"model.threshold={wrong}"])


# ---- the threshold


def scored(task: SimilarityTask, name: Any, gold: list[int], similar: list[float]) -> dict[str, Any]:
    """Score pairs for which a model would give these probabilities of being similar."""
    rows = [LabelledText(f"甲{row}\t乙", str(label), "x") for row, label in enumerate(gold)]
    second = np.array(similar, dtype=np.float32)
    evaluation = task.scorer.score(Split(name, Path("x"), name, rows, []), np.stack([1 - second, second], axis=1))
    return {**evaluation.metrics, "predicted": [record["predicted"] for record in evaluation.predictions]}


@pytest.mark.parametrize(
    ("setting", "threshold", "accuracy", "f1"),
    [("accuracy", 0.5, 4 / 5, 2 / 3), ("f1", 0.3, 4 / 5, 0.8), ("0.9", 0.9, 3 / 5, 0)],
)
def test_the_threshold_is_chosen_on_dev_and_used_on_test(setting, threshold, accuracy, f1):
    task = read_task("similarity", FIXTURE, f"model.threshold={setting}")
    dev = scored(task, "dev", [0, 0, 0, 1, 1], [0.1, 0.2, 0.4, 0.4, 0.8])
    assert dev["threshold"] == task.threshold == pytest.approx(threshold)
    assert (dev["accuracy"], dev["f1"]) == pytest.approx((accuracy, f1))
    assert (dev["accuracy_at_half"], dev["f1_at_half"]) == pytest.approx((4 / 5, 2 / 3))
    test = scored(task, "test", [1, 1], [0.35, 0.95])
    assert test["threshold"] == pytest.approx(threshold), "test chooses nothing"
    assert test["predicted"] == [str(int(probability >= threshold)) for probability in (0.35, 0.95)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose threshold is not 0.5."""
    changes = {
        "model.threshold": "f1",
        "training.epochs": 2,
        "optimizer.learning_rate": 1e-4,
        "logging.visualdl": False,
    }
    return train(
        quick_config("similarity"), run_dir=tmp_path_factory.mktemp("pairs") / "run", **{**sources(FIXTURE), **changes}
    )


def test_the_threshold_is_saved_with_the_model(run, tmp_path):
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


def test_the_threshold_is_restored_with_the_weights(run):
    task = SimilarityTask(load_config(run.folder / "config.yaml"))
    task.read()
    model = task.build_model()
    assert task.threshold == 0.5
    task.load_weights(model, run.folder / "model")
    assert task.threshold == run.result["dev"]["threshold"]


def test_the_texts_of_a_pair_have_a_tab_between_them(run):
    assert (usage_of(run.folder).options, usage_of(run.folder).fields) == (("top_k",), ("text_a", "text_b"))
    assert set(load(run.folder)("怎么还款\t还款日")) - {"unsure"} == {"input", "label", "score", "probabilities"}
    with pytest.raises(DataError, match="expected two texts with a tab between them, found '怎么还款'"):
        load(run.folder)("怎么还款")


def test_vectors_are_not_fixed_while_the_alignment_is_trained():
    task = read_task("similarity", FIXTURE, "model.kind=aligned")
    model = task.build_model()
    for parameter in model.encoder.parameters():
        parameter.stop_gradient = True
    assert not has_fixed_vectors(model)
    for parameter in model.align.parameters():
        parameter.stop_gradient = True
    assert has_fixed_vectors(model)


@pytest.mark.parametrize("kind", ["bi", "aligned"])
@pytest.mark.long
def test_other_kinds_overfit_too(tmp_path, kind):
    changes = {"model.kind": kind, "model.dropout": 0.0, "training.epochs": 40, "training.batch_size": 8}
    seldom = {"evaluation.every_steps": 100, "logging.visualdl": False}
    run = train(quick_config("similarity"), run_dir=tmp_path / "run", **sources(FIXTURE), **changes, **seldom)
    assert run.result["dev"]["accuracy"] == 1
    assert load(run.folder)("怎么提前还款\t想早点把钱还上要怎么弄")["label"] == "1"


@pytest.mark.parametrize("kind", ["cross", "aligned", "bi"])
def test_the_shipped_rates_are_for_the_layers_without_pretrained_weights(kind):
    config = load_config(ROOT / "configs" / "similarity.yaml", [f"model.kind={kind}"])
    encoder = make_encoder("bert")
    model = PairClassifier(encoder, kind=kind, pooling="mean", head="linear", output="softmax", dropout=0.1)
    fresh = {name for name, _ in model.named_parameters() if not name.startswith("encoder.")}
    assert set(pattern_rate_factors(model, config.optimizer)) == fresh
    assert fresh


def test_both_orders_take_turns():
    task = read_task("similarity", FIXTURE, "data.both_orders=true")
    plain = read_task("similarity", FIXTURE)
    examples = plain.splits["train"].examples
    swapped = [replace(example, text="\t".join(example.text.split("\t")[::-1])) for example in examples]
    datasets = [plain.dataset(examples), plain.dataset(swapped)]
    for epoch in range(3):
        batches = list(task.train_batches(epoch, 0))
        assert [batch.rows for batch in batches] == [batch.rows for batch in plain.train_batches(epoch, 0)]
        for batch in batches:
            expected = plain.collate(datasets[epoch % 2], batch.rows)
            assert batch.labels.tolist() == expected.labels.tolist()
            assert batch.input_ids.tolist() == expected.input_ids.tolist()
            assert batch.token_type_ids.tolist() == expected.token_type_ids.tolist()
    first, second = (dataset[0]["input_ids"].tolist() for dataset in datasets)
    assert first != second


def test_the_other_order_counts_with_a_frozen_encoder_too():
    task = read_task("similarity", FIXTURE, "data.both_orders=true", "training.freeze=[encoder.*]")
    model = task.build_model()
    for parameter in model.encoder.parameters():
        parameter.stop_gradient = True
    assert has_fixed_vectors(model)
    model.eval()
    first, second = (
        sum(float(task.loss(model, batch)[0]) for batch in task.train_batches(epoch, 0)) for epoch in (0, 1)
    )
    assert abs(first - second) > 1e-3


@pytest.mark.parametrize(("label", "meaning"), [("0", "different"), ("1", "similar"), ("2", "2")])
def test_a_label_is_displayed_by_its_meaning(label, meaning):
    record = {"input": "甲\t乙", "label": label, "score": 0.8, "probabilities": {label: 0.8}}
    (line,) = SimilarityTask.display(record)
    assert "".join(segment.text for segment in line) == f"{meaning} 0.80  甲\t乙"


@pytest.mark.usefixtures("in_chinese")
def test_a_label_is_displayed_by_its_meaning_in_chinese():
    (line,) = SimilarityTask.display({"input": "甲\t乙", "label": "1", "score": 0.8, "probabilities": {"1": 0.8}})
    assert line[0].text == "相似 (similar) 0.80"
