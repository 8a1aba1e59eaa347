"""N-grams of pairs against counts by plain loops, with any padding and order, and their half of a prediction."""

from __future__ import annotations

from collections import Counter

import numpy as np
import paddle
import pytest

from paddle_tasks.models import pair_ngrams
from paddle_tasks.models.heads import two_class_logits
from paddle_tasks.models.pair_ngrams import N_BUCKETS, NgramEvidence

from .conftest import batch
from .test_similarity import pairs

PAIRS = [([1, 2, 3], [2, 3, 4]), ([5], [5]), ([6, 7], [7, 6, 7, 8, 9]), ([1, 1], [2])]


def inputs(rows, padding=0):
    longest = max(len(a) + len(b) for a, b in rows)
    ids = np.full([len(rows), longest], padding, np.int64)
    types, lengths = np.zeros_like(ids), []
    for row, (a, b) in enumerate(rows):
        ids[row, : len(a) + len(b)] = a + b
        types[row, len(a) : len(a) + len(b)] = 1
        lengths.append(len(a) + len(b))
    return paddle.to_tensor(ids), paddle.to_tensor(types), paddle.to_tensor(lengths)


def bucket(key: int, kind: int) -> int:
    prime, base = pair_ngrams.HASH_PRIME, pair_ngrams.HASH_BASE
    return (key % prime * base + kind * 7_919) % prime % N_BUCKETS


def by_hand(first: list[int], second: list[int]) -> Counter[int]:
    """Return the count of each bucket, with plain loops over lists."""
    prime, base = pair_ngrams.HASH_PRIME, pair_ngrams.HASH_BASE
    found: Counter[int] = Counter()
    for kind, n in ((0, 1), (2, 2)):
        parts = [[text[i : i + n] for i in range(len(text) - n + 1)] for text in (first, second)]
        keys = [[gram[0] if n == 1 else gram[0] * base + gram[1] for gram in grams] for grams in parts]
        lone = [[key for key in keys[k] if key not in keys[1 - k]] for k in (0, 1)]
        for k in (0, 1):
            found.update(bucket(2 * key + (key in keys[1 - k]), kind) for key in keys[k])
        for a in lone[0]:
            found.update(bucket(min(a, b) % prime * base + max(a, b), kind + 1) for b in lone[1])
    return found


def counted(rows, padding=0) -> list[Counter[int]]:
    """Return the buckets of each row; each of the n features of a unit row has the value 1 / sqrt(n)."""
    buckets, values = (part.numpy() for part in NgramEvidence().features(*inputs(rows, padding)))
    found = []
    for own, weights in zip(buckets, values, strict=True):
        assert (weights**2).sum() == pytest.approx(1, abs=1e-6)
        assert len(set(weights[weights > 0])) == 1
        found.append(Counter(own[weights > 0].tolist()))
    return found


@pytest.mark.parametrize("padding", [0, 2])
def test_features_match_plain_loops(padding):
    assert counted(PAIRS, padding) == [by_hand(*pair) for pair in PAIRS]


def test_shared_tokens_change_the_features():
    same, other = counted([([1, 2], [1, 2]), ([1, 2], [3, 4])])
    assert not set(same) & set(other)


def test_the_order_of_the_texts_does_not_matter():
    assert counted(PAIRS) == counted([(second, first) for first, second in PAIRS])


def test_the_order_of_the_tokens_matters():
    assert counted([([1, 2], [2, 1])]) != counted([([1, 2], [1, 2])])


def test_a_logit_is_the_weighted_sum():
    evidence, rows = NgramEvidence(), inputs(PAIRS)
    weights = np.random.default_rng(1).normal(size=[N_BUCKETS, 1]).astype(np.float32)
    evidence.weight.set_value(weights)
    evidence.bias.set_value(np.array([0.25], np.float32))
    expected = [
        0.25 + sum(n * weights[place, 0] for place, n in counts.items()) / np.sqrt(counts.total())
        for counts in (by_hand(*pair) for pair in PAIRS)
    ]
    np.testing.assert_allclose(evidence(*rows).numpy()[:, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["cross", "aligned", "bi"])
def test_a_prediction_is_the_mean_of_both_and_the_network_learns_alone(kind):
    plain, both = pairs(kind), pairs(kind, ngrams=True)
    rows = batch((9, 5, 2, 7), padding=7)
    both.ngrams.weight.set_value(paddle.randn([N_BUCKETS, 1]))
    alone, evidence = plain(*rows).numpy(), both.ngrams(*rows)
    assert abs(evidence.numpy()).min() > 1e-3
    np.testing.assert_allclose(both(*rows).numpy(), (alone + two_class_logits(evidence).numpy()) / 2, atol=1e-5)
    both.training = True  # but its dropout is not
    np.testing.assert_allclose(both(*rows).numpy(), alone, atol=1e-5)
    both(*rows)[:, 1].sum().backward()
    assert both.ngrams.weight.grad is None
