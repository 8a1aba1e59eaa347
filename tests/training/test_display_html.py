"""Lines and tables as HTML: escaped, self-contained, readable on any background."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.training.display import Cell, Segment, Table
from paddle_tasks.training.display_html import lines_to_html, page, table_to_html
from paddle_tasks.training.display_text import table_to_text

SEGMENTS = [
    Segment("房间", label="aspect"),
    Segment("干净", label="opinion"),
    Segment("很", strength=1.0),
    Segment("差", strength=-0.5),
    Segment("旧", change="removed"),
    Segment("新", change="added"),
    Segment("好", tone="positive"),
    Segment("平"),
]
TABLE = Table(
    "标题", ("", "得分"), [[Cell("甲", "negative"), Cell("0.5")], [Cell("乙", link="a b.html"), Cell("1")]], (1,)
)


class Reader(HTMLParser):
    """Collects the texts and the elements of a fragment, and checks that all elements are closed in their order."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.text, self.names, self.attributes, self.open = "", [], [], []
        self.feed(fragment)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        self.names.append(name)
        self.attributes += attributes
        self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.text += data


def styles(fragment: str) -> list[str]:
    return [value for name, value in Reader(fragment).attributes if name == "style"]


texts = st.text(alphabet=st.sampled_from("<>&\"'好a\t "), max_size=8)


@given(texts, st.sampled_from(SEGMENTS))
def test_any_text_is_shown_as_it_is(text, kind):
    segment = Segment(text, kind.label and text, kind.strength, kind.tone, kind.change)
    read = Reader(lines_to_html([[segment]]))
    assert text in read.text
    assert {"script", "b", "img"}.isdisjoint(read.names)
    assert {name for name, _value in read.attributes} <= {"style"}


def test_markup_in_texts_has_no_effect():
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    fragment = lines_to_html([[Segment(hostile, label=hostile)]]) + table_to_html(
        Table(hostile, (hostile,), [[Cell(hostile, link=hostile)]], remarks=[hostile])
    )
    assert {"script", "img"}.isdisjoint(Reader(fragment).names)
    assert not [name for name, _value in Reader(fragment).attributes if name.startswith("on")]


def test_what_no_page_can_hold_is_replaced():
    assert "\ufffd31m好\ufffd" in Reader(lines_to_html([[Segment("\x1b31m好\ud83d")]])).text
    assert lines_to_html([[Segment("\ud83d")]]).encode("utf-8")


def test_each_kind_of_segment_has_its_element():
    read = Reader(lines_to_html([SEGMENTS]))
    assert [name for name in read.names if name in {"mark", "ins", "del"}] == ["mark"] * 4 + ["del", "ins", "mark"]
    assert "房间aspect干净opinion很差旧新好平" in read.text


def test_the_legend_is_there_for_strengths_only():
    assert Reader(lines_to_html([[Segment("很", strength=1.0)]])).text == "supports the label | speaks against it很"
    assert Reader(lines_to_html([[Segment("很", label="a")]])).text == "很a"


def test_a_deeper_background_is_a_larger_strength():
    def opacity(strength: float) -> float:
        (found,) = re.findall(r",(0?\.\d+)\)", styles(lines_to_html([[Segment("很", strength=strength)]]))[-1])
        return float(found)

    assert opacity(0.2) < opacity(0.6) < opacity(1.0) < 0.6
    assert opacity(-0.6) == opacity(0.6)


def test_a_label_has_one_colour_in_all_lines():
    one, two = (
        re.findall(r"rgba\([^)]*\)", style) for style in styles(lines_to_html([SEGMENTS[:1], SEGMENTS[:1]]))[1::2]
    )
    assert one == two != []


@pytest.mark.parametrize("fragment", [lines_to_html([SEGMENTS]), table_to_html(TABLE)])
def test_a_fragment_can_be_read_on_light_and_dark_backgrounds(fragment):
    # Text takes the colour of its surroundings, and no background is opaque.
    colours = [style for style in styles(fragment) if re.search(r"(?<!-)\bcolor:(?!inherit)", style)]
    backgrounds = re.findall(r"background:(?!rgba|none)[^;]+", fragment)
    assert (colours, backgrounds) == ([], [])
    assert all(float(opacity) < 0.6 for opacity in re.findall(r"background:rgba\([\d,]+,([\d.]+)\)", fragment))


def test_nothing_is_loaded_from_elsewhere():
    whole = page(lines_to_html([SEGMENTS]) + table_to_html(TABLE), "好")
    assert not re.search(r"https?:|src=|@import|url\(", whole)
    assert [value for name, value in Reader(table_to_html(TABLE)).attributes if name == "href"] == ["a b.html"]


def test_a_page_follows_the_colours_of_the_system():
    whole = page("<p>好</p>", "<标题>")
    assert '<meta name="color-scheme" content="light dark">' in whole
    assert '<meta charset="utf-8">' in whole
    assert "<title>&lt;标题&gt;</title>" in whole


def test_an_empty_line_has_a_height():
    assert "<div>&nbsp;</div>" in lines_to_html([[]])


# ---- tables


def test_a_table_has_headings_and_aligned_cells():
    read = Reader(table_to_html(TABLE))
    assert read.text == "标题得分甲0.5乙1"
    assert [name for name in read.names if name in {"th", "td"}] == ["th"] * 2 + ["td"] * 4
    assert [style[-5:] for style in styles(table_to_html(TABLE)) if "text-align:right" in style] == ["right"] * 3
    assert "th" not in Reader(table_to_html(Table("", ("", ""), [[Cell("a"), Cell("b")]]))).names


def test_a_table_as_text_counts_the_width_of_chinese_characters():
    table = Table("标题", ("名称", "n"), [[Cell("好"), Cell("1.25")], [Cell("abcdef"), Cell("2")]], (1,), ["完"])
    assert table_to_text(table).splitlines() == ["标题", "名称       n", "好      1.25", "abcdef     2", "完"]
