"""Continuations of held-out and of train passages, as the scores of test measure them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paddle_tasks.data.corpus.novels import Chapter
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.tasks.novel.continuing import Continuer
from paddle_tasks.tasks.novel.generated import PROMPT_LENGTH, GenerationCheck, choose_passages

from .test_baseline import fit
from .test_task import build, read

OPTIONS = GenerationSection(max_new_tokens=30)
COPIES = {"longest_copy", "long_copies", "copied_20"}


def without_speed(scores):
    return {name: {key: value for key, value in part.items() if "second" not in key} for name, part in scores.items()}


def test_prompts_are_spread_over_chapters():
    chapters = [Chapter("".join(map(chr, range(start, start + 50))), "") for start in (0x4E00, 0x5E00)]
    prompts = choose_passages([Chapter("短", ""), *chapters], 4, 10)
    assert [len(prompt) for prompt in prompts] == [10] * 4
    assert [prompts[0], prompts[-1]] == [chapters[0].text[:10], chapters[1].text[-10:]]
    assert [prompt in chapters[0].text for prompt in prompts] == [True, True, False, False]
    assert choose_passages([Chapter("短", "")], 4, 10) == []
    assert len(choose_passages(chapters[:1], 100, 49)) == 2


def test_what_a_model_of_train_alone_writes_is_copied():
    task = read()
    (chapter, *_others) = task.splits["train"].examples
    text = "".join(sorted(set(chapter.text)))  # each character has one successor, so that the model can only copy
    chapters = [Chapter(text * 3, "")]
    data = task.config.data
    ngrams = fit_on(task, chapters)
    scores = GenerationCheck(chapters, 3, OPTIONS).score(Continuer(ngrams.model, ngrams.vocabulary, data), chapters)
    assert scores["train"]["longest_copy"] == 30
    assert scores["train"]["copied_20"] == scores["held_out"]["long_copies"] == 1
    other = GenerationCheck([Chapter("甲" * 60, "")], 3, OPTIONS)
    assert other.score(Continuer(ngrams.model, ngrams.vocabulary, data), chapters)["held_out"]["longest_copy"] < 2


def test_the_texts_of_the_authors_are_measured_alike():
    task = read()
    text = "".join(map(chr, range(0x4E00, 0x4E00 + PROMPT_LENGTH + 30)))
    held_out, train = [Chapter(text, "")], [Chapter(text[:-5], "")]
    ngrams = fit_on(task, train)
    check = GenerationCheck(train, 5, OPTIONS)
    found = check.score(Continuer(ngrams.model, ngrams.vocabulary, task.config.data), held_out)["original"]
    assert found["distinct_1"] == 1  # only one passage has the length of prompt and continuation
    assert found["longest_copy"] == 25
    assert "characters_per_second" not in found


def fit_on(task, chapters):
    task.splits["train"] = replace(task.splits["train"], examples=chapters)
    return fit(task, 2)


@pytest.fixture(scope="module")
def task():
    task = read(**{"evaluation.n_continuations": 2, "generation.max_new_tokens": 25})
    task.splits["test"] = replace(task.splits["dev"], name="test")
    return task


def test_only_test_is_continued_and_always_alike(task):
    model = build(task)
    assert "generated" not in task.evaluate(model, task.splits["dev"], lambda: None).metrics
    first, second = (task.evaluate(model, task.splits["test"], lambda: None).metrics["generated"] for _run in range(2))
    assert set(first) == {"held_out", "train", "original"}
    assert set(first["train"]) >= COPIES | {"distinct_1", "distinct_2", "distinct_3", "repetition_4"}
    assert first["held_out"]["characters_per_second"] > 0
    assert without_speed(first) == without_speed(second)


def test_without_train_there_are_no_copies_to_find(task):
    kept = task.splits.pop("train")
    try:
        found = task.evaluate(build(task), task.splits["test"], lambda: None).metrics["generated"]
    finally:
        task.splits["train"] = kept
    assert set(found) == {"held_out", "original"}
    assert not COPIES & set(found["held_out"])


def test_it_can_be_switched_off():
    off = read(**{"evaluation.n_continuations": 0})
    test = replace(off.splits["dev"], name="test")
    assert "generated" not in off.evaluate(build(off), test, lambda: None).metrics


def test_prompts_are_short_enough_for_small_chapters():
    assert PROMPT_LENGTH < 60
