"""Fits the n-grams' say of the pairs' Layer to train data, by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import paddle
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import LogisticRegression

from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.errors import ConfigError
from paddle_tasks.models.pair_ngrams import N_BUCKETS, NgramEvidence

_INVERSE_PENALTY = 3.0  # by 4-fold cross-validation on AFQMC's train file: loss 0.5757 with 1, 0.5714 with 2, 0.5708

_MOST_VALUES = 100_000_000  # a gigabyte, and as much again for the fit


def fit(evidence: NgramEvidence, batches: Iterable[Batch]) -> None:
    """Give n-grams the weights of a logistic regression with an L2 penalty; the same batches give the same.

    Args:
        evidence: changed in place.
        batches: with the labels 0 and 1; where all have the same one there is nothing to learn, and nothing changes.

    Raises:
        ConfigError: there are too many features to hold in memory.
    """
    features, labels, n_values = [], [], 0
    for batch in batches:
        features.append(_matrix(evidence, batch))
        labels.append(batch.labels.numpy())
        n_values += features[-1].nnz
        if n_values > _MOST_VALUES:
            raise ConfigError(
                f"model.ngrams: the train pairs have more than {_MOST_VALUES:,} n-grams and pairs of n-grams, whose "
                "number grows with the product of both texts' lengths; expected a smaller training.max_length, or false"
            )
    gold = np.concatenate(labels)
    if len(np.unique(gold)) < 2:
        return
    model = LogisticRegression(C=_INVERSE_PENALTY, solver="liblinear", dual=True, max_iter=1000, random_state=0)
    model.fit(vstack(features), gold)
    evidence.weight.set_value(model.coef_.reshape([-1, 1]).astype(np.float32))
    evidence.bias.set_value(model.intercept_.astype(np.float32))


def _matrix(evidence: NgramEvidence, batch: Batch) -> Any:
    """Return a batch's features <float32>[batch, buckets], sparse; what falls into one bucket adds up."""
    with paddle.no_grad():
        found = evidence.features(batch.input_ids, batch.token_type_ids, batch.lengths)
    buckets, values = (part.numpy() for part in found)
    rows, places = np.nonzero(values)
    return csr_matrix((values[rows, places], (rows, buckets[rows, places])), shape=(len(values), N_BUCKETS))
