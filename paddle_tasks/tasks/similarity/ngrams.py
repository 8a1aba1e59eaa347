"""Fits the n-gram model of `PairClassifier` to train data with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import paddle
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import LogisticRegression

from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.pair_hashing import N_BUCKETS
from paddle_tasks.models.pair_ngrams import NgramEvidence

_INVERSE_PENALTY = 3.0  # by 4-fold cross-validation on AFQMC's train file: loss 0.5757 with 1, 0.5714 with 2, 0.5708

MAX_VALUES = 100_000_000
"""The maximum number of values of all features: one gigabyte, and the fit needs as much again."""


def fit_ngrams(evidence: NgramEvidence, batches: Iterable[Batch]) -> None:
    """Set the weights of n-grams to those of a logistic regression with an L2 penalty, which is deterministic.

    Args:
        evidence: the n-gram model, changed in place.
        batches: pairs with the labels 0 and 1; if all have the same label, nothing is learnt.

    Raises:
        ConfigError: there are too many features to hold in memory.
    """
    features, labels, n_values = [], [], 0
    for batch in batches:
        features.append(_sparse_features(evidence, batch))
        labels.append(batch.labels.numpy())
        n_values += features[-1].nnz
        if n_values > MAX_VALUES:
            raise ConfigError(
                _(
                    "model.ngrams: the train pairs have more than {limit:,} n-grams and pairs of n-grams; their number "
                    "grows with the product of the lengths of both texts; use a smaller training.max_length, or "
                    "model.ngrams=false"
                ).format(limit=MAX_VALUES)
            )
    gold = np.concatenate(labels)
    if len(np.unique(gold)) < 2:
        return
    model = LogisticRegression(C=_INVERSE_PENALTY, solver="liblinear", dual=True, max_iter=1000, random_state=0)
    model.fit(vstack(features), gold)
    evidence.weight.set_value(model.coef_.reshape([-1, 1]).astype(np.float32))
    evidence.bias.set_value(model.intercept_.astype(np.float32))


def _sparse_features(evidence: NgramEvidence, batch: Batch) -> Any:
    """Return the sparse features of a batch <float32>[batch, buckets]; n-grams in the same bucket are added."""
    with paddle.no_grad():
        buckets, values = (
            part.numpy() for part in evidence.features(batch.input_ids, batch.token_type_ids, batch.lengths)
        )
    rows, columns = np.nonzero(values)
    return csr_matrix((values[rows, columns], (rows, buckets[rows, columns])), shape=(len(values), N_BUCKETS))
