"""TF-IDF of character or word n-grams under a linear classifier: what a network has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, PositiveFloat, PositiveInt
from pydantic_core import PydanticCustomError
from scipy.sparse import csr_matrix, hstack
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.errors import DataError
from paddle_tasks.text.words import word_spans

Texts = Sequence[tuple[str, ...]]
"""What is to be told apart: texts as tuples of one, or pairs of texts as tuples of two."""


def _ordered(lengths: tuple[int, int]) -> tuple[int, int]:
    if lengths[0] > lengths[1]:
        raise PydanticCustomError("ngrams", "expected the shortest and the longest, as in [1, 3]")
    return lengths


class TfidfSection(Section):
    """The ``model`` section of a baseline: which features, which classifier.

    A text's features are its n-grams of ``ngrams`` [shortest, longest] characters or jieba's words, in lower case, that
    stand in ``min_df`` train texts or more, weighted (1 + ln count) * idf and scaled to length 1. ``c`` is
    scikit-learn's C: the larger, the less the weights are held back.
    """

    encoder: Literal["tfidf-char-svm", "tfidf-char-logistic", "tfidf-word-svm", "tfidf-word-logistic"]
    ngrams: Annotated[tuple[PositiveInt, PositiveInt], AfterValidator(_ordered)]
    min_df: PositiveInt = 2
    c: PositiveFloat

    @property
    def features(self) -> str:
        """What an n-gram is of: ``char`` or ``word``."""
        return self.encoder.split("-")[1]

    @property
    def classifier(self) -> str:
        """Which classifier: ``svm`` or ``logistic``."""
        return self.encoder.split("-")[2]


def with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with the n-grams and the C that suit its features and its classifier, where it names none."""
    encoder = str(given.get("encoder"))
    return {
        "ngrams": [1, 2] if encoder.startswith("tfidf-word") else [1, 3],
        "c": 10.0 if encoder.endswith("logistic") else 0.5,
        **given,
    }


class Features:
    """TF-IDF vectors of texts, or what those of a pair have in common and what not."""

    def __init__(self, section: TfidfSection) -> None:
        by_word = {"tokenizer": _words, "token_pattern": None}
        self.section = section
        self._tfidf = TfidfVectorizer(
            analyzer=section.features,
            ngram_range=section.ngrams,
            min_df=section.min_df,
            sublinear_tf=True,
            **(by_word if section.features == "word" else {}),
        )

    def learn(self, texts: Texts) -> csr_matrix:
        """Learn n-grams and their weights from train texts, and return the features <float64>[rows, features].

        Raises:
            DataError: no n-gram stands in enough texts.
        """
        try:
            return _of_pairs(self._tfidf.fit_transform(_flat(texts)), texts)
        except ValueError as error:  # scikit-learn's, of an empty vocabulary
            section = self.section
            raise DataError(
                f"data.train: no n-gram of {section.ngrams[0]} to {section.ngrams[1]} {section.features}s stands in "
                f"{section.min_df} texts or more; expected a smaller min_df or more texts"
            ) from error

    def of(self, texts: Texts) -> csr_matrix:
        """Return the features of texts <float64>[rows, features]."""
        return _of_pairs(self._tfidf.transform(_flat(texts)), texts)


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text) if not text[start:end].isspace()]


def _flat(texts: Texts) -> list[str]:
    return list(chain.from_iterable(texts))


def _of_pairs(vectors: csr_matrix, texts: Texts) -> csr_matrix:
    """Return the vectors themselves, or for each pair (its two stand one after the other) sum, difference and cosine.

    Order does not matter to any of the three, as it does not to whether two texts mean the same.
    """
    if len(texts[0]) == 1:
        return vectors
    first, second = vectors[0::2], vectors[1::2]
    cosine = csr_matrix(first.multiply(second).sum(axis=1))  # of vectors of length 1
    return hstack([first + second, abs(first - second), cosine], format="csr")


class Classifier:
    """A linear support vector machine or logistic regression over such features."""

    def __init__(self, section: TfidfSection, n_labels: int, seed: int) -> None:
        self.n_labels = n_labels
        self._model: Any = (
            LinearSVC(C=section.c, dual="auto", max_iter=10_000, random_state=seed)
            if section.classifier == "svm"
            else LogisticRegression(C=section.c, max_iter=1_000)
        )

    def fit(self, features: csr_matrix, labels: Array) -> bool:
        """Learn from train and tell whether the weights have settled.

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

    def probabilities(self, features: csr_matrix) -> Array:
        """Return <float64>[rows, labels]; a label that train does not have gets 0.

        Logistic regression has probabilities of its own. A support vector machine has distances from its boundaries,
        one for each label, whose softmax is taken here: the order is right and the highest is what the machine
        predicts, but they are no calibrated probabilities, and a loss computed from them tells little.
        """
        chances = np.zeros((features.shape[0], self.n_labels))
        chances[:, self._model.classes_] = self._known(features)
        return chances

    def _known(self, features: csr_matrix) -> Array:
        if isinstance(self._model, LogisticRegression):
            return np.asarray(self._model.predict_proba(features))
        margins = self._model.decision_function(features)
        if margins.ndim == 1:  # of two labels it is that of the second
            margins = np.stack([-margins, margins], axis=1)
        return np.asarray(softmax(margins, axis=1))
