"""Confusion matrices and heat maps, such as of tag transitions or attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import (
    COLOURS,
    display_labels,
    display_names,
    new_figure,
    printable_title,
    style,
    text_width,
)
from paddle_tasks.figures.fonts import caption
from paddle_tasks.language import mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_NUMBERED, MAX_NAMED = 20, 40
"""The maximum number of rows or columns at which every cell shows its number, and every row its name."""

_MAX_CONFUSED = 20
_CONFUSED_TITLE = mark("most confused: gold → predicted")
_NUMBERED_CELL, _NAMED_CELL, _SMALL_CELL = 0.42, 0.19, 0.062
"""The sides of a cell with its number, of one in a row with its name, and of others, in inches."""
_MIN_SIZE, _MARGIN, _BAR, _CONFUSED = 2.6, 0.9, 0.7, 4.2
"""Inches: the minimum size of a matrix, its margin, the colour bar, and the list of confused labels."""


def confusion_matrix(counts: Array, labels: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix; the colour of a cell is its share of the gold label's rows.

    With up to 20 labels every cell shows its count, and with up to 40 every label its name. With more, only every
    second, third, … label has its name, and the pairs confused most often are listed beside the matrix.

    Args:
        counts: ``<int64>[labels, labels]``, by gold label (rows) and predicted label (columns).
        labels: the names, in the order of the counts.
        title: the title of the figure.
    """
    counts = np.asarray(counts)
    names, title = display_labels(labels), printable_title(title)
    captions = caption("predicted"), caption("gold"), caption("share of the gold label's rows")
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    many = len(names) > MAX_NAMED
    with style(title, *names, *captions, caption(_CONFUSED_TITLE)):
        width, height = _figure_size(names, names)
        figure = new_figure(width + _CONFUSED * many, height)
        axes, *others = figure.subplots(1, 1 + many, squeeze=False, width_ratios=[width, _CONFUSED][: 1 + many])[0]
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        _label_axes(axes, names, names)
        if len(names) <= MAX_NUMBERED:
            _write_cells(axes, [[f"{count}" if count else "" for count in row] for row in counts], shares > 0.55)
        axes.set(xlabel=captions[0], ylabel=captions[1], title=title)
        for other in others:
            _draw_most_confused(other, counts, names)
        _add_colour_bar(figure, axes, image, captions[2])
    return figure


def matrix(
    values: Array, rows: Sequence[str], columns: Sequence[str], title: str = "", *, numbers: bool = True
) -> Figure:
    """Draw a heat map: with two hues if there are negative values, otherwise with one; non-finite values are grey.

    Args:
        values: ``<float>[rows, columns]``, for example the transitions of a CRF, or attention.
        rows: the names of the rows; for attention, the query tokens.
        columns: the names of the columns; for attention, the key tokens.
        title: the title of the figure.
        numbers: whether to write each value into its cell, if there are up to 20 rows and columns.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    row_names, column_names = display_names(rows, "row"), display_names(columns, "column")
    title = printable_title(title)
    largest = float(np.abs(finite).max(initial=1e-9))
    signed = bool((finite < 0).any())
    with style(title, *row_names, *column_names):
        figure = new_figure(*_figure_size(row_names, column_names))
        axes = figure.subplots()
        axes.set_facecolor("#d5d9de")
        colours: Any = (
            {"cmap": "PuOr_r", "vmin": -largest, "vmax": largest}
            if signed
            else {"cmap": "Blues", "vmin": 0, "vmax": largest}
        )
        image = axes.imshow(np.where(np.isfinite(values), values, np.nan), interpolation="nearest", **colours)
        _label_axes(axes, row_names, column_names)
        if numbers and max(len(row_names), len(column_names)) <= MAX_NUMBERED:
            texts = [[f"{value:.2f}" if np.isfinite(value) else "" for value in row] for row in values]
            _write_cells(axes, texts, np.abs(values) > 0.55 * largest)
        axes.set_title(title)
        _add_colour_bar(figure, axes, image, "")
    return figure


def _figure_size(rows: Sequence[str], columns: Sequence[str]) -> tuple[float, float]:
    """Return width and height in inches of a matrix with its names and its colour bar."""
    cell = _cell_size(max(len(rows), len(columns)))
    width, height = (max(_MIN_SIZE, len(names) * cell) for names in (columns, rows))
    font_size = _font_size(cell)
    return width + text_width(rows, font_size) + _MARGIN + _BAR, height + text_width(columns, font_size) + _MARGIN


def _cell_size(n_names: int) -> float:
    if n_names <= MAX_NUMBERED:
        return _NUMBERED_CELL
    return _NAMED_CELL if n_names <= MAX_NAMED else _SMALL_CELL


def _font_size(cell: float) -> float:
    """Return the font size in points of the names, given the cell size in inches."""
    return 9 if cell == _NUMBERED_CELL else 7


def _label_axes(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Label every n-th row and column, so that no labels overlap; wide column labels are rotated."""
    cell = _cell_size(max(len(rows), len(columns)))
    font_size = _font_size(cell)
    line_height = 1.6 * font_size / 72
    height = max(_MIN_SIZE, len(rows) * cell)
    row_step = max(1, math.ceil(line_height * len(rows) / height))
    width = max(_MIN_SIZE, len(columns) * cell)
    column_step = max(1, math.ceil(line_height * len(columns) / width))
    rotation = 0 if text_width(columns, font_size) + 0.08 < width / len(columns) else 90
    axes.set_yticks(range(0, len(rows), row_step), rows[::row_step], fontsize=font_size)
    column_ticks = range(0, len(columns), column_step)
    axes.set_xticks(column_ticks, columns[::column_step], fontsize=font_size, rotation=rotation)
    axes.tick_params(length=2)
    axes.spines[:].set_visible(False)


def _write_cells(axes: Axes, texts: Sequence[Sequence[str]], is_dark: Array) -> None:
    size = 8 if max(len(text) for line in texts for text in line) < 5 else 6.5
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            colour = "white" if is_dark[row, column] else "#30343b"
            # The texts lie within the matrix; including them in the layout would take longer than everything else.
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size, in_layout=False)


def _add_colour_bar(figure: Figure, axes: Axes, image: Any, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, shrink=0.8)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)


def _draw_most_confused(axes: Axes, counts: Array, names: Sequence[str]) -> None:
    """Draw a bar for each of the most frequent confusions of a gold label with another label."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSED]
    pairs = [divmod(int(index), len(names)) for index in order if wrong.flat[index]]
    texts = [f"{names[gold]} → {names[predicted]}" for gold, predicted in pairs]
    confusions = axes.barh(range(len(pairs)), [wrong[pair] for pair in pairs], color=COLOURS[1], height=0.7)
    axes.bar_label(confusions, fontsize=7, padding=2)
    axes.set_yticks(range(len(pairs)), texts, fontsize=7)
    axes.set_ylim(_MAX_CONFUSED - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(caption(_CONFUSED_TITLE), fontsize=9)
