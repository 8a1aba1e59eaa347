"""Chains of tags against the enumeration of all paths, and against the rules of IOB2 spelt out."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from paddle_tasks.models.chain import Chain, TokenSpan, allowed_first_tags, allowed_transitions, spans_from_tags

LENGTHS = np.array([4, 1, 3, 2])
NAMES = ("O", "B-a", "I-a", "B-b", "I-b")


def is_legal(tags: tuple[int, ...]) -> bool:
    """Tell whether every I-x follows B-x or I-x, by the tags' names."""
    names = ["O", *(NAMES[tag] for tag in tags)]
    return all(here[0] != "I" or before in {f"B{here[1:]}", here} for before, here in pairwise(names))


@cache
def legal_paths(length: int) -> np.ndarray:
    return np.array([path for path in product(range(5), repeat=length) if is_legal(path)])


def make(seed: int = 0, scale: float = 1.0) -> tuple[Chain, np.ndarray]:
    """Return a chain of two labels and a batch of emissions, with what is not finite in the padding."""
    numbers = np.random.default_rng(seed)
    chain = Chain(*(scale * numbers.normal(size=size) for size in ((5,), (5, 5), (5,))))
    emissions = scale * numbers.normal(size=(len(LENGTHS), LENGTHS.max(), 5))
    emissions[np.arange(LENGTHS.max()) >= LENGTHS[:, None]] = np.nan
    return chain, emissions


def scores(chain: Chain, emissions: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """Return the score of each path of one row, by the definition."""
    taken = emissions[np.arange(paths.shape[1]), paths].sum(axis=1)
    moves = chain.transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    return taken + moves + chain.start[paths[:, 0]] + chain.end[paths[:, -1]]


def enumerated(chain: Chain, emissions: np.ndarray, length: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return a row's log-partition, its marginals and expected moves, and its best path."""
    paths = legal_paths(length)
    found = scores(chain, emissions[:length], paths)
    log_sum = found.max() + np.log(np.exp(found - found.max()).sum())
    probs, each = np.exp(found - log_sum), np.eye(5)
    moves = np.einsum("p,ptx,pty->xy", probs, each[paths[:, :-1]], each[paths[:, 1:]])
    return log_sum, np.einsum("p,ptx->tx", probs, each[paths]), moves, paths[found.argmax()]


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0, 300.0])
def test_path_sums_match_enumeration(scale):
    for seed in range(3):
        chain, emissions = make(seed, scale)
        found, best = chain.sum_paths(emissions, LENGTHS), chain.decode(emissions, LENGTHS)
        assert np.array_equal(found.statistics().values, found.log_partition)
        for row, length in enumerate(LENGTHS):
            log_sum, marginals, moves, path = enumerated(chain, emissions[row], length)
            assert found.log_partition[row] == pytest.approx(log_sum, rel=1e-12, abs=1e-12)
            np.testing.assert_allclose(found.marginals[row, :length], marginals, atol=1e-9)
            np.testing.assert_allclose(found.expected_transitions()[row], moves, atol=1e-9)
            assert not found.marginals[row, length:].any()
            assert not best[row, length:].any()
            if scale:  # else all paths are as good
                assert best[row, :length].tolist() == path.tolist()


def test_the_oracle_sees_what_is_left_out():
    chain, emissions = make()
    parts = vars(chain) | {}
    for name in ("start", "transitions", "end"):
        other = Chain(**{key: parts[key] * (key != name) for key in ("start", "transitions", "end")})
        gap = abs(other.sum_paths(emissions, LENGTHS).log_partition - chain.sum_paths(emissions, LENGTHS).log_partition)
        assert (gap[1:2] > 1e-3).all() == (name != "transitions"), name
        assert (np.delete(gap, 1) > 1e-3).all(), name


def test_a_path_scores_by_its_definition():
    chain, emissions = make()
    for path in legal_paths(4)[::7]:
        tags = np.stack([[*path[:length], *[2] * (4 - length)] for length in LENGTHS]).astype(int)  # 2: illegal
        found = chain.score_paths(emissions, tags, LENGTHS)
        for row, length in enumerate(LENGTHS):
            expected = scores(chain, emissions[row, :length], path[None, :length])[0]
            assert found.values[row] == pytest.approx(expected, rel=1e-12)


def test_derivatives_match_finite_differences():
    chain, emissions = make(4)
    tags, step = chain.decode(emissions, LENGTHS)[:, ::1], 1e-5
    emissions = np.nan_to_num(emissions)
    for statistics in (lambda c, e: c.sum_paths(e, LENGTHS).statistics(), lambda c, e: c.score_paths(e, tags, LENGTHS)):
        found = statistics(chain, emissions)
        for place in np.ndindex(4, 5):
            change = np.zeros_like(emissions)
            change[:, place[0], place[1]] = step
            slope = (statistics(chain, emissions + change).values - statistics(chain, emissions - change).values) / (
                2 * step
            )
            np.testing.assert_allclose(found.emissions[:, place[0], place[1]], slope, atol=1e-7)
        for name in ("start", "transitions", "end"):
            values = getattr(chain, name)
            for place in np.ndindex(*values.shape):
                change = np.zeros_like(values)
                change[place] = step
                up, down = (Chain(**{**_scores(chain), name: values + sign * change}) for sign in (1, -1))
                slope = (statistics(up, emissions).values - statistics(down, emissions).values) / (2 * step)
                np.testing.assert_allclose(getattr(found, name)[(slice(None), *place)], slope, atol=1e-7)


def _scores(chain: Chain) -> dict[str, np.ndarray]:
    return {"start": chain.start, "transitions": chain.transitions, "end": chain.end}


# ---- the rules


def test_the_rules_of_iob2():
    for before, here in product(range(5), repeat=2):
        assert allowed_transitions(2)[before, here] == is_legal((before, here)) or not is_legal((before,))
        assert allowed_transitions(2)[before, here] == (here in {0, 1, 3} or NAMES[before][1:] == NAMES[here][1:])
    assert allowed_first_tags(2).tolist() == [is_legal((tag,)) for tag in range(5)] == [True, True, False, True, False]
    assert allowed_first_tags(1).tolist() == [True, True, False]
    assert allowed_transitions(1).tolist() == [[True, True, False], [True, True, True], [True, True, True]]


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.1, 3.0, 1e4, 1e30]), favour=st.sampled_from([0.0, 1e6]))
def test_illegal_transitions_are_never_decoded_or_probable(seed, scale, favour):
    chain, emissions = make(seed, scale)
    emissions[..., [2, 4]] += favour
    chain = Chain(chain.start, chain.transitions + favour * ~allowed_transitions(2), chain.end)
    for row, path in enumerate(chain.decode(emissions, LENGTHS)):
        assert is_legal(tuple(path[: LENGTHS[row]]))
    found = chain.sum_paths(emissions, LENGTHS)
    assert np.isfinite(found.log_partition).all()
    assert not found.marginals[:, 0, [2, 4]].any()
    assert found.marginals.max() <= 1
    assert not found.expected_transitions()[:, ~allowed_transitions(2)].any()
    if scale < 1e30:  # there, numbers next to one another are 1e14 apart
        np.testing.assert_allclose(found.marginals.sum(axis=2), np.arange(4) < LENGTHS[:, None], atol=1e-6)


def test_without_the_rules_illegal_transitions_would_win():
    emissions = np.zeros((1, 3, 5))
    emissions[0, :, 2] = 9
    assert Chain.without_scores(2).decode(emissions, np.array([3])).tolist() == [[1, 2, 2]]
    assert emissions.argmax(axis=2).tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([[0, 1, 2, 0], [2, 0, 0, 0]], "row 1 of the batch goes from the start to tag 2 at position 0"),
        ([[0, 0, 2, 0], [0, 0, 0, 0]], "row 0 of the batch goes from tag 0 to tag 2 at position 2"),
        ([[0, 1, 4, 0], [0, 0, 0, 0]], "row 0 of the batch goes from tag 1 to tag 4 at position 2"),
    ],
)
def test_a_path_that_is_illegal_is_refused(tags, message):
    with pytest.raises(ValueError, match=message):
        Chain.without_scores(2).score_paths(np.zeros((2, 4, 5)), np.array(tags), np.array([4, 1]))


# ---- spans


def test_spans_by_hand():
    assert spans_from_tags(np.array([1, 2, 1, 0, 3, 4, 4, 1, 3])) == [
        (0, 2, 0),
        (2, 3, 0),
        (4, 7, 1),
        (7, 8, 0),
        (8, 9, 1),
    ]
    assert spans_from_tags(np.array([0])) == spans_from_tags(np.array([], dtype=np.int64)) == []


@given(seed=st.integers(0, 10**6), length=st.integers(1, 12))
def test_spans_are_seqevals(seed, length):
    emissions = np.random.default_rng(seed).normal(size=(1, length, 5))
    (tags,) = Chain.without_scores(2).decode(emissions, np.array([length]))
    names = [NAMES[tag] for tag in tags]
    entities = Entities([names], IOB2).entities[0]
    expected = [(entity.start, entity.end, "ab".index(entity.tag)) for entity in entities]
    assert sorted(spans_from_tags(tags)) == sorted(expected)
    assert len(get_entities(names)) == len(expected)


def enumerated_span_probs(chain: Chain, emissions: np.ndarray, length: int) -> dict[TokenSpan, float]:
    """Return the probability of every span of a row by enumeration."""
    paths = legal_paths(length)
    logs = scores(chain, emissions[:length], paths)
    having: dict[TokenSpan, float] = {}
    for path, prob in zip(paths, np.exp(logs - np.logaddexp.reduce(logs)), strict=True):
        for span in spans_from_tags(path):
            having[span] = having.get(span, 0.0) + prob
    return having


def test_span_prob_sums_all_paths_with_the_span():
    chain, emissions = make(7)
    found = chain.sum_paths(emissions, LENGTHS)
    for row, length in enumerate(LENGTHS):
        having = enumerated_span_probs(chain, emissions[row], length)
        assert len(having) == length * (length + 1)  # two labels
        for span, prob in having.items():
            assert found.span_prob(row, span) == pytest.approx(prob, rel=1e-9), (row, span)


@pytest.mark.parametrize("min_prob", [1e-9, 0.02, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_likely_spans_are_all_above_the_threshold(min_prob, seed):
    chain, emissions = make(seed)
    for row, found in enumerate(chain.sum_paths(emissions, LENGTHS).likely_spans(min_prob)):
        having = enumerated_span_probs(chain, emissions[row], LENGTHS[row])
        expected = {span: prob for span, prob in having.items() if prob >= min_prob}
        assert [span for span, _ in found] == sorted(expected)
        assert dict(found) == pytest.approx(expected, rel=1e-9)


def test_a_long_span_is_kept_although_its_parts_are_improbable():
    """Its length alone must not end the search: no shorter span with that start has a chance."""
    emissions = np.zeros((2, 30, 5))
    emissions[0, np.arange(30), [1, *[2] * 19, *[0] * 10]] = 50.0
    (long, short) = Chain.without_scores(2).sum_paths(emissions, np.array([30, 1])).likely_spans(0.5)
    assert [span for span, _ in long] == [(0, 20, 0)]
    assert not short
