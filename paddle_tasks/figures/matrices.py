"""Matrices: of confusions, of transitions between tags, of attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import COLOURS, inches_of, names_of, new_figure, style, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_NUMBERS, MOST_NAMES = 20, 40
"""Rows or columns up to which each cell has its number, and up to which each row has its name."""

_MOST_CONFUSED = 20
_NUMBERED_CELL, _NAMED_CELL, _SMALLEST_CELL = 0.42, 0.19, 0.062
_LEAST, _MARGIN, _BAR, _CONFUSED = 2.6, 0.9, 0.7, 4.2
"""Inches: of a matrix at least, of what stands around it, of the colour bar, of the most confused labels."""


def confusion_matrix(counts: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw how the rows of each gold label were predicted, coloured by their share among the rows of that label.

    Up to 20 labels each cell has its number; up to 40 each label has its name; beyond, every second, third, … has, and
    the pairs that are confused most often stand beside the matrix.

    Args:
        counts: <int64>[labels, labels], rows gold, columns predicted.
        labels: in the order of the counts.
        title: what is counted.
    """
    counts = np.asarray(counts)
    names, title = names_of(labels, "class"), title_of(title)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    many = len(names) > MOST_NAMES
    with style(title, *names):
        width, height = _inches(names, names)
        figure = new_figure(width + _CONFUSED * many, height)
        axes, *others = figure.subplots(1, 1 + many, squeeze=False, width_ratios=[width, _CONFUSED][: 1 + many])[0]
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        _name_sides(axes, names, names)
        if len(names) <= MOST_NUMBERS:
            _write_cells(axes, [[f"{count}" if count else "" for count in row] for row in counts], shares > 0.55)
        axes.set(xlabel="predicted", ylabel="gold", title=title)
        for beside in others:
            _most_confused(beside, counts, names)
        _colour_bar(figure, axes, image, "share of the gold label's rows")
    return figure


def matrix(
    values: Array, rows: Sequence[str], columns: Sequence[str], title: str = "", *, numbers: bool = True
) -> Figure:
    """Draw a heat map: scores below and above 0 in two hues, others in one; what is not finite is grey.

    Args:
        values: <float>[rows, columns], for example the transitions of a CRF, or attention.
        rows: their names; of attention the tokens that look.
        columns: their names; of attention the tokens that are looked at.
        title: what is shown.
        numbers: write each value into its cell, where there are up to 20 rows and columns.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    names, across, title = names_of(rows, "row"), names_of(columns, "column"), title_of(title)
    largest = float(np.abs(finite).max(initial=1e-9))
    signed = bool((finite < 0).any())
    with style(title, *names, *across):
        figure = new_figure(*_inches(names, across))
        axes = figure.subplots()
        axes.set_facecolor("#d5d9de")
        hues: Any = (
            {"cmap": "PuOr_r", "vmin": -largest, "vmax": largest}
            if signed
            else {"cmap": "Blues", "vmin": 0, "vmax": largest}
        )
        image = axes.imshow(np.where(np.isfinite(values), values, np.nan), interpolation="nearest", **hues)
        _name_sides(axes, names, across)
        if numbers and max(len(names), len(across)) <= MOST_NUMBERS:
            texts = [[f"{value:.2f}" if np.isfinite(value) else "" for value in row] for row in values]
            _write_cells(axes, texts, np.abs(values) > 0.55 * largest)
        axes.set_title(title)
        _colour_bar(figure, axes, image, "")
    return figure


def _inches(rows: Sequence[str], columns: Sequence[str]) -> tuple[float, float]:
    """Return width and height of a matrix with its names and its colour bar."""
    cell = _cell(max(len(rows), len(columns)))
    width, height = (max(_LEAST, len(names) * cell) for names in (columns, rows))
    size = _size(cell)
    return width + inches_of(rows, size) + _MARGIN + _BAR, height + inches_of(columns, size) + _MARGIN


def _cell(n_names: int) -> float:
    if n_names <= MOST_NUMBERS:
        return _NUMBERED_CELL
    return _NAMED_CELL if n_names <= MOST_NAMES else _SMALLEST_CELL


def _size(cell: float) -> float:
    """Return the points of the names at cells of so many inches."""
    return 9 if cell == _NUMBERED_CELL else 7


def _name_sides(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name rows and columns, of many of them every second, third and so on, upright below where they are wide."""
    cell = _cell(max(len(rows), len(columns)))
    size = _size(cell)
    line = 1.6 * size / 72
    side = max(_LEAST, len(rows) * cell)
    down = max(1, math.ceil(line * len(rows) / side))
    side = max(_LEAST, len(columns) * cell)
    across = max(1, math.ceil(line * len(columns) / side))
    is_narrow = inches_of(columns, size) + 0.08 < side / len(columns)
    axes.set_yticks(range(0, len(rows), down), rows[::down], fontsize=size)
    axes.set_xticks(range(0, len(columns), across), columns[::across], fontsize=size, rotation=0 if is_narrow else 90)
    axes.tick_params(length=2)
    axes.spines[:].set_visible(False)


def _write_cells(axes: Axes, texts: Sequence[Sequence[str]], is_dark: Array) -> None:
    size = 8 if max(len(text) for line in texts for text in line) < 5 else 6.5
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            colour = "white" if is_dark[row, column] else "#30343b"
            # They lie within the matrix, and to ask each for its room takes longer than all the rest.
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size, in_layout=False)


def _colour_bar(figure: Figure, axes: Axes, image: Any, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, shrink=0.8)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)


def _most_confused(axes: Axes, counts: Array, names: Sequence[str]) -> None:
    """Draw a bar for each of the most frequent pairs of a gold and another predicted label."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSED]
    pairs = [divmod(int(place), len(names)) for place in order if wrong.flat[place]]
    texts = [f"{names[gold]} → {names[predicted]}" for gold, predicted in pairs]
    drawn = axes.barh(range(len(pairs)), [wrong[pair] for pair in pairs], color=COLOURS[1], height=0.7)
    axes.bar_label(drawn, fontsize=7, padding=2)
    axes.set_yticks(range(len(pairs)), texts, fontsize=7)
    axes.set_ylim(_MOST_CONFUSED - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_title("most confused: gold → predicted", fontsize=9)
