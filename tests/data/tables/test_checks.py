"""The data report against a brute-force count, and against the figures published for ChnSentiCorp."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from paddle_tasks.data.tables.checks import check, leaked_rows, report_lines
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.workflows.check_data import check_data

from ...helpers import CHNSENTICORP, needs_chnsenticorp, table

# Few texts and few labels, so that everything happens.
CORPUS = st.lists(st.tuples(st.sampled_from("甲乙丙丁戊"), st.sampled_from("01")), max_size=8)
KEYS = ["rows", "bad_rows", "labels", "characters", "duplicate_texts", "contradictory_texts", "leaked_texts"]


def split(name, rows, n_bad=0) -> Split[LabelledText]:
    examples = [LabelledText(text, label, f"{name}:{line}") for line, (text, label) in enumerate(rows, start=1)]
    return Split(name, Path(name), "", examples, [BadRow(name, line, "bad") for line in range(n_bad)])


@given(train=CORPUS, dev=CORPUS, test=CORPUS)
def test_counts_match_a_comparison_of_every_pair(train, dev, test):
    report = check({"train": split("train", train), "dev": split("dev", dev), "test": split("test", test)})
    repeats = sum(any(text == earlier for earlier, _ in train[:at]) for at, (text, _) in enumerate(train))
    quarrels = {a for (a, label), (b, other) in combinations(train, 2) if a == b and label != other}
    assert report["duplicate_texts"] == repeats
    assert report["contradictory_texts"] == len(quarrels)
    assert report["examples"]["contradictory_texts"] == sorted(quarrels)
    for name, rows in (("dev", dev), ("test", test)):
        leaks = [any(text == known for known, _ in train) for text, _ in rows]
        assert leaked_rows(split("x", train).examples, split("x", rows).examples).tolist() == leaks
        distinct = {text for (text, _), leaked in zip(rows, leaks, strict=True) if leaked}
        assert report["leaked_texts"][name] == len(distinct)
        assert report["examples"]["leaked_texts"][name] == sorted(distinct)


def test_the_report_in_full():
    train = split("train", [("好", "1"), ("好", "0"), ("很差", "0"), ("好", "1")], n_bad=25)
    report = check({"train": train, "dev": split("dev", [("好", "1"), ("好 ", "1")], n_bad=1)})
    assert list(report) == [*KEYS, "examples"]
    assert report["rows"] == {"train": 4, "dev": 2}
    assert report["bad_rows"] == 26
    assert report["examples"]["bad_rows"] == [f"train:{line}: bad" for line in range(20)]
    assert report["labels"] == {"train": {"1": 2, "0": 2}, "dev": {"1": 2}}
    assert report["characters"]["train"] == {"mean": 1.2, "p95": 1.8, "max": 2}
    assert (report["duplicate_texts"], report["contradictory_texts"], report["leaked_texts"]) == (2, 1, {"dev": 1})


def test_train_alone_has_no_leaks():
    report = check({"train": split("train", [])})
    assert report["leaked_texts"] == {}
    assert report["characters"]["train"]["max"] == 0


def test_labels_of_dev_are_those_of_train(tmp_path):
    train = table(tmp_path / "train.tsv", ("label", "text"), ("1", "好"), ("0", "差"), ("1",))
    dev = table(tmp_path / "dev.tsv", ("label", "text"), ("2", "中"), ("1", "好"))
    report = check_data("sentiment", {"train": str(train), "dev": str(dev)})
    assert report["rows"] == {"train": 2, "dev": 1}
    assert report["examples"]["bad_rows"] == [
        f"{train}:4: expected 2 columns, found 1",
        f"{dev}:2: unknown label '2' (one of 0, 1; data.labels may name others)",
    ]


@pytest.mark.parametrize(("labels", "n_bad"), [("[0, 1]", 1), ("[0, 1, 2]", 0)])
def test_labels_can_be_given(tmp_path, labels, n_bad):
    path = table(tmp_path / "a.tsv", ("1", "好"), ("2", "中"), ("0", "差"), ("1", "很好"))
    assert check_data("sentiment", {"train": str(path)}, [f"data.labels={labels}"])["bad_rows"] == n_bad


@needs_chnsenticorp
def test_the_published_figures_of_chnsenticorp():
    sources = {name: str(CHNSENTICORP / f"{name}.tsv") for name in ("train", "dev", "test")}
    report = check_data("sentiment", sources)
    assert report["rows"] == {"train": 9600, "dev": 1200, "test": 1200}
    assert report["bad_rows"] == 0
    assert report["duplicate_texts"] == 1351
    assert report["contradictory_texts"] == 24
    assert report["leaked_texts"] == {"dev": 335, "test": 330}
    assert report["characters"]["train"]["max"] == 1992
    assert int(report["characters"]["train"]["mean"]) == 108
    assert int(report["characters"]["train"]["p95"]) == 246


@pytest.mark.usefixtures("in_chinese")
def test_the_report_in_chinese_has_its_numbers_in_one_column():
    rows = [("好", "positive"), ("好", "negative"), ("差", "negative")]
    report = check({"train": split("train", rows), "dev": split("dev", rows, n_bad=1)})
    assert report["labels"]["train"] == {"negative": 2, "positive": 1}
    lines = list(report_lines(report))
    assert lines[0] == "train  3 行，平均 1.0 字，95% 的文本不超过 1 字，最长 1 字"
    assert lines[1] == "       标签   负面 (negative)：2、正面 (positive)：1"
    findings = [line for line in lines[4:] if not line.startswith("  ")]
    assert len(findings) == 4
    for line in findings:
        assert cell_len(re.split(r"\d", line)[0]) == 23
