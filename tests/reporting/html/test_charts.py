"""Charts: places of points, sizes that do not grow, descriptions, and names that fit."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.reporting.html.charts import Axes, Line, bar_chart, column_chart, line_chart, matrix_chart
from paddle_tasks.reporting.html.svg import COLOURS, Scale, element, round_step, shorten, tick_name
from paddle_tasks.wrapping import width_of

AXES = Axes("x", "y", (0, 1), (0, 1))


def read(svg) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg))


def line(n_points=2, name="a"):
    return Line(name, np.linspace(0, 1, n_points), np.linspace(0, 1, n_points))


def test_a_chart_says_what_it_shows():
    root = read(line_chart([line()], AXES, "Title <1>", "a & b"))
    assert (root.find("title").text, root.find("desc").text) == ("Title <1>", "a & b")
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Title <1>. a & b"


def test_lines_differ_in_colour_dashes_and_markers():
    root = read(line_chart([line(name=name) for name in "abcdefgh"], AXES, "t", "d"))
    styles = [
        (one.get("stroke"), one.get("stroke-dasharray")) for one in root.iter("path") if one.get("fill") == "none"
    ]
    assert len(set(styles)) == 8
    assert {style[0] for style in styles} == set(COLOURS)
    assert {"circle", "polygon"} <= {one.tag for one in root.iter()}


def test_a_line_goes_from_corner_to_corner():
    root = read(line_chart([line()], AXES, "t", "d"))
    drawn = next(one for one in root.iter("path") if one.get("stroke") == COLOURS[0])
    assert drawn.get("d") == "M48 264l334 -240"


def test_what_is_not_finite_is_left_out_and_one_point_is_a_level():
    gaps = Line("a", np.array([0.0, 0.5, 1.0]), np.array([0.0, np.nan, 1.0]))
    assert "nan" not in line_chart([gaps], AXES, "t", "d")
    level = line_chart([line(1)], AXES, "t", "d")
    assert 'd="M48 264l334 0"' in level
    read(line_chart([], Axes("x", "y"), "nothing", "d"))


def test_more_points_and_bars_make_no_larger_chart():
    sizes = [len(line_chart([line(n_points)], AXES, "t", "d")) for n_points in (1_000, 100_000)]
    assert sizes[1] < 1.1 * sizes[0]
    bars = [bar_chart([f"name {n}" for n in range(count)], list(range(count)), "t", "d") for count in (20, 2000)]
    assert len(bars[1]) < 1.1 * len(bars[0])


def test_cells_hold_their_counts():
    counts = np.array([[3, 1], [0, 5]])
    root = read(matrix_chart(counts, ["甲", "乙"], Axes("predicted", "gold"), "t", "d"))
    texts = [one.text for one in root.iter("text")]
    assert [text for text in texts if text.isdigit()] == ["3", "1", "5"]  # nothing in the empty cell
    cells = [one.get("fill-opacity") for one in root.iter("rect") if one.get("fill-opacity")]
    assert cells == ["0.76", "0.29", "1.00"]


def test_columns_end_at_their_counts():
    root = read(column_chart(np.array([0.0, 0.5, 1.0]), np.array([2, 4]), AXES, "t", "d"))
    heights = [float(one.get("height")) for one in root.iter("rect")]
    assert heights == [55.0, 110.0]


@given(st.floats(1e-9, 1e9))
def test_steps_of_axes_are_round(step):
    rounded = round_step(step)
    assert step <= rounded * (1 + 1e-6) <= 2.5 * step * (1 + 1e-5)
    assert re.fullmatch(r"[125]\.?0*e[-+]\d+", f"{rounded:.6e}")


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_on_the_axis(low, size):
    ticks = Scale(low, low + size, 0, 100).ticks()
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-6 * size <= tick <= low + size * (1 + 1e-6) for tick in ticks)


@pytest.mark.parametrize(
    ("value", "name"), [(0, "0"), (12000, "12,000"), (0.25, "0.25"), (3e-5, "3e-05"), (1.1, "1.1")]
)
def test_numbers_on_axes_are_short(value, name):
    assert tick_name(value) == name


@given(st.text("ab汉字", max_size=60))
def test_long_names_fit(name):
    assert width_of(shorten(name, 20)) <= 21
    assert shorten(name, 200) == name


def test_attributes_and_texts_are_escaped():
    assert element("text", "a<b", x=1.25, text_anchor=None) == '<text x="1.2">a&lt;b</text>'
    assert element("text", "\x00", aria_label='"') == '<text aria-label="&#34;">\N{REPLACEMENT CHARACTER}</text>'
