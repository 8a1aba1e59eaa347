"""Columns that divide the rows of a file into groups."""

from __future__ import annotations

import json

import pytest

from paddle_tasks.data.tables.row_groups import MAX_GROUPS, read_groups, split_groups
from paddle_tasks.data.tables.section import SplitsSection


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "separator"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_a_column_with_a_usual_name_gives_the_group_of_each_line(tmp_path, name, separator):
    rows = [("label", "domain", "text"), ("1", "hotel", "好"), ("0", "book", "差"), ("1", "", "行")]
    path = write(tmp_path / name, map(separator.join, rows))
    assert read_groups(path, "utf-8") == {"domain": {2: "hotel", 3: "book"}}


def test_keys_of_json_lines_are_columns(tmp_path):
    rows = [{"text": "好", "来源": "微博"}, {"text": "差", "来源": "论坛"}]
    path = write(tmp_path / "a.jsonl", (json.dumps(row, ensure_ascii=False) for row in rows))
    assert read_groups(path, "utf-8") == {"来源": {1: "微博", 2: "论坛"}}


@pytest.mark.parametrize(
    "lines",
    [
        ["label\ttext", "1\tdomain"],  # no such column
        ["1\tthe domain of hotels", "0\tbook"],  # no header
        ["domain\ttext", "a\tx", "a\ty"],  # one group
        ["domain\ttext", *(f"{number}\tx" for number in range(MAX_GROUPS + 1))],  # no groups, but something else
    ],
)
def test_other_files_have_no_groups(tmp_path, lines):
    assert read_groups(write(tmp_path / "a.tsv", lines), "utf-8") == {}


def test_a_folder_has_no_groups(tmp_path):
    assert read_groups(tmp_path, "utf-8") == {}


def test_the_groups_of_a_shipped_sample_are_its_domains():
    data = SplitsSection(train="builtin/sentiment", dev="builtin/sentiment", test="builtin/sentiment")
    groups = split_groups(data, "test", 1)
    assert {"household", "service"} <= set(groups["domain"].values())
