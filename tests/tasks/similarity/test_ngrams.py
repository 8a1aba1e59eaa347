"""N-grams of pairs: fitted to train as scikit-learn fits dense features, and saved with the model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.errors import ConfigError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pair_ngrams import NgramEvidence
from paddle_tasks.tasks.similarity import ngrams
from paddle_tasks.tasks.similarity.ngrams import fit_ngrams
from paddle_tasks.workflows.train import train

from ...helpers import table
from ..conftest import dev_metrics, fixture_of, quick_config, read_task, sources

HEADER = ("text_a", "text_b", "label")


@pytest.fixture(scope="module")
def task():
    return read_task("similarity", fixture_of("similarity"), "model.ngrams=true")


def train_batches(task) -> list[Batch]:
    """Return the train rows in batches of similar lengths."""
    return list(task.batches_by_length(task.dataset(task.splits["train"].examples)))


def dense(task) -> tuple[np.ndarray, np.ndarray]:
    """Return the train rows' features <float64>[rows, features] and labels, in the order of the batches."""
    rows, labels, evidence = [], [], NgramEvidence()
    for batch in train_batches(task):
        sparse = evidence.features(batch.input_ids, batch.token_type_ids, batch.lengths)
        for buckets, values in zip(*(part.numpy() for part in sparse), strict=True):
            row: dict[int, float] = {}
            for bucket, value in zip(buckets.tolist(), values.tolist(), strict=True):
                if value:
                    row[bucket] = row.get(bucket, 0.0) + value
            rows.append(row)
        labels += batch.labels.tolist()
    columns = sorted(set().union(*rows))
    return np.array([[row.get(column, 0.0) for column in columns] for row in rows]), np.array(labels)


def test_the_weights_are_those_of_a_logistic_regression_over_dense_features(task):
    evidence = task.build_model().ngrams
    features, labels = dense(task)
    model = LogisticRegression(C=3.0, solver="liblinear", dual=True, max_iter=1000, random_state=0)
    expected = model.fit(features, labels).decision_function(features)
    logits = [
        evidence(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()[:, 0] for batch in train_batches(task)
    ]
    np.testing.assert_allclose(np.concatenate(logits), expected, rtol=0, atol=2e-3)
    assert ((np.concatenate(logits) > 0) == labels).mean() == 1
    first, again = evidence.weight.numpy(), task.build_model().ngrams.weight.numpy()
    assert (first == again).all()


def test_which_ngrams_replace_each_other_is_learnt(tmp_path):
    """开, 启, 借 and 贷 are in as many similar pairs as in others: only two of them together say which."""
    rows = []
    for own in "甲乙丙丁戊己庚辛":
        for a, b in (("开", "启"), ("借", "贷")):
            rows += [(f"{own}{a}", f"{own}{b}", "1"), (f"{own}{b}", f"{own}{a}", "1")]
        for a, b in (("开", "贷"), ("借", "启")):
            rows += [(f"{own}{a}", f"{own}{b}", "0"), (f"{own}{b}", f"{own}{a}", "0")]
    task = read_task("similarity", table(tmp_path / "a.tsv", HEADER, *rows), "model.ngrams=true", "model.kind=bi")
    evidence = task.build_model().ngrams
    for batch in train_batches(task):
        logits = evidence(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()[:, 0]
        assert ((logits > 0) == batch.labels.numpy()).all()


def test_nothing_is_learnt_from_a_single_label(task):
    evidence = NgramEvidence()
    rows = (row for batch in train_batches(task) for row in batch.split(100))
    fit_ngrams(evidence, [row for row in rows if not row.labels[0]])
    assert not evidence.weight.numpy().any()


def test_more_features_than_fit_into_memory_are_refused(task, monkeypatch):
    monkeypatch.setattr(ngrams, "MAX_VALUES", 50)
    with pytest.raises(ConfigError, match=r"model\.ngrams: the train pairs have more than 50 n-grams"):
        task.build_model()


def test_ngrams_are_saved_and_count_beside_a_frozen_encoder(tmp_path):
    changes = {"model.ngrams": True, "training.freeze": ["encoder*"], "training.epochs": 1}
    changes |= {"logging.visualdl": False, **sources(fixture_of("similarity"))}
    run = train(quick_config("similarity"), run_dir=tmp_path / "run", **changes)
    predictor = load(run.folder)
    assert predictor.model.ngrams.weight.numpy().any()
    task = predictor.task
    dev = task.load_split("dev")
    loss = dev_metrics(run.folder)["loss"]
    assert task.evaluate(predictor.model, dev, lambda: None).metrics["loss"] == pytest.approx(loss, rel=1e-5)
    predictor.model.ngrams = None
    assert task.evaluate(predictor.model, dev, lambda: None).metrics["loss"] > loss + 0.05
