"""The checks of the exercises: right answers pass, wrong ones get a hint, and no hint gives the answer away."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .helpers import FOLDER, build

sys.path.insert(0, str(FOLDER))

import checks

WRONG: dict[str, dict[str, Any]] = {
    "04-1": {
        "没有数偏置：": lambda width, inner: 4 * width**2 + 2 * width * inner + 4 * width,
        "没有数层归一化：": lambda width, inner: 4 * width**2 + 2 * width * inner + 5 * width + inner,
        "只数了一个层归一化": lambda width, inner: 4 * width**2 + 2 * width * inner + 7 * width + inner,
        "没有数偏置和": lambda width, inner: 4 * width**2 + 2 * width * inner,
        "只数了一个线性层": lambda width, inner: width**2 + 2 * width * inner + 6 * width + inner,
        "输出的那一个": lambda width, inner: 3 * width**2 + 2 * width * inner + 8 * width + inner,
        "分别数": lambda width, inner: 0,
    },
    "05-1": {
        "补齐的位置": lambda states, mask: states.mean(axis=1),
        "还没有除以": lambda states, mask: (states * mask.unsqueeze(-1).astype("float32")).sum(axis=1),
        "补齐后的长度": lambda states, mask: (states * mask.unsqueeze(-1).astype("float32")).mean(axis=1),
        "形状应该是": lambda states, mask: states.mean(axis=2),
        "数值不对": lambda states, mask: states.max(axis=1),
        "出错了": lambda states, mask: states * mask,
    },
    "06-1": {
        "精确率": lambda gold, predicted: len(gold & predicted) / len(predicted),
        "召回率": lambda gold, predicted: len(gold & predicted) / len(gold),
        "算术平均": lambda gold, predicted: 3 / 8,
        "偏大": lambda gold, predicted: 2 / 3,
        "先数出": lambda gold, predicted: 0.1,
        "出错了": lambda gold, predicted: sorted(gold) - predicted,
        "返回 0": lambda gold, predicted: 1 / 3,
    },
}
"""Wrong answers by exercise, each by a part of its hint."""

CASES = [(name, hint, answer) for name, answers in WRONG.items() for hint, answer in answers.items()]


@pytest.mark.parametrize(("name", "hint", "answer"), CASES, ids=[f"{name} {hint}" for name, hint, _ in CASES])
def test_a_wrong_answer_gets_its_hint(name: str, hint: str, answer: Any):
    found = checks.judge(name, answer)
    assert hint in found
    assert "不对" in found
    assert "正确" not in found


def test_every_exercise_has_wrong_answers():
    assert sorted(WRONG) == sorted(checks.CHECKS)
    assert all(len(answers) > 1 for answers in WRONG.values())


@pytest.mark.parametrize("name", checks.CHECKS)
def test_an_exercise_that_is_not_answered_says_so(name: str):
    function: Callable[..., Any] = lambda *arguments: ...  # noqa: E731
    assert "还没有作答" in checks.judge(name, ...)
    assert "正确" not in checks.judge(name, function)


def test_an_unknown_exercise_is_named():
    with pytest.raises(KeyError, match=r"99-1.*05-1"):
        checks.judge("99-1", 0)


def test_the_exercises_are_those_of_the_notebooks():
    asked = [name for source in build.sources() for name in build.exercises(source)]
    assert sorted(asked) == sorted(checks.CHECKS)


def test_arrays_of_other_shapes_are_not_close():
    assert checks.close([1.0, 2.0], np.array([1.0, 2.00001]))
    assert not checks.close([1.0, 2.0], [[1.0, 2.0]])
    assert not checks.close([1.0, 2.0], [1.0, 2.1])
