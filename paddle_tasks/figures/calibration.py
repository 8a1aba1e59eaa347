"""The reliability diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import COLOURS, PALE, new_figure, printable_title, style
from paddle_tasks.figures.fonts import caption
from paddle_tasks.metrics.calibration import compute_calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDES = {"left": 0.14, "right": 0.97, "bottom": 0.1, "top": 0.94, "hspace": 0.1}


def calibration_curve(confidence: Array, is_right: Array, title: str = "") -> Figure:
    """Draw accuracy by confidence, and below it the number of rows by confidence.

    The title ends with the expected calibration error: with 10 equal bins of confidence, the mean over the rows of the
    gap between their bin's accuracy and mean confidence (Guo et al., On Calibration of Modern Neural Networks, ICML
    2017, equation 3).

    Args:
        confidence: ``<float>[rows]``, the probability of the predicted label.
        is_right: ``<bool>[rows]``, whether the predicted label is the gold label.
        title: the title of the figure.
    """
    bins = compute_calibration(confidence, is_right)
    edges = np.linspace(0, 1, len(bins.rows) + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, 0.94 / len(bins.rows)
    has_rows = bins.rows > 0
    title = printable_title(title)
    accuracy, perfect, at_mean = caption("accuracy"), caption("perfect calibration"), caption("at the mean confidence")
    x_axis, rows = caption("confidence in the predicted label"), caption("rows")
    with style(title, accuracy, perfect, at_mean, x_axis, rows):
        figure = new_figure(4.8, 5.4)
        figure.set_layout_engine("none")  # all texts are short, and automatic layout is slow
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1], gridspec_kw=_SIDES)
        upper.bar(middles[has_rows], bins.accuracy[has_rows], width, color=COLOURS[0], alpha=0.45, label=accuracy)
        upper.plot([0, 1], [0, 1], color=PALE, linestyle="--", label=perfect)
        upper.plot(bins.confidence[has_rows], bins.accuracy[has_rows], "o-", color=COLOURS[1], label=at_mean)
        upper.set(ylabel=accuracy, ylim=(0, 1.02), xlim=(0, 1))
        upper.set_title(f"{title}  ECE {bins.expected_error:.4f}".strip())
        upper.legend(loc="upper left", fontsize=8)
        lower.bar(middles, bins.rows, width, color=PALE)
        lower.set(xlabel=x_axis, ylabel=rows)
        lower.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        for axes in (upper, lower):
            axes.grid(axis="y")
    return figure
