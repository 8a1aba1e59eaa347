"""Stacked bars: names, counts and legend, in both kinds of files, with and without a font."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from paddle_tasks.figures.stacked_bars import SUFFIXES, write_stacked_bars

NAMES = ["WiFi", "rooms", "price"]
PARTS = {"positive": [1, 2, 0], "negative": [2, 0, 4]}
COLOURS = {"positive": "#2ea043", "negative": "#da3633"}


def texts(path: Path) -> list[str]:
    return [element.text or "" for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture
def figures(monkeypatch) -> list[Any]:
    """The figures that are written."""
    kept: list[Any] = []
    save = Figure.savefig

    def noted(figure: Figure, *arguments: Any, **options: Any) -> None:
        kept.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", noted)
    return kept


def names_of(figure: Any) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_bars_have_the_lengths_of_their_parts_one_after_another(tmp_path, figures):
    assert write_stacked_bars(tmp_path / "a.svg", NAMES, PARTS, unit="opinions")
    (axes,) = figures[0].axes
    positive, negative = axes.containers
    assert [bar.get_width() for bar in positive] == PARTS["positive"]
    assert [bar.get_x() for bar in positive] == [0, 0, 0]
    assert [bar.get_width() for bar in negative] == PARTS["negative"]
    assert [bar.get_x() for bar in negative] == PARTS["positive"]
    assert names_of(figures[0]) == NAMES
    assert axes.yaxis_inverted(), "the first bar is at the top"
    assert axes.get_xlabel() == "opinions"


def test_an_svg_holds_names_and_legend_as_texts_and_is_the_same_again(tmp_path):
    chinese = ["房间", "早餐", "价格"]
    for name in ("a.svg", "b.svg"):
        assert write_stacked_bars(tmp_path / name, chinese, PARTS, unit="opinions", colours=COLOURS)
    assert {*chinese, "positive", "negative", "opinions"} <= set(texts(tmp_path / "a.svg"))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("parts", "colours", "legend"),
    [
        (PARTS, None, ["positive", "negative"]),
        ({"mentions": [1, 2, 3]}, None, None),
        ({"negative": [1, 2, 3]}, COLOURS, ["negative"]),
    ],
)
def test_a_single_part_has_a_legend_only_if_colours_have_a_meaning(tmp_path, figures, parts, colours, legend):
    write_stacked_bars(tmp_path / "a.svg", NAMES, parts, unit="mentions", colours=colours)
    found = figures[0].axes[0].get_legend()
    assert (found and [text.get_text() for text in found.get_texts()]) == legend


def test_a_name_is_neither_formula_nor_markup(tmp_path):
    odd = ["$x^2$<b>&", "a$", "甲\n乙"]
    assert write_stacked_bars(tmp_path / "a.svg", odd, {"mentions": [1, 2, 3]}, unit="mentions")
    assert {"$x^2$<b>&", "a$", "甲 乙", "mentions"} <= set(texts(tmp_path / "a.svg"))


def test_a_png_has_the_colours_of_its_parts(tmp_path, figures):
    assert write_stacked_bars(tmp_path / "a.png", NAMES, PARTS, unit="opinions", colours=COLOURS)
    assert names_of(figures[0]) == NAMES
    image = (imread(tmp_path / "a.png")[:, :, :3] * 255).round().astype(int)
    assert image.shape[1] == 1200
    for colour in COLOURS.values():
        rgb = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        assert (image == np.array(rgb)).all(axis=2).sum() > 1000


def test_a_png_without_a_font_is_numbered(tmp_path, figures, no_font):
    assert not write_stacked_bars(tmp_path / "a.png", ["房间", "早餐", "价格"], PARTS, unit="opinions")
    assert names_of(figures[0]) == ["1", "2", "3"]
    assert write_stacked_bars(tmp_path / "a.svg", ["房间", "早餐", "价格"], PARTS, unit="opinions")
    assert names_of(figures[1]) == ["房间", "早餐", "价格"]


def test_more_bars_make_a_higher_chart(tmp_path, figures):
    for n_bars in (1, 15):
        parts = {"mentions": [1] * n_bars}
        write_stacked_bars(tmp_path / "a.png", [f"a{number}" for number in range(n_bars)], parts, unit="mentions")
    low, high = (figure.get_figheight() for figure in figures)
    assert high - low == pytest.approx(14 * 0.36)
    assert SUFFIXES == (".png", ".svg")
