"""TF-IDF of character or word n-grams, and a linear classifier over it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from pydantic import PositiveFloat
from scipy.sparse import csr_matrix, hstack
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from paddle_tasks.arrays import Array
from paddle_tasks.config import Count, Section
from paddle_tasks.errors import DataError
from paddle_tasks.language import _, mark
from paddle_tasks.tasks.classification.ngram_section import NgramLengths
from paddle_tasks.text.words import word_spans

Texts = Sequence[tuple[str, ...]]
"""The inputs: a tuple of one text for each row, or of two for each pair."""

_TOO_RARE = {
    "char": mark(
        "data.train: no n-gram of {shortest} to {longest} chars occurs in {texts} texts or more; "
        "use a smaller min_df or more texts"
    ),
    "word": mark(
        "data.train: no n-gram of {shortest} to {longest} words occurs in {texts} texts or more; "
        "use a smaller min_df or more texts"
    ),
}
PREFIX = "tfidf-"
ENCODERS = ("tfidf-char-svm", "tfidf-char-logistic", "tfidf-word-svm", "tfidf-word-logistic")
"""The names of the combinations of features and classifier; the first is the default."""


class TfidfSection(Section):
    """The ``model`` section of the baseline.

    The features of a text are its n-grams of characters or of jieba's words, in lower case. ``ngrams`` is the shortest
    and the longest length. An n-gram counts if it occurs in at least ``min_df`` train texts; its value is
    (1 + ln count) * idf, and a text's vector has length 1. ``c`` is scikit-learn's C, the inverse of the strength of
    the regularisation.
    """

    encoder: Literal["tfidf-char-svm", "tfidf-char-logistic", "tfidf-word-svm", "tfidf-word-logistic"]
    ngrams: NgramLengths
    min_df: Count = 2
    c: PositiveFloat

    @property
    def features(self) -> str:
        """The unit of the n-grams: ``char`` or ``word``."""
        return self.encoder.split("-")[1]

    @property
    def classifier(self) -> str:
        """The classifier: ``svm`` or ``logistic``."""
        return self.encoder.split("-")[2]


def with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with the default n-grams of its features and the default C of its classifier filled in."""
    encoder = str(given.get("encoder"))
    return {
        "ngrams": [1, 2] if encoder.startswith("tfidf-word") else [1, 3],
        "c": 10.0 if encoder.endswith("logistic") else 0.5,
        **given,
    }


class Features:
    """TF-IDF vectors of texts, or for a pair the sum, the difference and the cosine of its two vectors."""

    def __init__(self, section: TfidfSection, max_features: int | None = None) -> None:
        """Take the settings, and the number of most frequent n-grams that count; None for all."""
        by_word = {"tokenizer": _words, "token_pattern": None}
        self.section = section
        self._tfidf = TfidfVectorizer(
            analyzer=section.features,
            ngram_range=section.ngrams,
            min_df=section.min_df,
            max_features=max_features,
            sublinear_tf=True,
            **(by_word if section.features == "word" else {}),
        )

    def learn(self, texts: Texts) -> csr_matrix:
        """Learn the n-grams and their idf from train texts and return the features <float64>[rows, features].

        Raises:
            DataError: no n-gram occurs in enough texts.
        """
        try:
            return _combine_pairs(self._tfidf.fit_transform(_flat(texts)), texts)
        except ValueError as error:  # scikit-learn raises it for an empty vocabulary
            section = self.section
            message = _(_TOO_RARE[section.features])
            raise DataError(
                message.format(shortest=section.ngrams[0], longest=section.ngrams[1], texts=section.min_df)
            ) from error

    @property
    def grams(self) -> list[str]:
        """The n-gram of each feature of single texts."""
        return list(self._tfidf.get_feature_names_out())

    @property
    def idf(self) -> Array:
        """The idf of each n-gram <float64>[features]."""
        return np.asarray(self._tfidf.idf_)

    def transform(self, texts: Texts) -> csr_matrix:
        """Return the features of texts <float64>[rows, features]."""
        return _combine_pairs(self._tfidf.transform(_flat(texts)), texts)


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text) if not text[start:end].isspace()]


def _flat(texts: Texts) -> list[str]:
    return list(chain.from_iterable(texts))


def _combine_pairs(vectors: csr_matrix, texts: Texts) -> csr_matrix:
    """Return the vectors themselves, or for each pair the sum, the absolute difference and the cosine of its two.

    The vectors of a pair are adjacent rows. None of the three depends on the order of the two texts, since whether they
    mean the same does not either.
    """
    if len(texts[0]) == 1:
        return vectors
    first, second = vectors[0::2], vectors[1::2]
    cosine = csr_matrix(first.multiply(second).sum(axis=1))  # the vectors have length 1
    return hstack([first + second, abs(first - second), cosine], format="csr")


class Classifier:
    """A linear support vector machine or a logistic regression over the features."""

    def __init__(self, section: TfidfSection, n_labels: int, seed: int) -> None:
        self.n_labels = n_labels
        self._model: Any = (
            LinearSVC(C=section.c, dual="auto", max_iter=10_000, random_state=seed)
            if section.classifier == "svm"
            else LogisticRegression(C=section.c, max_iter=1_000)
        )

    def fit(self, features: csr_matrix, labels: Array) -> bool:
        """Fit the weights to train and return whether they have converged.

        Args:
            features: <float64>[rows, features].
            labels: <int64>[rows], label indices.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._model.fit(features, labels)
        return not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return int(self._model.coef_.size + self._model.intercept_.size)

    def weights(self) -> tuple[Array, Array, Array]:
        """Return the weights, the biases and the labels that occur in train.

        Returns:
            <float64>[labels, features], <float64>[labels] and <int64>[labels]; of two labels the weights and the bias
            of the second alone.
        """
        return self._model.coef_, self._model.intercept_, self._model.classes_

    def probabilities(self, features: csr_matrix) -> Array:
        """Return <float64>[rows, labels]; a label that does not occur in train gets 0.

        A logistic regression gives probabilities. A support vector machine gives a distance from the boundary of each
        label; their softmax is taken here. The order is right and the highest is the predicted label, but these are not
        calibrated probabilities, and a loss computed from them says little.
        """
        probabilities = np.zeros((features.shape[0], self.n_labels))
        probabilities[:, self._model.classes_] = self._known_labels(features)
        return probabilities

    def _known_labels(self, features: csr_matrix) -> Array:
        if isinstance(self._model, LogisticRegression):
            return np.asarray(self._model.predict_proba(features))
        margins = self._model.decision_function(features)
        if margins.ndim == 1:  # for two labels it is the distance of the second
            margins = np.stack([-margins, margins], axis=1)
        return np.asarray(softmax(margins, axis=1))
