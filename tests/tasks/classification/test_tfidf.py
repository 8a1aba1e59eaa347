"""TF-IDF and a linear classifier: features and scores computed by hand or by scikit-learn."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from paddle_tasks.config import validate
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.classification import tfidf
from paddle_tasks.tasks.classification.tfidf import Classifier, Features, TfidfSection, with_defaults
from paddle_tasks.text.words import jieba_tokenizer

TEXTS = ["房间干净，早餐很好", "早餐很差 房间很小", "服务很好，很好", "服务很差，房间很差", "早餐 一般", "WiFi 很好"]
SINGLE = [(text,) for text in TEXTS]
TWO, THREE = np.array([1, 0, 1, 0, 0, 1]), np.array([2, 0, 2, 0, 1, 2])


def section(**given: Any) -> TfidfSection:
    return validate(with_defaults({"encoder": "tfidf-char-svm", **given}), TfidfSection, "test")


def dense(features: Any) -> np.ndarray:
    return np.asarray(features.todense())


# ---- features


@pytest.mark.parametrize(
    ("encoder", "ngrams", "c"),
    [
        ("tfidf-char-svm", (1, 3), 0.5),
        ("tfidf-char-logistic", (1, 3), 10.0),
        ("tfidf-word-svm", (1, 2), 0.5),
        ("tfidf-word-logistic", (1, 2), 10.0),
    ],
)
def test_defaults(encoder, ngrams, c):
    found = section(encoder=encoder)
    assert (found.ngrams, found.min_df, found.c) == (ngrams, 2, c)
    assert f"tfidf-{found.features}-{found.classifier}" == encoder
    assert section(encoder=encoder, ngrams=[2, 2], c=3.0).ngrams == (2, 2)


def test_weights_by_hand():
    """Sublinear counts and smoothed idf, ln((1 + texts) / (1 + texts with it)) + 1, scaled to length 1."""
    features = dense(Features(section(ngrams=[1, 1])).learn([("aab",), ("ab",), ("bc",)]))
    idf_a, idf_b = np.log(4 / 3) + 1, np.log(4 / 4) + 1  # c stands in one text alone
    rows = np.array([[(1 + np.log(2)) * idf_a, idf_b], [idf_a, idf_b], [0, idf_b]])
    np.testing.assert_allclose(features, rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-12)


def test_words_are_jiebas_without_white_space():
    features = Features(section(encoder="tfidf-word-svm", min_df=1))
    found = features.learn(SINGLE)
    words = [[word for word in jieba_tokenizer().lcut(text.lower()) if not word.isspace()] for text in TEXTS]
    bigrams = [[*row, *map(" ".join, pairwise(row))] for row in words]
    expected = TfidfVectorizer(analyzer=lambda row: row, sublinear_tf=True)
    np.testing.assert_allclose(dense(found), dense(expected.fit_transform(bigrams)), rtol=1e-12)
    assert "早餐 一般" in expected.vocabulary_
    np.testing.assert_allclose(dense(features.transform(SINGLE)), dense(found), rtol=1e-12)


def test_unknown_ngrams_have_no_feature():
    features = Features(section(ngrams=[1, 1]))
    n_features = features.learn(SINGLE).shape[1]
    found = features.transform([("xyz",), ("很",)])
    assert found.shape == (2, n_features)
    assert (found[0].nnz, found[1].nnz) == (0, 1)


def test_pairs_are_sum_difference_and_cosine_in_either_order():
    pairs = [("早餐很好", "早餐很差"), ("房间很小", "房间很小"), ("服务很好", "ABC")]
    features = Features(section(min_df=1))
    found = dense(features.learn(pairs))
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    flat = dense(vectors.fit_transform([text for pair in pairs for text in pair])).reshape(3, 2, -1)
    first, second = flat[:, 0], flat[:, 1]
    cosine = (first * second).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.hstack([first + second, np.abs(first - second), cosine]), atol=1e-12)
    np.testing.assert_allclose(found[:, -1], [found[0, -1], 1, 0], atol=1e-12)
    assert 0.1 < found[0, -1] < 0.9
    np.testing.assert_allclose(dense(features.transform([pair[::-1] for pair in pairs])), found, atol=1e-12)


@pytest.mark.parametrize("encoder", ["tfidf-char-svm", "tfidf-word-svm"])
def test_ngrams_that_occur_in_too_few_texts_are_refused(encoder):
    features = encoder.split("-")[1]
    message = rf"no n-gram of 2 to 3 {features}s occurs in 9 texts or more; use a smaller min_df or more texts"
    with pytest.raises(DataError, match=message):
        Features(section(encoder=encoder, ngrams=[2, 3], min_df=9)).learn(SINGLE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ngrams": [3, 1]}, r"ngrams: expected the shortest and the longest length, as in \[1, 3\]"),
        ({"ngrams": [0, 1]}, r"ngrams\.0: input should be greater than 0"),
        ({"c": 0.0}, "c: input should be greater than 0"),
        ({"min_df": 0}, "min_df: input should be greater than 0"),
        ({"encoder": "tfidf-word-svn"}, "encoder: .* did you mean 'tfidf-word-svm'"),
        ({"C": 1.0}, "C: unknown key"),
    ],
)
def test_sections_that_cannot_be_used(given, message):
    with pytest.raises(ConfigError, match=message):
        section(**given)


# ---- classifiers


def fitted(labels: np.ndarray, n_labels: int, **given: Any) -> tuple[Classifier, Any]:
    features = Features(section(min_df=1, **given)).learn(SINGLE)
    classifier = Classifier(section(**given), n_labels, seed=3)
    assert classifier.fit(features, labels)
    return classifier, features


@pytest.mark.parametrize(("labels", "n_outputs"), [(TWO, 1), (THREE, 3)])
def test_a_support_vector_machines_scores_are_the_softmax_of_its_margins(labels, n_outputs):
    classifier, features = fitted(labels, max(labels) + 1, c=2.0)
    oracle = LinearSVC(C=2.0, random_state=3, max_iter=10_000).fit(features, labels)
    probabilities, margins = classifier.probabilities(features), oracle.decision_function(features)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), oracle.predict(features))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    if n_outputs == 1:
        np.testing.assert_allclose(np.log(probabilities[:, 1] / probabilities[:, 0]), 2 * margins, rtol=1e-9)
    else:
        steps = np.diff(np.log(probabilities), axis=1)
        np.testing.assert_allclose(steps, np.diff(margins, axis=1), rtol=1e-9)
    assert classifier.n_parameters == n_outputs * (features.shape[1] + 1)


@pytest.mark.parametrize("labels", [TWO, THREE])
def test_logistic_regression_has_its_own_probabilities(labels):
    classifier, features = fitted(labels, max(labels) + 1, encoder="tfidf-char-logistic", c=3.0)
    oracle = LogisticRegression(C=3.0, max_iter=1_000).fit(features, labels)
    np.testing.assert_allclose(classifier.probabilities(features), oracle.predict_proba(features), rtol=1e-9)
    assert classifier.n_parameters == oracle.coef_.size + oracle.intercept_.size


@pytest.mark.parametrize("encoder", ["tfidf-char-svm", "tfidf-char-logistic"])
def test_a_label_that_is_missing_in_train_has_probability_0(encoder):
    classifier, features = fitted(2 * TWO + 1, 5, encoder=encoder)  # 1 and 3 of 0 to 4
    probabilities = classifier.probabilities(features)
    assert probabilities.shape == (6, 5)
    assert not probabilities[:, [0, 2, 4]].any()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), 2 * TWO + 1)


def test_whether_the_weights_have_converged_is_returned_without_a_warning(monkeypatch, recwarn):
    features = Features(section(min_df=1)).learn(SINGLE)
    monkeypatch.setattr(tfidf, "LogisticRegression", lambda **options: LogisticRegression(**{**options, "max_iter": 1}))
    classifier = Classifier(section(encoder="tfidf-char-logistic"), 2, seed=0)
    assert not classifier.fit(features, TWO)
    assert not recwarn.list
