"""Scores side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.figures.canvas import COLOURS, INK, inches_of, names_of, new_figure, style, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Sequence[float | None]
_BAR, _BETWEEN, _AROUND, _WIDTH = 0.2, 0.12, 0.9, 5.0
"""Inches: of a bar, between names, above and below, of the longest bar."""


def bars(
    names: Sequence[str],
    series: Mapping[str, Values],
    *,
    deviations: Mapping[str, Values] | None = None,
    title: str = "",
    form: str = ".4f",
) -> Figure:
    """Draw a bar with its number for each name in each series, such as dev and test.

    Args:
        names: for example of runs, from top to bottom.
        series: values by the series' name, in the order of the names; None leaves a bar out.
        deviations: of the values that are means, by the series' name.
        title: what is shown.
        form: of the numbers, as `format` takes it.
    """
    shown, title = names_of(names, "run"), title_of(title)
    with style(title, *shown, *series):
        height = len(shown) * (len(series) * _BAR + _BETWEEN) + _AROUND
        figure = new_figure(_WIDTH + inches_of(shown, 9) + 0.6, height)
        axes = figure.subplots()
        thick = 0.82 / max(1, len(series))
        for order, (name, values) in enumerate(series.items()):
            places = np.arange(len(shown)) + (order - (len(series) - 1) / 2) * thick
            numbers = _numbers(values)
            spread = _numbers((deviations or {}).get(name, [None] * len(shown)))
            drawn = axes.barh(places, numbers, thick * 0.92, color=COLOURS[order % len(COLOURS)], label=name)
            has_spread = np.isfinite(spread)
            axes.errorbar(numbers[has_spread], places[has_spread], xerr=spread[has_spread], fmt="none", ecolor=INK)
            axes.bar_label(drawn, _texts(numbers, spread, form), fontsize=8, padding=6)
        axes.set_yticks(range(len(shown)), shown, fontsize=9)
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.margins(x=0.18)
        axes.set_title(title)
        if len(series) > 1:
            figure.legend(loc="outside lower center", ncols=len(series), fontsize=8)
    return figure


def _numbers(values: Values) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _texts(numbers: Any, spread: Any, form: str) -> list[str]:
    written = [format(number, form) if np.isfinite(number) else "" for number in numbers]
    extra = [f" ± {format(width, form)}" if np.isfinite(width) else "" for width in spread]
    return [text + more if text else "" for text, more in zip(written, extra, strict=True)]
