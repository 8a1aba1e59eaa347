"""Greedy decoding, sampling and streams: against transformers, statistics, and each other."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.decoding import TextStream, generate
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.stepwise import sample
from paddle_tasks.generation.vocabulary import OutputVocabulary

from .language_models import (
    LETTERS,
    ORACLE,
    PROMPTS,
    FirstRowsModel,
    SummingModel,
    constant_model,
    letters,
    log_softmax,
    oracle_model,
    oracle_setting,
    random_model,
    spell,
)

N = len(LETTERS)
SAMPLING = GenerationSection(do_sample=True, temperature=1.2, top_k=9, max_new_tokens=15, repetition_penalty=1.1)


def texts(model, prompts, options, vocabulary=None):
    outputs = generate(model, prompts, vocabulary or letters(end=[0]), options)
    return [[one.text for one in outputs_of_prompt] for outputs_of_prompt in outputs]


def some_prompts(n, seed=0):
    numbers = np.random.default_rng(seed)
    return [numbers.integers(1, N, numbers.integers(1, 9)).tolist() for _ in range(n)]


# ---- greedy


@pytest.mark.parametrize("case", ORACLE["stepwise"], ids=lambda case: str(case["options"]))
def test_greedy_is_that_of_transformers(case):
    vocabulary, options = oracle_setting(case)
    for (found,), tokens, row in zip(
        generate(oracle_model(), PROMPTS, vocabulary, options), case["tokens"], range(len(PROMPTS)), strict=True
    ):
        assert list(found.tokens) == tokens[: len(found.tokens)]
        assert found.finish == ("end" if found.tokens[-1] in vocabulary.end else "length")
        for token, score, stored in zip(found.tokens, found.scores, case["scores"], strict=False):
            processed = np.array(stored[row], np.float32)
            expected = log_softmax(np.where(np.isnan(processed), -np.inf, processed))[token]
            assert score == pytest.approx(expected, abs=1e-6)


def test_log_probs_are_those_of_the_model_and_scores_those_of_the_choice():
    options = GenerationSection(repetition_penalty=5.0, max_new_tokens=6)
    ((found,),) = generate(oracle_model(), PROMPTS[:1], letters(), options)
    prefix = list(PROMPTS[0])
    for token, log_prob, score in zip(found.tokens, found.log_probs, found.scores, strict=True):
        _, logits = oracle_model().start([prefix])
        assert log_prob == pytest.approx(log_softmax(logits)[0, token], abs=1e-5)
        assert abs(log_prob - score) > 1e-3
        prefix.append(token)
    assert found.score == pytest.approx(sum(found.scores))
    assert found.text == "".join(LETTERS[token] for token in found.tokens)


def test_the_prompts_are_left_alone_and_none_is_fine():
    assert generate(random_model(N), [], letters(), SAMPLING) == []
    prompts = [[1, 2], [3]]
    generate(random_model(N), prompts, letters(), SAMPLING)
    assert prompts == [[1, 2], [3]]


# ---- sampling


def test_sampling_follows_the_processed_distribution():
    model, options = random_model(N, seed=4, scale=1.0), SAMPLING.replace({"max_new_tokens": 1})
    many = options.replace({"num_return_sequences": 6000})
    ((*outputs,),) = generate(model, [[3, 5, 3]], letters(), many)
    counts = Counter(one.tokens[0] for one in outputs)
    _, logits = model.start([[3, 5, 3]])
    for token in (3, 5):
        logits[0, token] = min(logits[0, token] * 1.1, logits[0, token] / 1.1)
    scores = logits[0] / 1.2
    probs = np.exp(log_softmax(np.where(scores >= np.sort(scores)[-9], scores, -np.inf)))
    kept = np.flatnonzero(probs)
    assert set(counts) == set(kept)
    found = [counts[token] for token in kept]
    assert chisquare(found, 6000 * probs[kept]).pvalue > 1e-3
    scores_of = {int(token): float(np.log(probs[token])) for token in kept}
    assert {one.tokens[0]: one.scores[0] for one in outputs} == pytest.approx(scores_of, abs=1e-5)
    # The test would notice a slightly different temperature.
    other = np.exp(log_softmax(np.where(probs > 0, scores * 1.2 / 1.5, -np.inf)))
    assert chisquare(found, 6000 * other[kept]).pvalue < 1e-3


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=8), st.floats(0, 1, exclude_max=True))
def test_sampling_inverts_the_cumulative_distribution(scores, uniform):
    row = np.array([-np.inf, *scores, -np.inf], np.float32)
    (token,), (log_prob,) = sample(row[None], [uniform])
    sums = np.cumsum(np.exp(log_softmax(row)))
    assert row[token] > -np.inf
    assert sums[token - 1] - 1e-6 <= uniform <= sums[token] + 1e-6
    assert log_prob == pytest.approx(log_softmax(row)[token], abs=1e-5)


@given(st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=8))
def test_the_ends_of_the_unit_interval_draw_tokens_with_a_probability(scores):
    row = np.array([[-np.inf, -200, *scores, -200, -np.inf]], np.float32)  # exp(-200) is 0 in single precision
    assert sample(row, [0.0])[0] == 2
    assert sample(row, [np.nextafter(1.0, 0.0)])[0] == len(scores) + 1


@pytest.mark.parametrize(
    "options",
    [
        GenerationSection(max_new_tokens=15),
        SAMPLING,
        SAMPLING.replace({"num_return_sequences": 3, "no_repeat_window": 4}),
    ],
    ids=["greedy", "sampling", "several"],
)
def test_a_row_is_the_same_alone_and_in_a_batch(options):
    prompts = some_prompts(12)
    together = generate(random_model(N), prompts, letters(end=[0]), options)
    alone = [generate(random_model(N), [prompt], letters(end=[0]), options)[0] for prompt in prompts]
    assert together == alone
    assert len({len(one.tokens) for one, *_ in together}) > 1  # rows end at different steps
    backwards = generate(random_model(N), prompts[::-1], letters(end=[0]), options)
    assert backwards == together[::-1]


@pytest.mark.parametrize("options", [{}, {"num_return_sequences": 3}], ids=["finished rows", "copies"])
def test_a_model_that_selects_wrong_rows_is_found(options):
    prompts, options = some_prompts(12), SAMPLING.replace(options)
    right = texts(random_model(N), prompts, options)
    wrong = texts(random_model(N, kind=FirstRowsModel), prompts, options)
    assert right != wrong


def test_finished_rows_are_no_longer_computed():
    model = random_model(N)
    outputs = generate(model, some_prompts(12), letters(end=[0]), SAMPLING)
    lengths = [len(one.tokens) for (one,) in outputs]
    assert model.n_rows == [sum(length > step for length in lengths) for step in range(max(lengths))]


def test_seeds_outputs_and_prompts_draw_independently():
    several = SAMPLING.replace({"num_return_sequences": 4})
    first, second = texts(random_model(N), [[1, 2], [1, 2]], several)
    assert first == second
    assert len(set(first)) == 4
    assert texts(random_model(N), [[1, 2]], SAMPLING) == [first[:1]]
    assert texts(random_model(N), [[1, 2]], several.replace({"seed": 1})) != [first]
    flat = constant_model([0.0] * N)
    assert len({text for (text,) in texts(flat, [[n] for n in range(8)], SAMPLING)}) == 8


# ---- where a text ends


def test_end_token_has_no_text_and_waits_for_the_minimum():
    model = constant_model([5.0, 0.0, 1.0])
    ((found,),) = generate(model, [[1]], letters(end=[0]), GenerationSection(max_new_tokens=9))
    assert (found.text, found.tokens, found.finish) == ("", (0,), "end")
    waiting = GenerationSection(min_new_tokens=3, max_new_tokens=9)
    ((found,),) = generate(model, [[1]], letters(end=[0]), waiting)
    assert (found.text, found.tokens, found.finish) == ("ccc", (2, 2, 2, 0), "end")


def cycle(n):
    """Return a model that writes the letters in turn."""
    return SummingModel(9 * np.roll(np.eye(n), 1, axis=1), np.zeros((n, n)))


@pytest.mark.parametrize(
    ("stops", "minimum", "text", "finish"),
    [
        (("d",), 0, "bcd", "stop"),
        (("cd", "x"), 0, "bcd", "stop"),
        (("ab",), 0, "bcdeab", "stop"),  # the a of the prompt is not part of the output
        (("d",), 4, "bcdeabcd", "stop"),
        (("z",), 0, "bcdeabcdea", "length"),
    ],
)
def test_stop_strings_end_the_text_and_are_part_of_it(stops, minimum, text, finish):
    options = GenerationSection(stop_strings=stops, min_new_tokens=minimum, max_new_tokens=10)
    ((found,),) = generate(cycle(5), [[0]], letters(), options)
    assert (found.text, found.finish) == (text, finish)


def test_a_row_whose_tokens_are_all_forbidden_ends_and_the_others_go_on():
    options = GenerationSection(no_repeat_window=3, max_new_tokens=6)
    model = constant_model([3.0, 2.0, 1.0])
    for chosen in (options, options.replace({"do_sample": True})):
        first, second = generate(model, [[0, 1, 2], [0]], letters(), chosen)
        assert (first[0].text, first[0].finish, first[0].score) == ("", "blocked", 0)
        assert sorted(second[0].text) == ["b", "c"]
        assert second[0].finish == "blocked"
    together = generate(model, [[0, 1, 2], [0]], letters(forbidden=[5]), options.replace({"no_repeat_window": 2}))
    assert [one.finish for (one,) in together] == ["length"] * 2


@pytest.mark.parametrize("logits", [[np.nan] * 3, [0.0, np.nan, 1.0], [0.0, np.inf, 1.0], [-np.inf] * 3])
@pytest.mark.parametrize("options", [GenerationSection(), SAMPLING, GenerationSection(num_beams=2)])
def test_logits_that_are_not_finite_are_refused(logits, options):
    with pytest.raises(ValueError, match="not finite"):
        generate(constant_model(logits), [[0]], letters(), options)


# ---- streams


@pytest.mark.parametrize("options", [GenerationSection(max_new_tokens=15), SAMPLING], ids=["greedy", "sampling"])
def test_a_stream_is_what_generate_returns_one_character_at_a_time(options):
    for prompt in some_prompts(6):
        stream = TextStream(random_model(N), prompt, letters(end=[0]), options)
        pieces = list(stream)
        ((expected,),) = generate(random_model(N), [prompt], letters(end=[0]), options)
        assert all(len(piece) == 1 for piece in pieces)
        assert "".join(pieces) == expected.text
        assert stream.result == expected


def test_a_stream_passes_over_tokens_without_text():
    vocabulary = OutputVocabulary(["", "ab", "", "cde"], spell)
    options = GenerationSection(max_new_tokens=7)
    stream = TextStream(cycle(4), [0], vocabulary, options)
    assert list(stream) == ["ab", "cde", "ab", "cde"]
    assert stream.result == generate(cycle(4), [[0]], vocabulary, options)[0][0]


def test_a_stream_ends_with_a_blocked_row():
    stream = TextStream(constant_model([2.0, 1.0]), [0], letters(), GenerationSection(no_repeat_window=2))
    assert list(stream) == ["b"]
    assert stream.result.finish == "blocked"


def test_a_character_is_given_before_the_next_is_computed():
    model = cycle(5)
    stream = TextStream(model, spell("a"), letters(), GenerationSection(max_new_tokens=4))
    assert model.n_rows == []
    for n_computed in range(1, 5):
        next(stream)
        assert len(model.n_rows) == n_computed


class InterruptedModel(SummingModel):
    """Ctrl-C arrives while the third token is computed."""

    def advance(self, state, tokens):
        if len(self.n_rows) == 2:
            raise KeyboardInterrupt
        return super().advance(state, tokens)


def test_an_interrupted_stream_holds_what_was_written():
    model = InterruptedModel(cycle(5).after, cycle(5).earlier)
    stream, written = TextStream(model, [0], letters(), GenerationSection(max_new_tokens=9)), []
    with pytest.raises(KeyboardInterrupt):
        written.extend(stream)  # extend keeps what came before
    ((expected,),) = generate(cycle(5), [[0]], letters(), GenerationSection(max_new_tokens=2))
    assert (stream.result.text, stream.result.finish) == ("bc", "interrupted")
    assert stream.result.log_probs == expected.log_probs
    assert written == ["b", "c"]
    assert list(stream) == []
    assert stream.result.text == "bc"


@pytest.mark.parametrize("options", [{"num_beams": 2}, {"do_sample": True, "num_return_sequences": 2}])
def test_a_stream_is_of_one_output(options):
    name = list(options)[-1]
    with pytest.raises(ConfigError, match=f"{name}: expected 1 for a stream, found 2"):
        TextStream(cycle(3), [0], letters(), GenerationSection(**options))
