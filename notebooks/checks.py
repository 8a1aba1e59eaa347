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


@exercise("10-1")
def _most_probable_k(answer: Any) -> str:
    probs = np.array([0.1, 0.4, 0.05, 0.25, 0.2])
    found = np.asarray(call(answer, probs.copy(), 2), np.float64)
    if found.shape != probs.shape:
        return f"位置不能变：应该还是 {len(probs)} 个数，你的形状是 {list(found.shape)}。"
    n_kept = int((found > 0).sum())
    if n_kept != 2:
        return f"k = 2 时应该留下两个，你的结果里有 {n_kept} 个大于 0。"
    if (found > 0)[[0, 2, 4]].any():
        return "留下的不是最大的两个，或者位置变了。"
    if not close(found.sum(), 1):
        return "留下的概率加起来不是 1，还要归一化。"
    return "" if close(found, np.where(probs >= 0.25, probs, 0) / 0.65) else "两个概率之间的比例应该不变。"


@exercise("09-1")
def _shifted_by_one(answer: Any) -> str:
    target, start, end = [7, 8, 9], 1, 2
    pair = call(answer, list(target), start, end)
    inputs, labels = ([int(number) for number in part] for part in pair)
    if len(inputs) != len(labels):
        return f"两者应该一样长：输入有 {len(inputs)} 个，要预测的有 {len(labels)} 个。"
    if inputs == labels:
        return "没有错开：这样模型只要照抄输入就行了。"
    if start in labels:
        return "start 不需要预测，只用来开头。"
    if end not in labels:
        return "没有预测 end：模型就不知道什么时候停。"
    if end in inputs:
        return "end 不用读入：写完它就停了。"
    return "" if (inputs, labels) == ([start, *target], [*target, end]) else "编号的顺序或内容变了。"


@exercise("00-1")
def _rows_in_train(answer: Any) -> str:
    train, test = ["好", "差 ", "好", "还行"], ["差", "好", "好", "新", " 还行"]
    hints = {
        3: "测试集里重复的行要各数一次。",
        2: "比较之前没有去掉首尾空白。",
        1: "没有去掉空白，重复的行也只数了一次。",
        5: "数的是训练集里的行，或者数了全部；要数测试集的行。",
    }
    found = int(call(answer, train, test))
    right = sum(text.strip() in {known.strip() for known in train} for text in test)
    return "" if found == right else hints.get(found, "逐行看测试集：这句话在训练集里吗？")


@exercise("01-1")
def _inverse_document_frequency(answer: Any) -> str:
    documents = [["好", "好"], ["差"], ["好", "吃"], ["还行"]]
    n, df = len(documents), 2
    found = float(call(answer, documents, "好"))
    hints = {
        np.log((1 + n) / (1 + 3)) + 1: "一篇文档里出现几次都只算一次。",
        np.log(n / df) + 1: "公式里分子、分母都要加 1。",
        np.log(n / df): "公式里分子、分母都要加 1，最后再加 1。",
        np.log((1 + n) / (1 + df)): "最后还要加 1。",
        np.log10((1 + n) / (1 + df)) + 1: "用自然对数 ln，不是以 10 为底。",
        np.log2((1 + n) / (1 + df)) + 1: "用自然对数 ln，不是以 2 为底。",
    }
    hint = next((text for value, text in hints.items() if close(found, value)), "对照公式，分别算出 n 和 df。")
    return "" if close(found, np.log((1 + n) / (1 + df)) + 1) else hint


@exercise("03-1")
def _all_rows_in_batches(answer: Any) -> str:
    rows = list(range(7))
    found = [list(batch) for batch in call(answer, rows, 3)]
    flat = [row for batch in found for row in batch]
    if len(flat) < len(rows):
        return f"{len(rows)} 行只出来了 {len(flat)} 行：最后不满的一批丢了。"
    if any(len(batch) > 3 for batch in found):
        return "有的批次超过了 size 行。"
    if flat != rows:
        return "行重复了，或者顺序变了。"
    if [] in found or len(found) != 3:
        return f"批次数不对：{len(rows)} 行、每批 3 行，你分成了 {len(found)} 批。"
    return "" if [len(batch) for batch in call(answer, rows[:6], 3)] == [3, 3] else "恰好整除时多出或少了一批。"


@exercise("02-1")
def _noise_distribution(answer: Any) -> str:
    counts = np.array([16.0, 81.0, 1.0])
    found = np.asarray(call(answer, counts.copy(), 0.75), np.float64)
    weights = counts**0.75
    if found.shape != counts.shape:
        return f"应该和 counts 一样长，你的形状是 {list(found.shape)}。"
    if close(found, weights):
        return "还没有归一化：概率加起来应该是 1。"
    if close(found, counts / counts.sum()):
        return "这是按词频抽，没有用 power。"
    if close(found, (counts / counts.sum()) ** 0.75):
        return "先归一化再取幂，加起来就不是 1 了。"
    if not close(found, weights / weights.sum()):
        return "数值不对：每个词频取 power 次幂。"
    return "" if close(call(answer, counts.copy(), 0.0), np.full(3, 1 / 3)) else "power 应该用参数，而不是写死 0.75。"


@exercise("08-1")
def _tokens_that_change(answer: Any) -> str:
    n_tokens = 200
    selected = 0.15 * n_tokens
    found = float(call(answer, n_tokens))
    hints = {
        selected: "这是选中的个数；选中的里面有一部分保持不变。",
        0.8 * selected: "这是变成 [MASK] 的；还有一部分变成随机的字。",
        0.9 * n_tokens: "先要选中，才会变。",
        0.1 * selected: "这是变成随机的字（或保持不变）的个数。",
    }
    hint = next((text for value, text in hints.items() if close(found, value)), "先算选中多少，再算其中变样的比例。")
    return "" if close(found, 0.9 * selected) else hint


@exercise("07-1")
def _consecutive_classes(answer: Any) -> str:
    labels = [109, 100, 116, 100, 104, 109]
    found = call(answer, list(labels))
    if set(found) != set(labels):
        return "表里的编号应该正好是出现过的那些。"
    if len(set(found.values())) < len(found):
        return "两个不同的编号得到了同一个类别。"
    if sorted(found.values()) != list(range(len(found))):
        return f"类别应该从 0 开始连续；你的是 {sorted(found.values())}。"
    return "" if [found[label] for label in sorted(found)] == list(range(len(found))) else "要按编号从小到大。"


@exercise("11-1")
def _mean_and_deviation(answer: Any) -> str:
    scores = [0.80, 0.84, 0.91]
    mean, deviation = (float(number) for number in call(answer, list(scores)))
    if not close(mean, np.mean(scores), 1e-6):
        return "均值不对。"
    if close(deviation, np.std(scores), 1e-6):
        return "这是总体标准差（除以 n）；只有几个种子时要除以 n − 1。"
    if close(deviation, np.var(scores, ddof=1), 1e-6):
        return "这是方差，还要开平方。"
    return "" if close(deviation, np.std(scores, ddof=1), 1e-6) else "标准差不对：平方和除以 n − 1，再开平方。"


@exercise("12-1")
def _parameters_of_an_rnn(answer: Any) -> str:
    inputs, hidden = 5, 3
    first, later = (inputs + hidden) * hidden, 2 * hidden * hidden
    found = [int(call(answer, inputs, hidden, layers)) for layers in (1, 3)]
    if found[0] == first + hidden:
        return "只数了一个偏置向量；Paddle 的有两个。"
    if found[0] == first:
        return "没有数偏置。"
    if found[0] != first + 2 * hidden:
        return "一层的个数就不对：权重是 (输入 + H) × H。"
    if found[1] == 3 * found[0]:
        return "第二层起，输入的宽度不再是 inputs。"
    return "" if found[1] == first + 2 * later + 6 * hidden else "多层的个数不对：逐层相加。"
