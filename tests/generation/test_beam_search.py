"""Beam search against transformers and against the scores of all sequences."""

from __future__ import annotations

import json
import subprocess
from itertools import product

import numpy as np
import pytest

from paddle_tasks.generation.beam_search import rank_candidates
from paddle_tasks.generation.decoding import generate
from paddle_tasks.generation.section import GenerationSection

from .language_models import (
    GOLDEN,
    ORACLE,
    PROMPTS,
    FirstRowsModel,
    SummingModel,
    UnorderedModel,
    constant_model,
    letters,
    log_softmax,
    oracle_model,
    oracle_setting,
    random_model,
)

CASES = ORACLE["beams"]
END = 0


def is_as_stored(case, model: SummingModel) -> bool:
    vocabulary, options = oracle_setting(case)
    outputs = [one for of_prompt in generate(model, PROMPTS, vocabulary, options) for one in of_prompt]
    tokens = [
        list(one.tokens) == stored[: len(one.tokens)] for one, stored in zip(outputs, case["tokens"], strict=True)
    ]
    return all(tokens) and [one.score for one in outputs] == pytest.approx(case["sequence_scores"], rel=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["options"]))
def test_outputs_are_those_of_transformers(case):
    assert is_as_stored(case, oracle_model())


@pytest.mark.parametrize("kind", [UnorderedModel, FirstRowsModel])
def test_a_model_that_selects_wrong_rows_is_found(kind):
    assert not all(is_as_stored(case, oracle_model(kind)) for case in CASES)


def choices(content):
    """Return the options of all cases, and the tokens of those that are not random."""
    cases = [case for kind in ("stepwise", "sampling", "beams") for case in content[kind]]
    return [(case["options"], None if case["options"].get("do_sample") else case["tokens"]) for case in cases]


@pytest.mark.torch
def test_live(tmp_path, torch_python):
    script, path = GOLDEN / "make_generation.py", tmp_path / "generation.json"
    subprocess.run([torch_python, script, path], check=True, capture_output=True)
    live, stored = (json.loads(file.read_text(encoding="utf-8")) for file in (path, GOLDEN / path.name))
    assert all(is_as_stored(case, oracle_model()) for case in live["beams"])
    assert choices(live) == choices(stored)
    for one, other in zip(live["stepwise"] + live["sampling"], stored["stepwise"] + stored["sampling"], strict=True):
        scores = (np.array(case["scores"], np.float64) for case in (one, other))
        np.testing.assert_allclose(*scores, atol=1e-5)  # NaN, which is -inf, equals NaN


# ---- all sequences


def sequences(n_tokens: int, max_new_tokens: int):
    """Yield every output: an end token is the last one."""
    others = [token for token in range(n_tokens) if token != END]
    for n_before in range(max_new_tokens):
        yield from ((*tokens, END) for tokens in product(others, repeat=n_before))
    yield from product(others, repeat=max_new_tokens)


def log_prob(model: SummingModel, prompt: list[int], tokens: tuple[int, ...]) -> float:
    total = 0.0
    for n_before, token in enumerate(tokens):
        _, logits = model.start([[*prompt, *tokens[:n_before]]])
        total += log_softmax(logits)[0, token]
    return total


def best_of_all(model: SummingModel, prompt: list[int], power: float, length: int):
    """Return all outputs with their scores, the best first."""
    scored = [
        (log_prob(model, prompt, tokens) / len(tokens) ** power, tokens)
        for tokens in sequences(len(model.after), length)
    ]
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0, 2.0, -0.5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_wide_beam_finds_the_best_of_all_sequences(seed, power):
    model, prompts, length = random_model(4, seed), [[1, 2], [3]], 4
    width = 2 * 3**length  # no candidate is dropped
    options = GenerationSection(
        num_beams=width, num_return_sequences=width, length_penalty=power, early_stopping="never", max_new_tokens=length
    )
    for prompt, found in zip(prompts, generate(model, prompts, letters(end=[END]), options), strict=True):
        expected = best_of_all(model, prompt, power, length)
        assert [one.tokens for one in found] == [tokens for _, tokens in expected]
        assert [one.score for one in found] == pytest.approx([score for score, _ in expected], abs=1e-5)


def test_a_narrow_beam_may_miss_the_best():
    misses = 0
    for seed in range(10):
        model = random_model(4, seed, scale=0.5)
        options = GenerationSection(num_beams=2, length_penalty=0.0, early_stopping="never", max_new_tokens=4)
        ((found,),) = generate(model, [[1, 2]], letters(end=[END]), options)
        best, tokens = best_of_all(model, [1, 2], 0.0, 4)[0]
        assert found.score <= best + 1e-5
        misses += found.tokens != tokens
    assert 0 < misses < 10


# ---- rows, and what is returned


def test_a_prompt_is_continued_the_same_alone_and_in_a_batch():
    numbers = np.random.default_rng(0)
    prompts = [numbers.integers(1, 24, numbers.integers(1, 9)).tolist() for _ in range(8)]
    options = GenerationSection(num_beams=3, num_return_sequences=3, max_new_tokens=12, no_repeat_ngram_size=2)
    together = generate(random_model(24), prompts, letters(end=[0, 5]), options)
    alone = [generate(random_model(24), [prompt], letters(end=[0, 5]), options)[0] for prompt in prompts]
    assert together == alone
    assert len({len(one.tokens) for outputs in together for one in outputs}) > 2


def test_scores_add_up_and_log_probs_are_those_of_the_model():
    model = random_model(24)
    options = GenerationSection(num_beams=4, repetition_penalty=1.5, length_penalty=0.6, max_new_tokens=8)
    ((found,),) = generate(model, [[3, 4]], letters(end=[0]), options)
    assert found.score == pytest.approx(sum(found.scores) / len(found.tokens) ** 0.6)
    assert sum(found.log_probs) == pytest.approx(log_prob(model, [3, 4], found.tokens), abs=1e-4)


def test_stop_strings_and_the_minimum_end_hypotheses():
    options = GenerationSection(num_beams=3, num_return_sequences=3, stop_strings=("bc", "d"), max_new_tokens=6)
    (found,) = generate(random_model(6), [[1]], letters(end=[0]), options)
    assert {one.finish for one in found} <= {"stop", "end", "length"}
    assert "stop" in {one.finish for one in found}
    for one in found:
        assert (one.finish == "stop") == one.text.endswith(("bc", "d"))
        assert not any(stop in one.text[:-1] for stop in ("bc", "d"))
    longer = options.replace({"min_new_tokens": 4})
    assert all(len(one.tokens) >= 4 for one in generate(random_model(6), [[1]], letters(end=[0]), longer)[0])


def test_there_are_no_more_outputs_than_sequences():
    options = GenerationSection(num_beams=9, num_return_sequences=9, max_new_tokens=2)
    (found,) = generate(constant_model([0.0, 1.0]), [[1]], letters(end=[0]), options)
    assert {one.tokens for one in found} == {(0,), (1, 0), (1, 1)}
    assert all(one.score > -10 for one in found)


def test_a_search_without_an_allowed_token_ends():
    options = GenerationSection(num_beams=2, num_return_sequences=2, no_repeat_ngram_size=1, max_new_tokens=9)
    outputs = generate(constant_model([1.0, 0.5, 0.2]), [[0, 1, 2], [0]], letters(), options)
    assert [(one.text, one.finish) for one in outputs[0]] == [("", "blocked")]
    assert [(one.text, one.finish) for one in outputs[1]] == [("bc", "blocked"), ("cb", "blocked")]


@pytest.mark.parametrize("n", [1, 3, 50, 400])
def test_candidates_are_the_best_pairs_and_ties_keep_their_order(n):
    numbers = np.random.default_rng(n)
    scores = numbers.integers(-5, 5, (4, 60)).astype(np.float32)
    scores[numbers.random(scores.shape) < 0.2] = -np.inf
    totals = [0.0, -1.0, -1.0, -2.5]
    pairs = [(totals[beam] + scores[beam, token], beam, token) for beam in range(4) for token in range(60)]
    expected = sorted((-total, beam, token) for total, beam, token in pairs if total > -np.inf)[:n]
    found = [(-one.total, one.beam, one.token) for one in rank_candidates(scores, totals, n)]
    assert found == expected
