"""Charts as inline SVG: lines, bars and matrices of counts.

The size of a chart does not depend on how much data it is of: lines are thinned, and long lists are cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from paddle_tasks.arrays import Array
from paddle_tasks.reporting.html import svg
from paddle_tasks.reporting.html.svg import Frame, Scale, element, label

WIDTH, HEIGHT = 400.0, 240.0
MAX_POINTS = 120
"""Points of a line at most."""
_MARKED = 12
"""A line has about this many markers at most."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 18.0, 24.0, 42.0
_CELL = 30.0
_BAR, _MAX_BARS = 18.0, 20
_ENOUGH_FOR_A_DIGIT = 0.5
"""From this share on a cell is dark, and its number white."""


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: in the legend.
        x: <float>[points], ascending.
        y: <float>[points].
    """

    name: str
    x: Array
    y: Array


@dataclass(frozen=True)
class Axes:
    """The names of both axes, and their ranges where these are not those of the data."""

    x: str
    y: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


def line_chart(lines: Sequence[Line], axes: Axes, title: str, description: str, *, diagonal: bool = False) -> Markup:
    """Draw lines with markers and dashes; those of a single point are levels.

    Args:
        lines: the lines; points that are not finite are left out.
        axes: the axes.
        title: what the chart shows.
        description: what it says.
        diagonal: whether to draw the line on which both values are equal.
    """
    kept = [line for line in map(_thin, lines) if len(line.x)]
    frame = _frame(kept, axes)
    bottom = _TOP + HEIGHT + _BOTTOM
    names, height = svg.legend([svg.shorten(line.name, 40) for line in kept], WIDTH, bottom)
    parts = [*frame.draw(axes.x, axes.y)]
    if diagonal:
        ends = [(frame.x(value), frame.y(value)) for value in (0, 1)]
        parts.append(svg.path(ends, stroke=svg.PALE, stroke_dasharray="4 4"))
    for index, line in enumerate(kept):
        parts += _draw_line(line, index, frame)
    return svg.drawing(WIDTH, bottom + height, title, description, [*parts, *names])


def _thin(line: Line) -> Line:
    """Return a line of at most `MAX_POINTS` points: its finite ones at equal distances, with both ends."""
    finite = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
    places = np.unique(np.linspace(0, max(len(finite) - 1, 0), min(MAX_POINTS, len(finite))).astype(np.int64))
    kept = finite[places] if len(finite) else finite
    return Line(line.name, np.asarray(line.x)[kept], np.asarray(line.y)[kept])


def _frame(lines: Sequence[Line], axes: Axes) -> Frame:
    x, y = (_range([getattr(line, side) for line in lines]) for side in ("x", "y"))
    return Frame(
        Scale(*(axes.x_range or x), _LEFT, WIDTH - _RIGHT),
        Scale(*(axes.y_range or _padded(*y)), _TOP + HEIGHT, _TOP),
    )


def _range(values: Sequence[Array]) -> tuple[float, float]:
    together = np.concatenate([np.asarray(one, np.float64) for one in values]) if values else np.zeros(0)
    return (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _draw_line(line: Line, index: int, frame: Frame) -> Iterator[Markup]:
    points = [(frame.x(x), frame.y(y)) for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True)]
    style: dict[str, str | float | None] = {
        "stroke": svg.colour(index),
        "stroke_width": 1.8,
        "stroke_dasharray": svg.dashes(index),
    }
    if len(points) == 1:
        level = points[0][1]
        yield svg.path([(frame.x.start, level), (frame.x.end, level)], **style)
    else:
        yield svg.path(points, **style)
    for x, y in points[:: math.ceil(len(points) / _MARKED)]:
        yield svg.marker(index, x, y)


# ---- bars


def bar_chart(names: Sequence[str], values: Sequence[float], title: str, description: str) -> Markup:
    """Draw a horizontal bar for each name, with its value; at most 20, the first ones."""
    shown = [svg.shorten(name, 36) for name in names[:_MAX_BARS]]
    left = max((svg.text_width(name) for name in shown), default=0) + 10
    most = max([*values[:_MAX_BARS], 0.0])
    scale = Scale(0.0, most or 1.0, left, WIDTH - 60)
    parts: list[Markup] = []
    for row, (name, value) in enumerate(zip(shown, values, strict=False)):
        top = row * (_BAR + 6) + 4
        parts += [
            label(name, left - 6, top + 13, "end"),
            element("rect", x=left, y=top, width=max(scale(value) - left, 0.5), height=_BAR, fill=svg.COLOURS[0]),
            label(svg.tick_name(value), scale(value) + 5, top + 13),
        ]
    return svg.drawing(WIDTH, len(shown) * (_BAR + 6) + 8, title, description, parts)


def column_chart(edges: Array, counts: Array, axes: Axes, title: str, description: str) -> Markup:
    """Draw a histogram: counts <int>[bins] between edges <float>[bins + 1]."""
    height = 110.0
    x, y = Scale(*_range([edges]), _LEFT, WIDTH - _RIGHT), Scale(0.0, float(max(counts.max(initial=0), 1)), height, 0)
    y = Scale(y.low, y.high, _TOP + height, _TOP)
    bars = [
        element(
            "rect",
            x=x(start) + 0.5,
            y=y(count),
            width=max(x(end) - x(start) - 1, 0.5),
            height=y(0) - y(count),
            fill=svg.COLOURS[0],
        )
        for start, end, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        if count
    ]
    return svg.drawing(WIDTH, _TOP + height + _BOTTOM, title, description, [*Frame(x, y).draw(axes.x, axes.y), *bars])


# ---- matrices


def matrix_chart(counts: Array, names: Sequence[str], axes: Axes, title: str, description: str) -> Markup:
    """Draw counts <int>[rows, columns]; the colour of a cell is its share of its row.

    Args:
        counts: of each pair of labels.
        names: of the labels, for rows and columns.
        axes: ``x`` names the columns, and ``y`` the rows.
        title: what the matrix shows.
        description: what it says.
    """
    shown = [svg.shorten(name, 20) for name in names]
    left = max(svg.text_width(name) for name in shown) + 30
    numbered = max(svg.text_width(f"{most:,}") for most in (int(counts.max(initial=0)),)) + 8
    cell = max(_CELL, numbered)
    upright = max(svg.text_width(name) for name in shown) <= cell
    top = 44.0 if upright else max(svg.text_width(name) for name in shown) + 34
    size = cell * len(names)
    parts = list(_matrix_names(shown, (left, top, cell), upright=upright))
    parts += list(_matrix_cells(counts, (left, top, cell)))
    parts += [
        label(axes.x, left + size / 2, 14, "middle"),
        element("text", axes.y, text_anchor="middle", transform=f"translate(12 {top + size / 2:.0f}) rotate(-90)"),
    ]
    return svg.drawing(left + size + 10, top + size + 8, title, description, parts)


def _matrix_names(names: Sequence[str], place: tuple[float, float, float], *, upright: bool) -> Iterator[Markup]:
    left, top, cell = place
    for index, name in enumerate(names):
        middle = (index + 0.5) * cell
        yield label(name, left - 6, top + middle + 4, "end")
        if upright:
            yield label(name, left + middle, top - 8, "middle")
        else:
            turned = f"translate({left + middle + 4:.0f} {top - 8:.0f}) rotate(-90)"
            yield element("text", name, transform=turned)


def _matrix_cells(counts: Array, place: tuple[float, float, float]) -> Iterator[Markup]:
    left, top, cell = place
    size = cell * len(counts)
    yield element("rect", x=left, y=top, width=size, height=size, fill="#f4f6f8", stroke=svg.PALE)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    for row, column in np.argwhere(counts).tolist():
        x, y, share = left + column * cell, top + row * cell, float(shares[row, column])
        yield element(
            "rect", x=x, y=y, width=cell, height=cell, fill=svg.COLOURS[0], fill_opacity=f"{0.06 + 0.94 * share:.2f}"
        )
        ink = "#fff" if share > _ENOUGH_FOR_A_DIGIT else svg.INK
        yield label(f"{counts[row, column]:,}", x + cell / 2, y + cell / 2 + 4, "middle", fill=ink)
