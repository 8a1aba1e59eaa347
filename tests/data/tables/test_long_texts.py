"""Texts that no tokenizer can hold, and lines of a hundred megabytes."""

from __future__ import annotations

import json

import pytest

from paddle_tasks.data.corpus.documents import Document, read_documents
from paddle_tasks.data.opinion.examples import OpinionLayout
from paddle_tasks.data.opinion.readers import read_opinions
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError
from paddle_tasks.inference.inputs import read_inputs
from paddle_tasks.inference.texts import read_texts
from paddle_tasks.text import limits

from ..corpus.test_documents import section

LIMIT = 1000
REASON = "a text of 1,001 characters, expected at most 1,000; split it into several"


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch):
    monkeypatch.setattr(limits, "MAX_TEXT_LENGTH", LIMIT)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
def test_a_text_that_is_too_long_is_a_bad_row(tmp_path, name):
    texts = ["好" * LIMIT, "好" * (LIMIT + 1), "好"]
    separator = "," if name.endswith("csv") else "\t"
    lines = [json.dumps({"text": text, "label": "1"}) if "json" in name else f"{text}{separator}1" for text in texts]
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    first, second, third = read_rows(tmp_path / name, ("text", "label"), Layout())
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert second == BadRow(str(tmp_path / name), 2, REASON)


def test_so_it_is_in_opinions_and_corpora(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "好" * (LIMIT + 1), "spans": []}) + "\n", encoding="utf-8")
    assert [row.reason for row in read_opinions(tmp_path / "a.jsonl", OpinionLayout())] == [REASON]
    (tmp_path / "a.txt").write_text("好" * (LIMIT + 1), encoding="utf-8")
    assert [row.reason for row in read_documents(section("a.txt"), tmp_path)] == [REASON]
    (tmp_path / "b.txt").write_text("好\n" * (LIMIT + 1), encoding="utf-8")
    assert all(isinstance(row, Document) for row in read_documents(section("b.txt"), tmp_path))


def test_so_it_is_in_predictions(tmp_path):
    with pytest.raises(DataError, match=r"^item 2 of 2: a text of 1,001 characters"):
        read_texts(["好", "好" * (LIMIT + 1)])
    (tmp_path / "a.txt").write_text("好\n" + "好" * (LIMIT + 1), encoding="utf-8")
    assert [row.error for row in read_inputs((), tmp_path / "a.txt").rows] == ["", REASON]


@pytest.mark.long
def test_a_line_of_a_hundred_megabytes_is_a_bad_row(tmp_path, monkeypatch):
    monkeypatch.undo()
    path = tmp_path / "a.tsv"
    path.write_bytes(b"text\tlabel\n" + b"x" * 100_000_000 + b"\t1\ngood\t0\n")
    long, short = read_rows(path, ("text", "label"), Layout())
    assert isinstance(long, BadRow)
    assert "a text of 100,000,000 characters, expected at most 2,000,000" in long.reason
    assert isinstance(short, Row)
