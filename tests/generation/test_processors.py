"""Processors against those of transformers, and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paddle_tasks.generation import processors
from paddle_tasks.generation.history import History
from paddle_tasks.generation.section import GenerationSection

from .language_models import ORACLE, PROMPTS, letters, log_softmax, oracle_model, oracle_setting, spell

INF = np.inf
CASES = ORACLE["stepwise"] + ORACLE["sampling"]
# Few distinct values, so that many scores are equal.
levels = st.integers(-6, 6).map(lambda value: value / 2)
some_scores = st.integers(1, 40).flatmap(lambda n: arrays(np.float32, (1, n), elements=levels))
fractions = st.floats(0.0, 1.0)


def run(processor, scores, history=None):
    """Return the scores that a processor makes of others."""
    changed = np.array(scores, np.float32)
    processor(history or History([[0]] * len(changed)), changed)
    return changed


def steps_of(case):
    """Yield history and logits of each step of a stored case, the rows that have not ended, and the stored scores."""
    vocabulary, _ = oracle_setting(case)
    history, model = History(PROMPTS), oracle_model()
    state, logits = model.start(PROMPTS)
    is_open = np.ones(len(PROMPTS), bool)
    for tokens, stored in zip(np.transpose(case["tokens"]), case["scores"], strict=True):
        yield history, logits, is_open, np.array(stored, np.float32)  # None becomes NaN
        is_open = is_open & ~np.isin(tokens, vocabulary.end)
        history.append(tokens)
        state, logits = model.advance(state, tokens.tolist())


def differences(case, change_order=list):
    """Yield the largest difference between distributions of each open row, and between processed scores."""
    vocabulary, options = oracle_setting(case)
    chain = change_order(processors.make_processors(options, vocabulary))
    for history, logits, is_open, stored in steps_of(case):
        scores = np.array(logits)
        for processor in chain:
            processor(history, scores)
        expected = np.where(np.isnan(stored), -INF, stored)
        for ours, theirs in zip(scores[is_open], expected[is_open], strict=True):
            same = np.array_equal(ours == -INF, theirs == -INF)
            kept = theirs > -INF
            probs = abs(np.exp(log_softmax(ours)) - np.exp(log_softmax(theirs))).max()
            yield probs if same else INF, abs(ours[kept] - theirs[kept]).max()


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["options"]))
def test_distributions_are_those_of_transformers(case):
    probs, scores = np.transpose(list(differences(case)))
    assert probs.max() < 1e-6
    assert scores.max() < 1e-5


@pytest.mark.parametrize("case", [case for case in CASES if len(case["options"]) > 5], ids=lambda c: str(c["options"]))
def test_the_order_matters(case):
    probs, _ = np.transpose(list(differences(case, lambda chain: chain[::-1])))
    assert probs.max() > 1e-3


def test_the_order_is_that_of_the_documentation():
    options = GenerationSection(
        do_sample=True, temperature=0.5, top_k=2, top_p=0.5, min_p=0.1, repetition_penalty=1.1, no_repeat_ngram_size=2,
        no_repeat_window=3, bad_words=("a",), min_new_tokens=1,
    )  # fmt: skip
    chain = processors.make_processors(options, letters(end=[2], forbidden=[0]))
    names = "RepetitionPenalty NoRepeatNGram NoRepeatWindow NoBadWords MinNewTokens ForbiddenTokens"
    names += " Temperature TopK TopP MinP"
    assert [type(one).__name__ for one in chain] == names.split()
    assert processors.make_processors(GenerationSection(), letters()) == []


# ---- rules on earlier tokens


def test_repetition_penalty_by_hand():
    history = History([[1, 1, 0], [2]])
    penalised = run(processors.RepetitionPenalty(2.0), [[1.0, -1.0, 3.0]] * 2, history)
    assert penalised.tolist() == [[0.5, -2.0, 3.0], [1.0, -1.0, 1.5]]


@pytest.mark.parametrize("processor", [
    processors.RepetitionPenalty(1.7), processors.NoRepeatNGram(1), processors.NoRepeatNGram(2),
    processors.NoRepeatNGram(3), processors.NoRepeatWindow(1), processors.NoRepeatWindow(4),
    processors.NoBadWords([[1], [2, 1, 0], [0, 1], [1, 1, 1, 1, 2]]),
], ids=lambda one: f"{type(one).__name__}{vars(one)}")  # fmt: skip
@given(prompts=st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=5), data=st.data())
def test_a_row_is_processed_alone_as_among_longer_and_shorter_ones(processor, prompts, data):
    scores = data.draw(arrays(np.float32, (len(prompts), 3), elements=levels))  # token 3 occurs in prompts only
    together = run(processor, scores, History(prompts))
    alone = [run(processor, [row], History([prompt]))[0] for row, prompt in zip(scores, prompts, strict=True)]
    assert np.array_equal(together, alone)


@given(st.lists(st.integers(0, 3), max_size=15), st.integers(1, 4))
def test_ngrams_are_forbidden_by_their_definition(tokens, size):
    ngrams = {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}
    ending = tokens[len(tokens) - size + 1 :]
    expected = [len(ending) == size - 1 and (*ending, token) in ngrams for token in range(4)]
    found = run(processors.NoRepeatNGram(size), np.zeros((1, 4)), History([tokens]))
    assert (found[0] == -INF).tolist() == expected


@given(st.lists(st.integers(0, 7), max_size=15), st.integers(1, 20))
def test_the_window_forbids_its_last_tokens(tokens, size):
    found = run(processors.NoRepeatWindow(size), np.zeros((1, 8)), History([tokens]))
    assert set(np.flatnonzero(found[0] == -INF)) == set(tokens[-size:])


@given(st.text("ab", max_size=8), st.lists(st.text("ab", min_size=1, max_size=4), max_size=4))
def test_bad_words_are_forbidden_by_their_definition(text, words):
    found = run(processors.NoBadWords(list(map(spell, words))), np.zeros((1, 2)), History([spell(text)]))
    expected = [any((text + letter).endswith(word) for word in words) for letter in "ab"]
    assert (found[0] == -INF).tolist() == expected


def test_end_tokens_wait_for_the_minimum():
    history, processor = History([[0, 1], [2]]), processors.MinNewTokens(2, [1, 2, 99])
    assert run(processor, np.zeros((2, 4)), history).tolist() == [[0, -INF, -INF, 0]] * 2
    history.append([0, 0])
    assert np.isinf(run(processor, np.zeros((2, 4)), history)).sum() == 4
    history.append([0, 0])
    assert not run(processor, np.zeros((2, 4)), history).any()


def test_forbidden_tokens_may_lie_beyond_the_logits():
    assert run(processors.ForbiddenTokens([0, 5]), [[1.0, 2.0, 3.0]]).tolist() == [[-INF, 2.0, 3.0]]


# ---- the shape of the distribution


@given(some_scores, st.integers(1, 50))
def test_top_k_keeps_the_highest_and_all_ties(scores, k):
    lowest = sorted(scores[0], reverse=True)[min(k, scores.size) - 1]
    assert np.array_equal(run(processors.TopK(k), scores), np.where(scores >= lowest, scores, -INF))


@given(some_scores, fractions)
def test_top_p_keeps_the_fewest_tokens_that_reach_it(scores, p):
    kept = run(processors.TopP(p), scores)[0] > -INF
    probs = np.exp(log_softmax(scores[0]))
    assert kept.any()
    assert np.array_equal(run(processors.TopP(p), scores)[0][kept], scores[0][kept])
    if not kept.all():
        assert probs[kept].min() >= probs[~kept].max()
        assert probs[kept].sum() >= p - 1e-6
    if kept.sum() > 1:
        assert probs[kept].sum() - probs[kept].min() < p + 1e-6


@given(st.integers(0, 10_000), fractions, st.sampled_from([0.5, 2.0, 6.0]))
def test_top_p_of_a_large_vocabulary_keeps_what_full_sorting_keeps(seed, p, spread):
    scores = spread * np.random.default_rng(seed).normal(size=(1, 3000)).astype(np.float32)
    probs = np.exp(log_softmax(scores[0]))
    order = np.argsort(-probs)
    n_kept = max(np.count_nonzero(np.cumsum(probs[order]) - probs[order] < p), 1)
    kept = run(processors.TopP(p), scores)[0] > -INF
    # The sum at the border is rounded.
    assert abs(kept.sum() - n_kept) <= (p > 1 - 1e-9) * 3000
    assert kept[order[: n_kept - 1]].all()


def test_top_p_sees_what_top_k_has_kept_as_the_whole():
    scores = np.log([[0.4, 0.2, 0.2, 0.1, 0.1]])
    chain = [processors.TopK(1), processors.TopP(0.5)]
    both = run(chain[1], run(chain[0], scores))
    assert (both > -INF).tolist() == [[True, False, False, False, False]]
    assert (run(chain[1], scores) > -INF).sum() == 2  # 0.4 is not half of the whole, but all of the top one
    halves = run(processors.TopP(0.66), run(processors.TopK(2), np.log([[0.4, 0.25, 0.2, 0.15]])))
    assert (halves > -INF).sum() == 2  # 0.4 of 0.65 is below 0.66
    assert (run(processors.TopP(0.61), run(processors.TopK(2), np.log([[0.4, 0.25, 0.2, 0.15]]))) > -INF).sum() == 1


@given(some_scores, fractions)
def test_min_p_keeps_a_fraction_of_the_highest(scores, p):
    relative = np.exp(scores[0].astype(np.float64) - scores.max())
    kept = run(processors.MinP(max(p, 1e-30)), scores)[0] > -INF
    assert kept[relative == 1].all()
    assert kept[relative > p + 1e-6].all()
    assert not kept[relative < p - 1e-6].any()


@given(some_scores, fractions, st.integers(1, 50), st.integers(0, 2**31))
def test_rows_without_a_token_stay_so(scores, p, k, seed):
    forbidden = np.full_like(scores, -INF)
    both = np.concatenate([scores, forbidden])
    for processor in (processors.TopK(k), processors.TopP(p), processors.MinP(p or 0.5), processors.Temperature(0.5)):
        changed = run(processor, both)
        assert np.array_equal(changed[1], forbidden[0])
        assert np.array_equal(changed[:1], run(processor, scores))


@given(st.integers(1, 700), st.integers(2, 100_000), st.data())
def test_kth_highest(n, n_levels, data):
    k = data.draw(st.integers(1, n))
    values = np.random.default_rng(n_levels).integers(0, n_levels, n).astype(np.float32)
    assert processors.kth_highest(values, k) == sorted(values, reverse=True)[k - 1]
