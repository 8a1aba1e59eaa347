"""Elements of SVG as text, and the frame of a chart: its axes, its legend and its description.

A chart is described by a title and a sentence, which screen readers say in its place. All texts are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from paddle_tasks.training.display_html import replace_invalid
from paddle_tasks.wrapping import width_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Colours that people with any colour vision can distinguish (Okabe and Ito 2008)."""
DASHES = ("", "7 3", "2 3", "9 3 2 3")
MARKERS = ("circle", "square", "diamond", "triangle")
INK, PALE, GRID = "#222", "#888", "#ddd"
FONT = 12
_EM = 0.56 * FONT
"""The width of a column of text: half that of a Chinese character."""
_CIPHERS = 3


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """Return an element; in the names of attributes ``_`` stands for ``-``, and those that are None are left out.

    ``element("text", "a<b", text_anchor="end", x=1.25)`` → ``<text text-anchor="end" x="1.25">a&lt;b</text>``
    """
    written = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(replace_invalid(number(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(child if isinstance(child, Markup) else replace_invalid(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>" if children else f"<{name}{written}/>")


def number(value: str | float) -> str:
    """Return a coordinate with at most one decimal place, and a text as it is."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def text_width(text: str) -> float:
    """Return about how wide a text is, in the units of a chart."""
    return _EM * width_of(text)


def drawing(width: float, height: float, title: str, description: str, parts: Iterable[str]) -> Markup:
    """Return a whole SVG that scales down with its column.

    Args:
        width: in pixels, at most.
        height: in pixels, at that width.
        title: what it shows.
        description: what it says, for those who cannot see it.
        parts: the elements.
    """
    inner = [element("title", title), element("desc", description), *parts]
    return element(
        "svg",
        *inner,
        viewBox=f"0 0 {number(width)} {number(height)}",
        style=f"max-width:{number(width)}px",
        role="img",
        aria_label=f"{title}. {description}",
    )


# ---- scales


@dataclass(frozen=True)
class Scale:
    """A linear map from values to pixels.

    Attributes:
        low: the lowest value.
        high: the highest value.
        start: the pixel of the lowest value.
        end: the pixel of the highest value.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about ``count`` round values between the lowest and the highest one."""
        step = round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def round_step(step: float) -> float:
    """Return the next larger one of 1, 2, 5, 10, 20, 50, … and their fractions: ``round_step(0.03)`` → 0.05."""
    if step <= 0 or not math.isfinite(step):
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def tick_name(value: float) -> str:
    """Return a number on an axis: ``12,000``, ``0.25``, ``3e-05``."""
    if value and abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 6):g}"


# ---- axes


@dataclass(frozen=True)
class Frame:
    """The area of a chart between its axes."""

    x: Scale
    y: Scale

    def draw(self, x_name: str, y_name: str) -> Iterator[Markup]:
        """Yield the grid, the numbers and the names of both axes; that of ``y`` may be empty."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        for value in self.y.ticks():
            yield element("path", d=f"M{number(left)} {number(self.y(value))}H{number(right)}", stroke=GRID)
            yield label(tick_name(value), left - 6, self.y(value) + 4, "end")
        for value in self.x.ticks():
            yield element("path", d=f"M{number(self.x(value))} {number(bottom)}v4", stroke=PALE)
            yield label(tick_name(value), self.x(value), bottom + 16, "middle")
        yield element("path", d=f"M{number(left)} {number(bottom)}H{number(right)}", stroke=PALE)
        yield label(x_name, (left + right) / 2, bottom + 33, "middle")
        if y_name:
            yield label(y_name, 2, top - 9, "start")


def label(text: str, x: float, y: float, anchor: str = "start", **more: str | float) -> Markup:
    """Return a text; ``anchor`` is start, middle or end."""
    return element("text", text, x=x, y=y, text_anchor=None if anchor == "start" else anchor, **more)


# ---- lines


def colour(index: int) -> str:
    """Return the colour of the line with this index."""
    return COLOURS[index % len(COLOURS)]


def dashes(index: int) -> str | None:
    """Return the dashes of the line with this index; lines of one colour differ in their dashes."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)] or None


def path(points: Sequence[tuple[float, float]], **attributes: str | float | None) -> Markup:
    """Return a line through points in pixels; relative coordinates keep it short."""
    commands, before = [], (0.0, 0.0)
    for index, (x, y) in enumerate((round(x, 1), round(y, 1)) for x, y in points):
        commands.append(
            f"M{number(x)} {number(y)}" if not index else f"l{number(x - before[0])} {number(y - before[1])}"
        )
        before = x, y
    return element("path", d="".join(commands), fill="none", **attributes)


def marker(index: int, x: float, y: float) -> Markup:
    """Return the marker of the line with this index at a place."""
    return _SHAPES[MARKERS[index % len(MARKERS)]](x, y, colour(index))


def _polygon(*corners: tuple[float, float]) -> Callable[[float, float, str], Markup]:
    def draw(x: float, y: float, fill: str) -> Markup:
        places = " ".join(f"{number(x + right)},{number(y + down)}" for right, down in corners)
        return element("polygon", points=places, fill=fill)

    return draw


def _circle(x: float, y: float, fill: str) -> Markup:
    return element("circle", cx=x, cy=y, r=_CIPHERS, fill=fill)


_SHAPES: dict[str, Callable[[float, float, str], Markup]] = {
    "circle": _circle,
    "square": _polygon((-3, -3), (3, -3), (3, 3), (-3, 3)),
    "diamond": _polygon((0, -4), (4, 0), (0, 4), (-4, 0)),
    "triangle": _polygon((0, -4), (4, 3), (-4, 3)),
}


# ---- legends


def legend(names: Sequence[str], width: float, top: float) -> tuple[list[Markup], float]:
    """Return the entries of a legend in as many rows as they need, and the height of the rows.

    Args:
        names: of the lines, in their order.
        width: the width of the chart.
        top: where the first row begins.
    """
    parts, left, row = list[Markup](), 0.0, 0
    for index, name in enumerate(names):
        needed = 34 + text_width(name) + 14
        if left and left + needed > width:
            left, row = 0.0, row + 1
        parts += _legend_entry(index, name, left, top + 18 * row + 10)
        left += needed
    return parts, 18.0 * (row + 1) if names else 0.0


def _legend_entry(index: int, name: str, left: float, y: float) -> list[Markup]:
    line = path([(left, y), (left + 28, y)], stroke=colour(index), stroke_width=2, stroke_dasharray=dashes(index))
    return [line, marker(index, left + 14, y), label(name, left + 34, y + 4)]


def shorten(name: str, columns: int = 24) -> str:
    """Return a name of at most this many columns, its middle replaced by an ellipsis."""
    if width_of(name) <= columns:
        return name
    head, tail = name, name
    while width_of(head) > columns // 2:
        head = head[:-1]
    while width_of(tail) > columns - columns // 2 - 1:
        tail = tail[1:]
    return f"{head}…{tail}"
