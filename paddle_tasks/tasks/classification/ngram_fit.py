"""Fits the n-grams of `paddle_tasks.tasks.classification.ngrams` to train, with the features of the TF-IDF baseline."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.array_cache import Arrays, compute_digest, load_or_compute
from paddle_tasks.models.paddle_free.text_ngrams import TextNgrams, n_columns
from paddle_tasks.tasks.classification.data import LabelledData
from paddle_tasks.tasks.classification.ngram_section import TextNgramSection
from paddle_tasks.tasks.classification.tfidf import Classifier, Features, TfidfSection

_VERSION = 1
_LOWEST = float(np.log(np.finfo(np.float32).tiny))
"""The bias of a label that does not occur in train."""


def fit_ngrams(section: TextNgramSection, data: LabelledData) -> TextNgrams:
    """Return the n-grams of the train texts with the weights of a logistic regression, which is deterministic.

    Equal n-grams of an earlier run are read from the disk cache.

    Args:
        section: the settings.
        data: the splits; only train is read.

    Raises:
        DataError: no n-gram occurs in enough texts, or all of them have the same label.
    """
    texts = [example.text for example in data.splits["train"].examples]
    labels, n_labels = data.train_labels(), len(data.labels)
    settings = [_VERSION, version("scikit-learn"), section.model_dump(mode="json"), n_labels]

    def compute() -> Arrays:
        return _fit(section, texts, labels, n_labels).rounded().arrays()

    def is_valid(arrays: Arrays) -> bool:
        with contextlib.suppress(KeyError, ValueError):
            return bool(TextNgrams.from_arrays(arrays, n_columns(n_labels)).grams)
        return False

    arrays = load_or_compute("ngrams", compute_digest(settings, texts, labels), compute, is_valid)
    return TextNgrams.from_arrays(arrays, n_columns(n_labels))


def _fit(section: TextNgramSection, texts: Sequence[str], labels: Array, n_labels: int) -> TextNgrams:
    lengths, min_df = section.lengths, section.min_df
    baseline = TfidfSection(encoder="tfidf-char-logistic", ngrams=lengths, min_df=min_df, c=section.c)
    features = Features(baseline, section.max_features)
    classifier = Classifier(baseline, n_labels, seed=0)
    classifier.fit(features.learn([(text,) for text in texts]), labels)
    weight, bias = _columns(*classifier.weights(), n_labels)
    return TextNgrams(features.grams, features.idf, weight, bias)


def _columns(weight: Array, bias: Array, known: Array, n_labels: int) -> tuple[Array, Array]:
    """Return the weights and biases of all labels.

    Args:
        weight: <float64>[known, features], or one row for two known labels: that of the second.
        bias: <float64>[known], or one value.
        known: <int64>[known], the indices of the labels that occur in train.
        n_labels: the number of labels.

    Returns:
        <float64>[features, columns] and <float64>[columns]; see `TextNgrams`.
    """
    if n_columns(n_labels) == 1:
        return weight.T, bias
    if len(weight) == 1:
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    weights, biases = np.zeros((n_labels, weight.shape[1])), np.full(n_labels, _LOWEST)
    weights[known], biases[known] = weight, bias
    return weights.T, biases
