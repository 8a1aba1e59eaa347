"""Bar charts of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import COLOURS, INK, display_names, new_figure, printable_title, style, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = Sequence[float | None]
_BAR, _GAP, _MARGINS, _WIDTH = 0.2, 0.12, 0.9, 5.0
"""Inches: the height of a bar, the gap between names, top and bottom margins together, the maximum bar width."""

_MAX_NAME_LENGTH = 64
"""Characters of a name at most: of a run, or of a run in a sweep's folder."""


def bars(
    names: Sequence[str],
    series: Mapping[str, Values],
    *,
    deviations: Mapping[str, Values] | None = None,
    title: str = "",
    form: str = ".4f",
    kind: str = "run",
) -> Figure:
    """Draw a bar with its number for each name and each series, such as dev and test.

    Args:
        names: the names, for example of runs, from top to bottom.
        series: the values of each series by its name, in the order of ``names``; no bar is drawn for None.
        deviations: the standard deviations of values that are means, by the name of the series.
        title: the title of the figure.
        form: the format of the numbers, as for `format`.
        kind: what is named, such as ``run``; if no font can show a name, it becomes the kind and its index.
    """
    shown, title = display_names(names, kind, _MAX_NAME_LENGTH), printable_title(title)
    with style(title, *shown, *series):
        height = len(shown) * (len(series) * _BAR + _GAP) + _MARGINS
        figure = new_figure(_WIDTH + text_width(shown, 9) + 0.6, height)
        axes = figure.subplots()
        thickness = 0.82 / max(1, len(series))
        for index, (name, values) in enumerate(series.items()):
            positions = np.arange(len(shown)) + (index - (len(series) - 1) / 2) * thickness
            numbers = _to_array(values)
            spread = _to_array((deviations or {}).get(name, [None] * len(shown)))
            axes.barh(positions, numbers, thickness * 0.92, color=COLOURS[index % len(COLOURS)], label=name)
            has_spread = np.isfinite(spread)
            axes.errorbar(numbers[has_spread], positions[has_spread], xerr=spread[has_spread], fmt="none", ecolor=INK)
            _write_numbers(axes, positions, numbers, spread, form)
        axes.set_yticks(range(len(shown)), shown, fontsize=9)
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.margins(x=0.18)
        axes.set_title(title)
        if len(series) > 1:
            figure.legend(loc="outside lower center", ncols=len(series), fontsize=8)
    return figure


def _to_array(values: Values) -> Array:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _write_numbers(axes: Axes, positions: Array, numbers: Array, spread: Array, form: str) -> None:
    """Write each value behind its bar, and behind the line of its deviation if it has one."""
    ends = numbers + np.nan_to_num(spread)
    for index in np.flatnonzero(np.isfinite(numbers)):
        deviation = f" ± {format(spread[index], form)}" if np.isfinite(spread[index]) else ""
        text, place = f"{format(numbers[index], form)}{deviation}", (ends[index], positions[index])
        axes.annotate(text, place, (6, 0), textcoords="offset points", va="center", fontsize=8)
