"""The checks of the exercises: right answers pass, wrong ones get a hint, and no hint gives the answer away."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from .helpers import FOLDER, build

sys.path.insert(0, str(FOLDER))

import checks


def idf(n: int, df: int, log: Callable[[float], float] = np.log) -> float:
    return log((1 + n) / (1 + df)) + 1


def cut(rows: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def keep(probs: np.ndarray[Any, Any], k: int) -> np.ndarray[Any, Any]:
    return np.where(probs >= np.sort(probs)[-k], probs, 0)


WRONG: dict[str, dict[str, Any]] = {
    "00-1": {
        "各数一次": lambda train, test: 3,
        "没有去掉首尾空白": lambda train, test: sum(text in train for text in test),
        "也只数了一次": lambda train, test: len({*train} & {*test}),
        "数的是训练集": lambda train, test: len(test),
        "逐行看": lambda train, test: 0,
    },
    "01-1": {
        "只算一次": lambda documents, word: idf(4, sum(document.count(word) for document in documents)),
        "都要加 1。": lambda documents, word: np.log(4 / 2) + 1,
        "最后再加 1": lambda documents, word: np.log(4 / 2),
        "最后还要": lambda documents, word: idf(4, 2) - 1,
        "以 10 为底": lambda documents, word: idf(4, 2, np.log10),
        "以 2 为底": lambda documents, word: idf(4, 2, np.log2),
        "分别算出": lambda documents, word: 0,
    },
    "02-1": {
        "还没有归一化": lambda counts, power: counts**power,
        "没有用 power": lambda counts, power: counts / counts.sum(),
        "先归一化再取幂": lambda counts, power: (counts / counts.sum()) ** power,
        "一样长": lambda counts, power: counts[:2] ** power,
        "每个词频取": lambda counts, power: np.full(3, 1 / 3),
        "写死": lambda counts, power: counts**0.75 / (counts**0.75).sum(),
    },
    "03-1": {
        "丢了": lambda rows, size: cut(rows, size)[: len(rows) // size],
        "超过了": lambda rows, size: [rows],
        "顺序变了": lambda rows, size: cut(rows[::-1], size),
        "批次数不对": lambda rows, size: [[row] for row in rows],
        "恰好整除": lambda rows, size: [*cut(rows, size), *([[]] if len(rows) % size == 0 else [])],
    },
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
        "出错了": lambda states, mask: int("?"),
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
    "07-1": {
        "正好是出现过的": lambda labels: {label: label - 100 for label in range(100, 117)},
        "同一个类别": lambda labels: dict.fromkeys(labels, 0),
        "从 0 开始连续": lambda labels: {label: label - 100 for label in labels},
        "从小到大": lambda labels: {label: number for number, label in enumerate(dict.fromkeys(labels))},
    },
    "08-1": {
        "这是选中的": lambda n_tokens: 0.15 * n_tokens,
        "变成 [MASK]": lambda n_tokens: 0.15 * 0.8 * n_tokens,
        "先要选中": lambda n_tokens: 0.9 * n_tokens,
        "或保持不变": lambda n_tokens: 0.015 * n_tokens,
        "先算选中多少": lambda n_tokens: 0,
    },
    "09-1": {
        "一样长": lambda target, start, end: ([start, *target], target),
        "没有错开": lambda target, start, end: (target, target),
        "不需要预测": lambda target, start, end: ([*target, end], [start, *target]),
        "没有预测 end": lambda target, start, end: ([start, *target[:-1]], target),
        "不用读入": lambda target, start, end: ([start, *target, end], [*target, end, end]),
        "顺序": lambda target, start, end: ([start, *target], [*target[::-1], end]),
    },
    "10-1": {
        "位置不能变": lambda probs, k: np.sort(probs)[-k:],
        "应该留下两个": lambda probs, k: probs,
        "不是最大的": lambda probs, k: np.where(probs < 0.15, probs, 0),
        "还要归一化": keep,
        "比例": lambda probs, k: (keep(probs, k) > 0) / k,
    },
    "11-1": {
        "均值不对": lambda scores: (max(scores), 0.0),
        "总体标准差": lambda scores: (np.mean(scores), np.std(scores)),
        "这是方差": lambda scores: (np.mean(scores), np.var(scores, ddof=1)),
        "标准差不对": lambda scores: (np.mean(scores), 0.5),
        "出错了": np.mean,
    },
    "12-1": {
        "只数了一个偏置": lambda inputs, hidden, layers: layers * ((inputs + hidden) * hidden + hidden),
        "没有数偏置": lambda inputs, hidden, layers: layers * (inputs + hidden) * hidden,
        "一层的个数": lambda inputs, hidden, layers: layers * inputs * hidden,
        "第二层起": lambda inputs, hidden, layers: layers * ((inputs + hidden) * hidden + 2 * hidden),
        "逐层相加": lambda inputs, hidden, layers: (inputs + hidden) * hidden + 2 * hidden + layers - 1,
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
