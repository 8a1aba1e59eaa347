"""Labelled rows: the splits and labels of a run, what a model folder keeps of them, and their data check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.config import validate
from paddle_tasks.data.tables.section import DataSection, LayoutSection
from paddle_tasks.data.tables.splits import LabelledText
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.classification.data import (
    SINGLE_TEXT,
    TEXT_PAIR,
    LabelledData,
    LabelledDataCheck,
    RowFormat,
)

from ...helpers import table

HEADER = ("label", "text")
ROWS = [("1", "好"), ("0", "差"), ("1", "很好"), ("0", "很差")]
PAIRS = [("label", "text_a", "text_b"), ("0", "还款", "借款"), ("1", "还款", "还钱")]
NAMES = {"0": "negative", "1": "positive"}


def data_of(row_format: RowFormat = SINGLE_TEXT, seed: int = 0, **settings: Any) -> LabelledData:
    return LabelledData(validate(settings, DataSection, "data"), seed, row_format)


def read(row_format: RowFormat = SINGLE_TEXT, seed: int = 0, **settings: Any) -> LabelledData:
    data = data_of(row_format, seed, **settings)
    data.read()
    return data


@pytest.fixture
def path(tmp_path) -> str:
    return str(table(tmp_path / "a.tsv", HEADER, *ROWS))


# ---- splits and labels


def test_the_splits_are_read_and_labels_are_in_a_stable_order(path):
    data = read(train=path, dev=path)
    assert {name: len(split.examples) for name, split in data.splits.items()} == {"train": 4, "dev": 4}
    assert data.labels == ("0", "1")
    assert data.label_indices(data.splits["train"].examples).tolist() == [1, 0, 1, 0]
    assert data.texts(data.splits["dev"]) == [("好",), ("差",), ("很好",), ("很差",)]
    assert list(read(train=path, dev=path, test=path).splits) == ["train", "dev", "test"]


def test_an_unknown_label_has_index_0(path):
    data = read(train=path, dev=path)
    assert data.label_indices([LabelledText("中", "2", ""), LabelledText("好", "1", "")]).tolist() == [0, 1]


def test_given_labels_keep_their_order_and_others_are_refused(path):
    assert read(train=path, dev=path, labels=["1", "2", "0"]).labels == ("1", "2", "0")
    with pytest.raises(DataError, match=r"a\.tsv:3: unknown label '0' \(one of 1, 2"):
        read(train=path, dev=path, labels=["1", "2"])


def test_numbers_are_labels_and_their_names_are_accepted_in_files(tmp_path, path):
    named = str(table(tmp_path / "named.tsv", HEADER, ("positive", "好"), ("0", "差")))
    data = read(train=path, dev=named, label_names=NAMES)
    assert data.labels == ("0", "1")
    assert [example.label for example in data.splits["dev"].examples] == ["1", "0"]
    assert data.label_names == NAMES


def test_labels_of_dev_count_only_if_dev_is_a_fold_of_train(tmp_path, path):
    other = str(table(tmp_path / "other.tsv", HEADER, ("2", "中"), ("1", "好")))
    with pytest.raises(DataError, match=r"other\.tsv:2: unknown label '2'"):
        read(train=path, dev=other)
    rare = str(table(tmp_path / "rare.tsv", HEADER, *ROWS, ("2", "中")))
    for fold in range(3):
        assert read(train=rare, folds=3, fold=fold).labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("row_format", "rows", "message"),
    [
        (SINGLE_TEXT, [HEADER, ("1", "好")], r"^data\.labels: a classifier needs two labels or more, found \['1'\]$"),
        (
            TEXT_PAIR,
            [*PAIRS, ("2", "甲", "乙")],
            r"^data\.labels: a pair is similar or not, expected 2 labels, found \['0', '1', '2'\]$",
        ),
    ],
)
def test_the_number_of_labels_is_checked(tmp_path, row_format, rows, message):
    path = str(table(tmp_path / "a.tsv", *rows))
    with pytest.raises(ConfigError, match=message):
        read(row_format, train=path, dev=path)


def test_a_pair_has_two_texts(tmp_path):
    path = str(table(tmp_path / "a.tsv", *PAIRS))
    data = read(TEXT_PAIR, train=path, dev=path)
    assert data.splits["train"].examples[0].text == "还款\t借款"
    assert data.texts(data.splits["train"]) == [("还款", "借款"), ("还款", "还钱")]


def test_another_file_replaces_a_split_and_keeps_the_labels(tmp_path, path):
    data = read(train=path, dev=path)
    other = data.load_split("dev", str(table(tmp_path / "b.tsv", HEADER, ("1", "好"))))
    assert data.splits["dev"] is other
    assert data.labels == ("0", "1")
    with pytest.raises(DataError, match="unknown label '2'"):
        data.load_split("dev", str(table(tmp_path / "c.tsv", HEADER, ("2", "好"))))


def test_bad_rows_are_errors_or_counted(tmp_path):
    path = str(table(tmp_path / "a.tsv", HEADER, ("1", "好"), ("0",), ("0", "差")))
    with pytest.raises(DataError, match=r"a\.tsv:3: expected 2 columns, found 1"):
        read(train=path, dev=path)
    train = read(train=path, dev=path, on_bad_row="skip").splits["train"]
    assert (len(train.examples), len(train.bad_rows)) == (2, 1)


# ---- the model folder


@pytest.mark.parametrize(
    ("names", "kept"),
    [({}, {"labels": ["0", "1"]}), (NAMES, {"labels": ["0", "1"], "label_names": NAMES})],
)
def test_a_model_folder_keeps_labels_and_names(path, names, kept):
    settings = read(train=path, dev=path, **({"label_names": names} if names else {})).settings()
    assert settings == kept
    loaded = data_of(train="nowhere.tsv", dev=path)
    loaded.restore(settings)
    assert (loaded.labels, loaded.label_names) == (("0", "1"), names)
    assert loaded.load_split("dev").name == "dev", "without the train data"


# ---- the data check


def check(row_format: RowFormat, layout: dict[str, Any], **sources: Path) -> dict[str, Any]:
    sources_by_split: Any = {name: str(path) for name, path in sources.items()}
    return LabelledDataCheck(row_format).check(sources_by_split, validate(layout, LayoutSection, "data"))


def test_the_check_counts_labels_duplicates_contradictions_and_leaks(tmp_path):
    train = table(tmp_path / "train.tsv", HEADER, *ROWS, ("1", "好"), ("1", "差"), ("1",))
    dev = table(tmp_path / "dev.tsv", HEADER, ("1", "好"), ("2", "中"), ("0", "一般"))
    report = check(SINGLE_TEXT, {}, train=train, dev=dev)
    assert report["rows"] == {"train": 6, "dev": 2}
    assert report["labels"] == {"train": {"1": 4, "0": 2}, "dev": {"1": 1, "0": 1}}
    assert (report["duplicate_texts"], report["contradictory_texts"], report["leaked_texts"]) == (2, 1, {"dev": 1})
    assert report["examples"]["contradictory_texts"] == ["差"]
    assert [bad.partition(": ")[0] for bad in report["examples"]["bad_rows"]] == [f"{train}:8", f"{dev}:3"]
    assert "       labels 1: 4, 0: 2" in list(LabelledDataCheck(SINGLE_TEXT).lines(report))


def test_the_check_takes_labels_and_names(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("positive", "好"), ("0", "差"), ("2", "中"))
    assert check(SINGLE_TEXT, {}, train=path)["bad_rows"] == 0
    report = check(SINGLE_TEXT, {"label_names": NAMES}, train=path)
    assert (report["bad_rows"], report["labels"]) == (1, {"train": {"1": 1, "0": 1}})
    assert check(SINGLE_TEXT, {"label_names": NAMES, "labels": ["0", "1", "2"]}, train=path)["bad_rows"] == 0


def test_the_check_of_pairs_compares_both_texts(tmp_path):
    train = table(tmp_path / "train.tsv", *PAIRS, ("1", "还款", "借款"))
    dev = table(tmp_path / "dev.tsv", PAIRS[0], ("1", "借款", "还款"))
    report = check(TEXT_PAIR, {}, train=train, dev=dev)
    assert (report["contradictory_texts"], report["leaked_texts"]) == (1, {"dev": 0})
