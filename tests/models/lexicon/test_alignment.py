"""Alignment against a plain implementation of IBM model 1, and on languages whose lexicon is known."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from paddle_tasks.models.lexicon.alignment import Aligner, AlignmentSettings
from paddle_tasks.models.lexicon.phrases import learn_phrases
from paddle_tasks.text.packing import PackedIds

N_TOKENS = 7


def pack(rows):
    return PackedIds(np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)]))


def random_rows(n_rows, seed):
    generator = np.random.default_rng(seed)
    return [generator.integers(1, N_TOKENS, generator.integers(1, 6)) for _row in range(n_rows)]


def plain_model(sources, targets, n_iterations, empty):
    """Return p(t | s) of IBM model 1; the empty token is N_TOKENS."""
    table = defaultdict(lambda: 1.0)
    for _iteration in range(n_iterations):
        counts, totals = defaultdict(float), defaultdict(float)
        for source, target in zip(sources, targets, strict=True):
            weights = [*((token, 1 / len(source)) for token in source), (N_TOKENS, empty)]
            for t in target:
                norm = sum(table[s, t] * weight for s, weight in weights)
                for s, weight in weights:
                    counts[s, t] += table[s, t] * weight / norm
                    totals[s] += table[s, t] * weight / norm
        table = defaultdict(float, {(s, t): count / totals[s] for (s, t), count in counts.items()})
    return table


def test_the_table_is_that_of_a_plain_implementation():
    sources, targets = random_rows(40, 1), random_rows(40, 2)
    table = Aligner(pack(sources), pack(targets), N_TOKENS, AlignmentSettings(3, 0.0, 0.2)).fit()
    expected = plain_model(sources, targets, 3, 0.2)
    values = [[expected[s, t] for t in range(N_TOKENS)] for s in range(N_TOKENS + 1)]
    np.testing.assert_allclose(table, values, rtol=1e-4, atol=1e-6)
    other = Aligner(pack(sources), pack(targets), N_TOKENS, AlignmentSettings(3, 4.0, 0.2)).fit()
    assert np.abs(other - table).max() > 0.01


def test_rows_of_seen_tokens_add_up_to_one():
    table = Aligner(pack(random_rows(30, 3)), pack(random_rows(30, 4)), N_TOKENS, AlignmentSettings(2)).fit()
    np.testing.assert_allclose(table.sum(axis=1), [0, *[1] * N_TOKENS], atol=1e-5)


@pytest.mark.parametrize("tension", [0.0, 4.0])
def test_a_known_lexicon_of_phrases_is_found(tension):
    lexicon = {1: (7,), 2: (8, 9), 3: (10, 11, 12), 4: (13,), 5: (14, 15)}
    generator = np.random.default_rng(5)
    sources = [generator.permutation(5)[: generator.integers(1, 6)] + 1 for _row in range(300)]
    targets = [np.concatenate([lexicon[int(token)] for token in source]) for source in sources]
    aligner = Aligner(pack(sources), pack(targets), 16, AlignmentSettings(8, tension))
    assert learn_phrases(aligner, aligner.fit()) == lexicon


def test_unknown_tokens_are_in_no_phrase():
    sources, targets = (
        [np.array([0, 1]), np.array([1]), np.array([2])],
        [np.array([3, 4]), np.array([4]), np.array([0])],
    )
    aligner = Aligner(pack(sources), pack(targets), 5, AlignmentSettings(5))
    assert learn_phrases(aligner, aligner.fit()) == {1: (4,)}
