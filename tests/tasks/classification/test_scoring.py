"""Scores and records of classified rows: against scikit-learn, and with and without rows whose text is in train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import DataError
from paddle_tasks.tasks.classification.data import SINGLE_TEXT, LabelledData
from paddle_tasks.tasks.classification.decision import Decision, MostProbable
from paddle_tasks.tasks.classification.scoring import Scorer, log_losses
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.tasks.similarity.decision import Threshold

LABELS = ("positive", "negative", "mixed")
TWINS = ("accuracy_deduplicated", "macro_f1_deduplicated", "f1_deduplicated")
TEXTS = "甲乙丙丁戊己"
ROWS = [("好", "positive"), ("差", "negative"), ("一般", "mixed"), ("很好", "positive")]
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.2, 0.5, 0.3]], "float32")


def split_of(name: Any, rows: Any) -> Split[LabelledText]:
    examples = [LabelledText(text, label, f"{name}:{line}") for line, (text, label) in enumerate(rows, start=1)]
    return Split(name, Path(f"{name}.tsv"), "", examples, [])


def scorer_of(labels: tuple[str, ...] = LABELS, train: Any = (), decision: Decision | None = None) -> Scorer:
    data = LabelledData(DataSection(train="train.tsv", dev="dev.tsv"), 0, SINGLE_TEXT)
    data.labels = labels
    if train:
        data.splits["train"] = split_of("train", train)
    return Scorer(data, decision or MostProbable(), Temperature(is_fitted=False))


# ---- scores


def test_scores_are_those_of_scikit_learn():
    evaluation = scorer_of().score(split_of("dev", ROWS), PROBABILITIES)
    gold, predicted = [0, 1, 2, 0], [0, 0, 2, 1]
    assert [LABELS.index(record["predicted"]) for record in evaluation.predictions] == predicted
    assert evaluation.metrics["accuracy"] == accuracy_score(gold, predicted)
    assert evaluation.metrics["macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert evaluation.metrics["loss"] == pytest.approx(log_loss(gold, PROBABILITIES, labels=[0, 1, 2]))


def test_a_record_has_row_text_labels_probabilities_and_loss():
    first, *_ = scorer_of().score(split_of("dev", ROWS), PROBABILITIES).predictions
    assert first == {
        "row": 0,
        "where": "dev:1",
        "text": "好",
        "gold": "positive",
        "predicted": "positive",
        "probabilities": dict(zip(LABELS, PROBABILITIES[0].tolist(), strict=True)),
        "loss": pytest.approx(-np.log(0.7)),
    }


def test_errors_are_the_records_whose_label_is_wrong():
    evaluation = scorer_of().score(split_of("dev", ROWS), PROBABILITIES)
    assert [record["row"] for record in evaluation.error_records()] == [1, 3]


def test_a_label_with_a_name_has_it_in_its_prediction():
    scorer = scorer_of(("0", "1"))
    scorer.data.label_names = {"1": "positive"}
    assert scorer.prediction(np.array([0.4, 0.6])) == {
        "predicted": "1",
        "name": "positive",
        "probabilities": {"0": 0.4, "1": 0.6},
    }
    assert "name" not in scorer.prediction(np.array([0.6, 0.4]))


def test_the_decision_learns_from_dev_and_chooses_the_labels():
    decision = Threshold("f1")
    decision.start_learning()
    rows = [(text, label) for text, label in zip(TEXTS, "000110", strict=True)]
    probabilities = np.array([[1 - p, p] for p in (0.1, 0.2, 0.4, 0.4, 0.8, 0.15)], "float32")
    evaluation = scorer_of(("0", "1"), decision=decision).score(split_of("dev", rows), probabilities)
    assert decision.value == evaluation.metrics["threshold"] == pytest.approx(0.3)
    assert [record["predicted"] for record in evaluation.predictions] == list("001110")


def test_a_probability_of_0_is_a_large_and_finite_loss():
    found = scorer_of().score(split_of("dev", [("好", "positive")]), np.array([[0.0, 1.0, 0.0]], "float32"))
    assert 80 < found.metrics["loss"] < 100
    assert log_losses(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(np.log([2, 4]))


def test_panels_are_made_of_the_scored_rows():
    panels = scorer_of().score(split_of("dev", ROWS), PROBABILITIES).panels()
    assert panels.histograms["length"].tolist() == [1, 1, 2, 2]
    assert panels.histograms["length_of_errors"].tolist() == [1, 2]
    assert panels.histograms["confidence"] == pytest.approx([0.7, 0.5, 0.8, 0.5])
    assert set(panels.curves) == set(LABELS)


# ---- without the rows whose text is in train


@settings(max_examples=30)
@given(
    rows=st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(LABELS[:2])), min_size=1, max_size=8),
    train=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_twins_exist_exactly_if_some_texts_leak(rows, train, seed):
    probabilities = np.random.default_rng(seed).dirichlet([1, 1], len(rows)).astype("float32")
    scorer = scorer_of(LABELS[:2], [(text, "positive") for text in train])
    metrics = scorer.score(split_of("dev", rows), probabilities).metrics
    predicted = [LABELS[index] for index in probabilities.argmax(axis=1)]
    hits = [answer == gold for answer, (_, gold) in zip(predicted, rows, strict=True)]
    clean = [hit for hit, (text, _) in zip(hits, rows, strict=True) if text not in train]
    assert metrics["accuracy"] == pytest.approx(np.mean(hits))
    assert all((twin in metrics) == (0 < len(clean) < len(rows)) for twin in TWINS)
    if "accuracy_deduplicated" in metrics:
        assert metrics["accuracy_deduplicated"] == pytest.approx(np.mean(clean))


def test_train_has_no_twins_and_without_train_there_are_none():
    for scorer, name in ((scorer_of(train=ROWS[:1]), "train"), (scorer_of(), "dev")):
        assert not set(TWINS) & set(scorer.score(split_of(name, ROWS), PROBABILITIES).metrics)
    assert set(TWINS) <= set(scorer_of(train=ROWS[:1]).score(split_of("dev", ROWS), PROBABILITIES).metrics)


# ---- predictions of others


def given_records(**keys: Any) -> list[dict[str, Any]]:
    return [{key: value(row) for key, value in keys.items()} for row in range(len(ROWS))]


def as_probabilities(row: int) -> dict[str, float]:
    return dict(zip(LABELS, PROBABILITIES[row].tolist(), strict=True))


def test_own_records_give_the_same_scores():
    scorer, split = scorer_of(train=ROWS[:1]), split_of("dev", ROWS)
    evaluation = scorer.score(split, PROBABILITIES)
    assert scorer.score_records(split, json.loads(json.dumps(evaluation.predictions))) == evaluation.metrics


@pytest.mark.parametrize("key", ["predicted", "label"])
def test_labels_alone_give_all_scores_but_the_loss(key):
    scorer, split = scorer_of(), split_of("dev", ROWS)
    expected = dict(scorer.score(split, PROBABILITIES).metrics)
    del expected["loss"]
    labels = given_records(**{key: lambda row: LABELS[PROBABILITIES[row].argmax()]})
    assert scorer.score_records(split, labels) == expected


def test_the_predicted_label_counts_and_not_the_most_probable_one():
    records = given_records(predicted=lambda row: ROWS[row][1], probabilities=as_probabilities)
    metrics = scorer_of().score_records(split_of("dev", ROWS), records)
    assert metrics["accuracy"] == 1
    assert metrics["loss"] == pytest.approx(scorer_of().score(split_of("dev", ROWS), PROBABILITIES).metrics["loss"])


@pytest.mark.parametrize(
    "change", [lambda found: found.pop("probabilities"), lambda found: found["probabilities"].popitem()]
)
def test_a_loss_needs_the_probabilities_of_all_labels_in_all_records(change):
    records = given_records(predicted=lambda row: ROWS[row][1], probabilities=as_probabilities)
    change(records[2])
    assert "loss" not in scorer_of().score_records(split_of("dev", ROWS), records)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"predicted": "mixed"}] * 3, r"expected a record for each of the 4 rows of dev\.tsv, found 3"),
        (
            [{"predicted": "mixed"}] * 3 + [{"predicted": "positve"}],
            r"record 3: the label 'positve' is unknown; did you mean 'positive'\? \(one of positive, negative, mixed\)",
        ),
        ([{"text": "好"}] * 4, "record 0: the label None is unknown"),
    ],
)
def test_records_that_do_not_fit_are_refused(records, message):
    with pytest.raises(DataError, match=message):
        scorer_of().score_records(split_of("dev", ROWS), records)
