"""Precision-recall and ROC curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import (
    INK,
    PALE,
    display_names,
    line_style,
    new_figure,
    printable_title,
    style,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[Array, Array, float]
"""x (ascending) and y of the points, and the area under the curve; see `_curves` for the values between points."""

MAX_CURVES = 10
_GRID = np.linspace(0, 1, 501)
_SIZE = 4.8  # of the axes with their labels, in inches


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
    figure, axes = _curves(np.asarray(gold), np.asarray(probabilities), labels, ("AP", title, _pr), steps="steps-pre")
    axes.set(xlabel="recall", ylabel="precision")
    return figure


def roc_curves(gold: Array, probabilities: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw the ROC curve of each class against the others, with the area under the curve in the legend.

    The arguments and the choice of classes are the same as in `pr_curves`.
    """
    figure, axes = _curves(np.asarray(gold), np.asarray(probabilities), labels, ("AUC", title, _roc))
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, zorder=1)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    return figure


def _pr(is_positive: Array, scores: Array) -> Curve:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(is_positive, scores)
    return recall[::-1], precision[::-1], float(average_precision_score(is_positive, scores))


def _roc(is_positive: Array, scores: Array) -> Curve:
    from sklearn.metrics import auc, roc_curve

    false_rate, true_rate, _ = roc_curve(is_positive, scores)
    return false_rate, true_rate, float(auc(false_rate, true_rate))


def _curves(
    gold: Array,
    probabilities: Array,
    labels: Sequence[str],
    kind: tuple[str, str, Callable[[Array, Array], Curve]],
    steps: str = "default",
) -> tuple[Figure, Axes]:
    """Return a figure with the curves of one kind and its axes.

    Args:
        gold: as in `pr_curves`.
        probabilities: as in `pr_curves`.
        labels: as in `pr_curves`.
        kind: the name of the area under the curve, the title of the figure, and the function that computes a curve.
        steps: Matplotlib's ``drawstyle``: "default" is linear between two points; otherwise the curve has steps.
    """
    area_name, title, compute_curve = kind
    names, title = display_names(labels, "class"), printable_title(title)
    is_gold = gold[:, None] == np.arange(len(names))
    rows = is_gold.sum(axis=0)
    # A curve needs a positive and a negative row.
    drawable = [index for index in np.argsort(-rows, kind="stable") if 0 < rows[index] < len(gold)]
    curves = {int(index): compute_curve(is_gold[:, index], probabilities[:, index]) for index in drawable}
    with style(title, *names):
        shown = sorted(list(curves)[:MAX_CURVES])
        legend_names = [*(names[index] for index in shown), "micro average"]
        figure = new_figure(_SIZE + 1.0 + text_width(legend_names, 8), _SIZE)
        axes = figure.subplots()
        for order, index in enumerate(shown):
            x, y, area = curves[index]
            label = f"{names[index]}  {area_name} {area:.4f}"
            axes.plot(x, y, **line_style(order), drawstyle=steps, linewidth=1.4, label=label)
        if curves:
            micro = compute_curve(is_gold.ravel(), probabilities.ravel())
            _draw_averages(axes, list(curves.values()), micro, area_name, steps)
        _finish(figure, axes, title, f"{len(shown)} of {len(names)} classes" if len(shown) < len(names) else "")
    return figure, axes


def _draw_averages(axes: Axes, curves: Sequence[Curve], micro: Curve, area_name: str, steps: str) -> None:
    macro = np.mean([_interpolate(x, y, steps) for x, y, _ in curves], axis=0)
    macro_area = np.mean([area for _, _, area in curves])
    axes.plot(_GRID, macro, color=INK, linestyle=":", linewidth=2.2, label=f"macro mean  {area_name} {macro_area:.4f}")
    x, y, area = micro
    axes.plot(x, y, color=INK, drawstyle=steps, linewidth=2.2, label=f"micro average  {area_name} {area:.4f}")


def _interpolate(x: Array, y: Array, steps: str) -> Array:
    if steps == "default":
        return np.asarray(np.interp(_GRID, x, y))
    return np.asarray(y[np.searchsorted(x, _GRID)])  # the best precision at that recall


def _finish(figure: Figure, axes: Axes, title: str, legend_title: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", title=title)
    axes.grid()
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside right upper", fontsize=8, title=legend_title or None, title_fontsize=8)
