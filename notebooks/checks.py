"""What the exercises of the notebooks expect: each check says what is wrong with an answer, but not the right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Check = Callable[[Any], str]
CHECKS: dict[str, Check] = {}
"""The checks by the name of the exercise; each returns a hint, which is empty if the answer is right."""


class UnansweredError(Exception):
    """The answer is still the ``...`` of the exercise, or a function that returns it."""


def judge(exercise: str, answer: Any) -> str:
    """Return a sentence about an answer.

    Raises:
        KeyError: there is no such exercise.
    """
    if exercise not in CHECKS:
        raise KeyError(f"{exercise}: 没有这道练习；有 {'、'.join(CHECKS)}")
    try:
        hint = "" if answer is not ... else None
        hint = CHECKS[exercise](answer) if hint is not None else None
    except UnansweredError:
        hint = None
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        hint = f"检查你的答案时出错了（{type(error).__name__}: {error}）。看看类型和形状。"
    return _sentence(exercise, hint)


def _sentence(exercise: str, hint: str | None) -> str:
    if hint is None:
        return f"练习 {exercise}：还没有作答。把 ... 换成你的答案，再运行这一格。"
    return f"练习 {exercise}：不对。{hint}" if hint else f"练习 {exercise}：正确！"


def exercise(name: str) -> Callable[[Check], Check]:
    """Register a check."""

    def register(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return register


def call(function: Any, *arguments: Any) -> Any:
    """Call an answer that is a function.

    Raises:
        UnansweredError: it returns ``...``.
    """
    result = function(*arguments)
    if result is ...:
        raise UnansweredError
    return result


def close(found: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Return whether two arrays have one shape and nearly the same values."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return found.shape == expected.shape and bool(np.allclose(found, expected, atol=tolerance))


@exercise("05-1")
def _mean_of_real_tokens(answer: Any) -> str:
    import paddle

    states = np.random.default_rng(5).normal(size=(2, 4, 3)).astype("float32")
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], "int64")
    found = call(answer, paddle.to_tensor(states), paddle.to_tensor(mask))
    sums = (states * mask[..., None]).sum(axis=1)
    found = np.asarray(found)
    if found.shape != sums.shape:
        return f"结果的形状应该是 [批次, 宽度]，你的是 {list(found.shape)}。求平均的是哪一维？"
    if close(found, states.mean(axis=1)):
        return "补齐的位置也算进了平均。用 mask 把它们变成 0。"
    if close(found, sums):
        return "这是和，还没有除以每句话真实词元的个数。"
    if close(found, sums / mask.shape[1]):
        return "除以的是补齐后的长度；每句话的真实长度并不相同。"
    return "" if close(found, sums / mask.sum(axis=1, keepdims=True)) else "数值不对：先乘 mask，再在长度那一维求和。"


@exercise("06-1")
def _f1_of_spans(answer: Any) -> str:
    gold = {(0, 2, "aspect"), (2, 4, "opinion"), (5, 7, "aspect"), (8, 9, "opinion")}
    predicted = {(0, 2, "aspect"), (2, 5, "opinion")}
    found = float(call(answer, gold, predicted))
    if close(found, 1 / 2):
        return "这是精确率。F1 还要看召回率。"
    if close(found, 1 / 4):
        return "这是召回率。F1 还要看精确率。"
    if close(found, 3 / 8):
        return "这是算术平均；F1 是调和平均。"
    if found > 1 / 2:
        return "偏大了：只有起点、终点、类别都相同的片段才算对。"
    if not close(found, 1 / 3):
        return "数值不对：先数出两个集合的交集。"
    return "" if float(call(answer, gold, set())) == 0 else "一个都没对时应该返回 0。"


@exercise("04-1")
def _parameters_of_a_layer(answer: Any) -> str:
    width, inner = 8, 20
    matrices, norms = 4 * width**2 + 2 * width * inner, 4 * width
    biases = 4 * width + inner + width
    missing = matrices + biases + norms - int(call(answer, width, inner))
    known = {
        biases: "没有数偏置：每个线性层有“输出”那么多个。",
        norms: "没有数层归一化：它也有可学的参数。",
        norms // 2: "只数了一个层归一化，或者只数了它的一半参数。",
        biases + norms: "没有数偏置和层归一化。",
        3 * (width**2 + width): "注意力只数了一个线性层。",
        width**2 + width: "注意力有四个线性层，别忘了输出的那一个。",
    }
    return known.get(missing, "和实际不符：分别数注意力、前馈网络、层归一化。") if missing else ""
