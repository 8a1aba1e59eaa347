"""Precision-recall and ROC curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import (
    INK,
    PALE,
    display_labels,
    line_style,
    new_figure,
    printable_title,
    style,
    text_width,
)
from paddle_tasks.figures.fonts import caption

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[Array, Array, float]
"""x (ascending) and y of the points, and the area under the curve; see `_CurveKind` for the values between points."""

MAX_CURVES = 10
_GRID = np.linspace(0, 1, 501)
_SIZE = 4.8  # of the axes with their labels, in inches


@dataclass(frozen=True)
class _CurveKind:
    """One kind of curve.

    Attributes:
        area_name: the name of the area under the curve.
        compute: returns the curve of decisions and their scores.
        x_axis: the label of the horizontal axis.
        y_axis: the label of the vertical axis.
        steps: Matplotlib's ``drawstyle``: "default" is linear between two points; otherwise the curve has steps.
    """

    area_name: str
    compute: Callable[[Array, Array], Curve]
    x_axis: str
    y_axis: str
    steps: str = "default"


def pr_curves(gold: Array, probabilities: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw the precision-recall curve of each class against the others, with its average precision in the legend.

    With more than 10 classes, only those with the most rows get a curve. The micro average (the decisions on all
    classes pooled) and the macro mean (over all classes that have rows) always cover all classes.

    Args:
        gold: ``<int64>[rows]``, indices into ``labels``.
        probabilities: ``<float>[rows, labels]``.
        labels: the names, in the order of the probabilities.
        title: the title of the figure.
    """
    kind = _CurveKind("AP", _pr, caption("recall"), caption("precision"), steps="steps-pre")
    return _draw_curves(np.asarray(gold), np.asarray(probabilities), labels, kind, title)[0]


def roc_curves(gold: Array, probabilities: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw the ROC curve of each class against the others, with the area under the curve in the legend.

    The arguments and the choice of classes are the same as in `pr_curves`.
    """
    kind = _CurveKind("AUC", _roc, caption("false positive rate"), caption("true positive rate"))
    figure, axes = _draw_curves(np.asarray(gold), np.asarray(probabilities), labels, kind, title)
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, zorder=1)
    return figure


def _pr(is_positive: Array, scores: Array) -> Curve:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(is_positive, scores)
    return recall[::-1], precision[::-1], float(average_precision_score(is_positive, scores))


def _roc(is_positive: Array, scores: Array) -> Curve:
    from sklearn.metrics import auc, roc_curve

    false_rate, true_rate, _ = roc_curve(is_positive, scores)
    return false_rate, true_rate, float(auc(false_rate, true_rate))


def _draw_curves(
    gold: Array, probabilities: Array, labels: Sequence[str], kind: _CurveKind, title: str
) -> tuple[Figure, Axes]:
    """Return a figure with the curves of one kind and its axes; the other arguments are those of `pr_curves`."""
    names, title = display_labels(labels), printable_title(title)
    is_gold = gold[:, None] == np.arange(len(names))
    rows = is_gold.sum(axis=0)
    # A curve needs a positive and a negative row.
    drawable = [index for index in np.argsort(-rows, kind="stable") if 0 < rows[index] < len(gold)]
    curves = {int(index): kind.compute(is_gold[:, index], probabilities[:, index]) for index in drawable}
    averages = caption("macro mean"), caption("micro average")
    part = caption("{shown} of {total} classes").format(shown=min(len(curves), MAX_CURVES), total=len(names))
    with style(title, *names, *averages, part, kind.x_axis, kind.y_axis):
        shown = sorted(list(curves)[:MAX_CURVES])
        legend_names = [*(names[index] for index in shown), *averages]
        figure = new_figure(_SIZE + 1.0 + text_width(legend_names, 8), _SIZE)
        axes = figure.subplots()
        for order, index in enumerate(shown):
            x, y, area = curves[index]
            label = f"{names[index]}  {kind.area_name} {area:.4f}"
            axes.plot(x, y, **line_style(order), drawstyle=kind.steps, linewidth=1.4, label=label)
        if curves:
            micro = kind.compute(is_gold.ravel(), probabilities.ravel())
            _draw_averages(axes, list(curves.values()), micro, averages, kind)
        axes.set(xlabel=kind.x_axis, ylabel=kind.y_axis)
        _finish(figure, axes, title, part if len(shown) < len(names) else "")
    return figure, axes


def _draw_averages(axes: Axes, curves: Sequence[Curve], micro: Curve, names: tuple[str, str], kind: _CurveKind) -> None:
    macro = np.mean([_interpolate(x, y, kind.steps) for x, y, _ in curves], axis=0)
    x, y, micro_area = micro
    areas = float(np.mean([area for _, _, area in curves])), micro_area
    macro_label, micro_label = (f"{name}  {kind.area_name} {area:.4f}" for name, area in zip(names, areas, strict=True))
    axes.plot(_GRID, macro, color=INK, linestyle=":", linewidth=2.2, label=macro_label)
    axes.plot(x, y, color=INK, drawstyle=kind.steps, linewidth=2.2, label=micro_label)


def _interpolate(x: Array, y: Array, steps: str) -> Array:
    if steps == "default":
        return np.asarray(np.interp(_GRID, x, y))
    return np.asarray(y[np.searchsorted(x, _GRID)])  # the best precision at that recall


def _finish(figure: Figure, axes: Axes, title: str, legend_title: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", title=title)
    axes.grid()
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside right upper", fontsize=8, title=legend_title or None, title_fontsize=8)
