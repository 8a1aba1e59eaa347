"""`check-data` of documents: their number, lines, lengths, duplicates, leaks and bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.config import validate
from paddle_tasks.data.corpus.checks import DocumentDataCheck
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.workflows.check_data import check_data, report_lines

from ...helpers import table

TRAIN = "桂花开了。\n香气满院。\n\n火车晚点三小时。\n\n桂花开了。\n香气满院。\n"
DEV = "火车晚点三小时。\n\n外面下雨！\n"


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    for name, text in (("train", TRAIN), ("dev", DEV)):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return {name: tmp_path / f"{name}.txt" for name in ("train", "dev")}


def check(files: dict[str, Path], **layout: Any) -> dict[str, Any]:
    data_check = DocumentDataCheck()
    sources: Any = {name: str(path) for name, path in files.items()}
    return data_check.check(sources, validate(layout, data_check.layout_section, "data"))


def test_documents_are_counted_and_compared_as_a_whole(files):
    report = check(files, blank_lines="part")
    assert report["rows"] == {"train": 3, "dev": 2}
    assert report["lines"] == {"train": 5, "dev": 2}
    assert report["duplicate_texts"] == 1
    assert report["contradictory_texts"] == 0
    assert report["leaked_texts"] == {"dev": 1}
    assert report["examples"]["leaked_texts"] == {"dev": ["火车晚点三小时。"]}
    assert report["characters"]["train"]["max"] == len("桂花开了。\n香气满院。")
    assert "labels" not in report


def test_the_layout_decides_what_a_document_is(files):
    report = check(files)
    assert report["rows"] == {"train": 1, "dev": 1}
    assert report["lines"] == {"train": 5, "dev": 2}
    assert (report["duplicate_texts"], report["leaked_texts"]) == (0, {"dev": 0})


def test_columns_of_a_table_can_be_named(tmp_path):
    path = table(tmp_path / "a.tsv", ("id", "review"), ("1", "好"), ("2", "差"), ("3",))
    report = check({"train": path}, columns=["review"])
    assert (report["rows"], report["leaked_texts"]) == ({"train": 2}, {})
    assert report["bad_rows"] == 1
    assert report["examples"]["bad_rows"][0].startswith(f"{path}:4: ")


def test_the_report_as_lines(files):
    files["train"].write_bytes(TRAIN.encode() + b"\n\xff\n")
    report = check(files, blank_lines="part")
    assert list(DocumentDataCheck().lines(report)) == [
        "train  3 documents of 5 lines, 10.0 characters on average, 95 % have at most 11, the longest 11",
        "dev    2 documents of 2 lines, 6.5 characters on average, 95 % have at most 8, the longest 8",
        "bad rows               1",
        f"  {report['examples']['bad_rows'][0]}",
        "duplicate texts        1 (train rows that repeat the text of an earlier row)",
        "contradictory texts    0 (distinct train texts with more than one label)",
        "leaked into dev        1 (distinct texts that are also in train)",
    ]


def test_the_workflow_checks_documents(files):
    sources: Any = {name: str(path) for name, path in files.items()}
    report = check_data("pretrain", sources, ["data.blank_lines=part"])
    assert report == check(files, blank_lines="part")
    assert "3 documents of 5 lines" in next(report_lines("pretrain", report))
    with pytest.raises(ConfigError, match=r"data\.blank_line: unknown key; did you mean 'blank_lines'"):
        check_data("pretrain", sources, ["data.blank_line=part"])


def test_a_missing_file_is_refused(files, tmp_path):
    with pytest.raises(DataError, match=r"trian\.txt: no such file or folder; did you mean"):
        check({"train": tmp_path / "trian.txt"})
