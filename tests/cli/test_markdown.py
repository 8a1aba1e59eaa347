"""Markdown on a terminal: tables that fit, without markup."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.cli.markdown import draw_table, to_terminal
from paddle_tasks.wrapping import width_of

MARKDOWN = """\
# Results

| run | score |
| --- | --- |
| `runs/a` | **0.5** |
| runs/b | [0.6](https://x.org) |

*F1* is the mean
of two."""


def test_markup_is_left_out_and_paragraphs_are_joined():
    assert list(to_terminal(MARKDOWN, 40)) == [
        "Results",
        "",
        "run     score",
        "runs/a  0.5",
        "runs/b  0.6",
        "",
        "F1 is the mean of two.",
    ]


def test_chinese_lines_are_joined_without_a_space():
    assert list(to_terminal("两类任务的第二个标\n签的 F1\n指整段", 40)) == ["两类任务的第二个标签的 F1 指整段"]


def test_items_of_a_list_stand_alone():
    assert list(to_terminal("- `a`\n- b", 40)) == ["- a", "- b"]


def test_a_table_that_is_too_wide_is_turned():
    rows = [["run", "accuracy", "precision"], ["runs/a", "0.51", "0.52"], ["runs/b", "0.61", ""]]
    assert list(draw_table(rows, 18)) == [
        *["run        runs/a", "accuracy   0.51", "precision  0.52"],
        "",
        *["run       runs/b", "accuracy  0.61"],
    ]
    assert list(draw_table(rows, 25)) == ["run        runs/a  runs/b", "accuracy   0.51    0.61", "precision  0.52"]
    assert next(iter(draw_table(rows, 27))) == "run     accuracy  precision"


CELLS = st.text(st.sampled_from("ab 中文0.5"), min_size=1, max_size=30).map(lambda text: text.strip() or "x")


@given(st.integers(2, 6), st.data())
def test_no_line_is_too_wide(n_columns, data):
    headings = [f"column {number}" for number in range(n_columns)]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=n_columns, max_size=n_columns), min_size=1, max_size=4))
    assert all(width_of(line) <= 40 for line in draw_table([headings, *rows], 40))
