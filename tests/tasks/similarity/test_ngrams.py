"""Pairs' n-grams: fitted as scikit-learn fits their dense features, before the first step, and kept with the model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from paddle_tasks.errors import ConfigError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pair_ngrams import NgramEvidence
from paddle_tasks.tasks.similarity import ngrams as _pair_ngrams
from paddle_tasks.tasks.similarity.ngrams import fit
from paddle_tasks.workflows.train import train

from ...helpers import table
from ..conftest import fixture_of, quick_config, read_task, sources

HEADER = ("text_a", "text_b", "label")


@pytest.fixture(scope="module")
def task():
    return read_task("similarity", fixture_of("similarity"), "model.ngrams=true")


def dense(task) -> tuple[np.ndarray, np.ndarray]:
    """Return the train rows' features <float64>[rows, features] and labels, in the order of the batches."""
    rows, labels, evidence = [], [], NgramEvidence()
    for batch in task._by_length(task._train):
        found = evidence.features(batch.input_ids, batch.token_type_ids, batch.lengths)
        for buckets, values in zip(*(part.numpy() for part in found), strict=True):
            own: dict[int, float] = {}
            for place, value in zip(buckets.tolist(), values.tolist(), strict=True):
                if value:
                    own[place] = own.get(place, 0.0) + value
            rows.append(own)
        labels += batch.labels.tolist()
    columns = sorted(set().union(*rows))
    return np.array([[row.get(column, 0.0) for column in columns] for row in rows]), np.array(labels)


def test_it_is_the_logistic_regression_of_the_dense_features(task):
    evidence = task.build_model().ngrams
    features, labels = dense(task)
    model = LogisticRegression(C=3.0, solver="liblinear", dual=True, max_iter=1000, random_state=0)
    expected = model.fit(features, labels).decision_function(features)
    found = [
        evidence(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()[:, 0]
        for batch in task._by_length(task._train)
    ]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=2e-3)
    assert ((np.concatenate(found) > 0) == labels).mean() == 1
    first, again = evidence.weight.numpy(), task.build_model().ngrams.weight.numpy()
    assert (first == again).all()


def test_what_stands_for_what_is_learnt(tmp_path):
    """开 and 关, 借 and 还 stand alone in similar and other pairs alike: only together do they tell."""
    rows = []
    for own in "甲乙丙丁戊己庚辛":
        for a, b in (("开", "启"), ("借", "贷")):
            rows += [(f"{own}{a}", f"{own}{b}", "1"), (f"{own}{b}", f"{own}{a}", "1")]
        for a, b in (("开", "贷"), ("借", "启")):
            rows += [(f"{own}{a}", f"{own}{b}", "0"), (f"{own}{b}", f"{own}{a}", "0")]
    task = read_task("similarity", table(tmp_path / "a.tsv", HEADER, *rows), "model.ngrams=true", "model.kind=bi")
    evidence = task.build_model().ngrams
    for batch in task._by_length(task._train):
        logits = evidence(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()[:, 0]
        assert ((logits > 0) == batch.labels.numpy()).all()


def test_one_label_alone_teaches_nothing(task):
    evidence = NgramEvidence()
    rows = (row for batch in task._by_length(task._train) for row in batch.split(100))
    fit(evidence, [row for row in rows if not row.labels[0]])
    assert not evidence.weight.numpy().any()


def test_more_than_memory_holds_is_refused(task, monkeypatch):
    monkeypatch.setattr(_pair_ngrams, "_MOST_VALUES", 50)
    with pytest.raises(ConfigError, match=r"model\.ngrams: the train pairs have more than 50 n-grams"):
        task.build_model()


def test_it_goes_with_the_model_and_is_heard_with_a_frozen_encoder(tmp_path):
    changes = {"model.ngrams": True, "training.freeze": ["encoder*"], "training.epochs": 1}
    changes |= sources(fixture_of("similarity"))
    run = train(quick_config("similarity"), run_dir=tmp_path / "run", **changes)
    predictor = load(run.folder)
    assert predictor.model.ngrams.weight.numpy().any()
    task = predictor.task
    dev = task.load_split("dev")
    assert task.evaluate(predictor.model, dev, lambda: None).metrics["loss"] == pytest.approx(
        run.result["dev"]["loss"], rel=1e-5
    )
    predictor.model.ngrams = None
    assert task.evaluate(predictor.model, dev, lambda: None).metrics["loss"] > run.result["dev"]["loss"] + 0.05
