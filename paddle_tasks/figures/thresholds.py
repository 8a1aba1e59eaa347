"""Curves over all thresholds: precision by recall, and true by false positives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import INK, PALE, inches_of, line_of, names_of, new_figure, style, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[Array, Array, float]
"""x and y of the points, x ascending, and the area under them; what is between two points differs by kind."""

MOST_CURVES = 10
_GRID = np.linspace(0, 1, 501)
_SQUARE = 4.8  # inches, with the names of its sides


def pr_curves(gold: Array, probabilities: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw precision by recall of each class against the others, with the average precision in the legend.

    Of more than 10 classes, those with the most rows have their curves; the micro average (all classes' decisions
    together) and the macro mean (over all classes that have rows) are of all.

    Args:
        gold: <int64>[rows], places among the labels.
        probabilities: <float>[rows, labels].
        labels: in the order of the probabilities.
        title: what is shown.
    """
    figure, axes = _curves(np.asarray(gold), np.asarray(probabilities), labels, ("AP", title, _pr), steps="steps-pre")
    axes.set(xlabel="recall", ylabel="precision")
    return figure


def roc_curves(gold: Array, probabilities: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw true by false positives of each class against the others, with the area under the curve in the legend.

    Which classes have a curve, and what the arguments are, is as in `pr_curves`.
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
    """Return a figure with the curves of one kind: the name of its area, the title, and what computes a curve."""
    area, title, curve = kind
    names, title = names_of(labels, "class"), title_of(title)
    is_gold = gold[:, None] == np.arange(len(names))
    rows = is_gold.sum(axis=0)
    # Without a positive or a negative row there is nothing to tell apart.
    known = [place for place in np.argsort(-rows, kind="stable") if 0 < rows[place] < len(gold)]
    curves = {int(place): curve(is_gold[:, place], probabilities[:, place]) for place in known}
    with style(title, *names):
        shown = sorted(list(curves)[:MOST_CURVES])
        listed = [*(names[place] for place in shown), "micro average"]
        figure = new_figure(_SQUARE + 1.0 + inches_of(listed, 8), _SQUARE)
        axes = figure.subplots()
        for order, place in enumerate(shown):
            x, y, size = curves[place]
            axes.plot(
                x, y, **line_of(order), drawstyle=steps, linewidth=1.4, label=f"{names[place]}  {area} {size:.4f}"
            )
        if curves:
            _means(axes, list(curves.values()), curve(is_gold.ravel(), probabilities.ravel()), area, steps)
        _finish(figure, axes, title, f"{len(shown)} of {len(names)} classes" if len(shown) < len(names) else "")
    return figure, axes


def _means(axes: Axes, curves: Sequence[Curve], micro: Curve, area: str, steps: str) -> None:
    mean = np.mean([_at_grid(x, y, steps) for x, y, _ in curves], axis=0)
    size = np.mean([size for _, _, size in curves])
    axes.plot(_GRID, mean, color=INK, linestyle=":", linewidth=2.2, label=f"macro mean  {area} {size:.4f}")
    axes.plot(
        micro[0], micro[1], color=INK, drawstyle=steps, linewidth=2.2, label=f"micro average  {area} {micro[2]:.4f}"
    )


def _at_grid(x: Array, y: Array, steps: str) -> Array:
    if steps == "default":
        return np.asarray(np.interp(_GRID, x, y))
    return np.asarray(y[np.searchsorted(x, _GRID)])  # the best precision at that recall


def _finish(figure: Figure, axes: Axes, title: str, legend_title: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", title=title)
    axes.grid()
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside right upper", fontsize=8, title=legend_title or None, title_fontsize=8)
