"""Which data set a run was scored on, found by content alone, and when published scores are not comparable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError
from paddle_tasks.files import sha256
from paddle_tasks.reporting import references as module
from paddle_tasks.reporting.entries import Entry, fingerprint, read_entries
from paddle_tasks.reporting.references import (
    COURSE_NOTES,
    References,
    comparison_obstacles,
    find_known_split,
    load_references,
    load_shipped_references,
)

from ..helpers import CHNSENTICORP, DATA, needs_chnsenticorp
from .folders import SHA, part, scored, write_predictions, write_run

TEXTS = ["很好", "不 好", "一般"]
FILES = [
    {"split": "train", "rows": 100},
    {"split": "dev", "rows": 10, "sha256": [SHA["dev"]]},
    {"split": "test", "rows": 3, "sha256": [SHA["test"]], "texts": fingerprint(TEXTS)},
    {"split": "hidden", "rows": 7, "labels": 4},
]
PUBLISHED = {"source": "https://x", "split": "test", "train_rows": 100, "metric": "accuracy", "percent": {"BERT": 90.0}}


@pytest.fixture
def known(tmp_path) -> References:
    file = tmp_path / "references.yaml"
    file.write_text(json.dumps({"data_sets": {"x": {"name": "X", "files": FILES, "published": [PUBLISHED]}}}))
    return load_references(file)


def entry(folder: Path, **options: Any) -> Entry:
    (found,) = read_entries([write_run(folder, **options)])
    return found


# ---- which data it is


def test_a_file_is_known_by_its_sha256_whatever_its_name(known, tmp_path):
    found = entry(tmp_path / "a", data={"dev": part(10, SHA["dev"], "elsewhere/test.tsv")}).splits
    assert (find_known_split(found["dev"], known).key, find_known_split(found["dev"], known).split) == ("x", "dev")


def test_a_path_alone_identifies_nothing(known, tmp_path):
    """The negative control: the same name and as many rows, other content."""
    found = entry(tmp_path / "a", data={"dev": part(10, SHA["other"], "chnsenticorp/dev.tsv")}).splits
    assert find_known_split(found["dev"], known) is None


@pytest.mark.parametrize(
    ("texts", "is_known"),
    [
        (TEXTS, True),
        (TEXTS[::-1], True),
        (["很好", "不\t好 ", "一般"], True),
        (["很好", "不好", "一般"], False),
        (["很好", "很好", "一般"], False),
    ],
)
def test_the_same_texts_in_another_layout_are_the_same_data(known, tmp_path, texts, is_known):
    found = entry(tmp_path / "a", data={"test": part(3, SHA["other"])})
    write_predictions(tmp_path / "a", "test", texts)
    assert (find_known_split(found.splits["test"], known) is not None) == is_known


def test_without_predictions_other_bytes_are_other_data(known, tmp_path):
    assert find_known_split(entry(tmp_path / "a", data={"test": part(3, SHA["other"])}).splits["test"], known) is None


@pytest.mark.parametrize(("rows", "n_labels", "split"), [(7, 4, "hidden"), (7, 3, None), (8, 4, None)])
def test_rows_without_a_known_hash_are_recognised_by_rows_and_labels(known, tmp_path, rows, n_labels, split):
    run = entry(tmp_path / "a", scores={"dev": scored(0.5, n_labels)}, data={"dev": part(rows, SHA["other"])})
    place = find_known_split(run.splits["dev"], known)
    assert (place.split if place else None) == split


@given(st.lists(st.text("很好 \t", max_size=3), min_size=1, max_size=5))
def test_a_fingerprint_ignores_order_and_layout(texts):
    assert fingerprint(texts[::-1]) == fingerprint([f" {text}\n" for text in texts]) == fingerprint(texts)
    assert fingerprint([*texts, "又一条"]) != fingerprint(texts)


# ---- what can be compared


def reasons(known: References, run: Entry, **published: Any) -> list[str]:
    data_set = known.data_sets["x"]
    return list(comparison_obstacles(data_set.published[0].model_copy(update=published), data_set, run))


@pytest.fixture
def run(tmp_path) -> Entry:
    return entry(tmp_path / "run", data={"test": part(3, SHA["test"])})


def test_the_same_rows_to_learn_and_to_score_are_comparable(known, run):
    assert reasons(known, run) == []
    assert reasons(known, run, split="dev") == []


def test_other_train_rows_are_not_comparable(known, run):
    assert reasons(known, run, train_rows=400) == ["other train data (400 rows; here 100)"]


def test_another_split_is_not_comparable(known, run):
    assert reasons(known, run, split="hidden") == ["another split (hidden of 7 rows; here dev of 10, test of 3)"]


def test_another_metric_is_not_comparable(known, run):
    assert reasons(known, run, metric="f1") == ["another metric (f1)"]


def test_all_reasons_are_given(known, run):
    assert len(reasons(known, run, split="hidden", train_rows=5)) == 2


def test_unknown_rows_are_named_by_the_split_of_the_run(known, tmp_path):
    mixed = entry(tmp_path / "a", data={"test": part(5, SHA["other"])})
    assert reasons(known, mixed) == ["another split (test of 3 rows; here dev of 10, test of 5)"]


# ---- what ships


def test_the_shipped_references_are_complete():
    shipped = load_shipped_references().data_sets
    assert set(shipped) == {"chnsenticorp", "thucnews-titles", "afqmc", "tnews", "iflytek", "cote-bd"}
    hashes = []
    for data_set in shipped.values():
        splits = {known.split for known in data_set.files}
        assert len(splits) == len(data_set.files)
        hashes += [digest for known in data_set.files for digest in (*known.sha256, known.texts) if digest]
        for published in data_set.published:
            assert published.source.startswith("https://") or published.source == COURSE_NOTES
            assert published.split in splits
            assert published.train_rows == data_set.n_rows("train")
            assert all(20 < percent < 100 for percent in published.percent.values())
    assert len(set(hashes)) == len(hashes)
    assert all(len(digest) == 64 for digest in hashes)


def test_well_known_scores():
    """PaddleNLP's table of CLUE's dev, THUCNews titles with all rows, SKEP on COTE-BD."""
    shipped = load_shipped_references().data_sets
    first = {key: data_set.published[0].percent for key, data_set in shipped.items()}
    names = ("ERNIE 3.0 Base", "ERNIE 3.0 Nano")
    assert [first["afqmc"][name] for name in names] == [75.93, 70.51]
    assert [first["tnews"][name] for name in names] == [58.26, 54.57]
    assert [first["iflytek"][name] for name in names] == [61.56, 48.36]
    assert (first["thucnews-titles"]["Transformer"], first["cote-bd"]["SKEP"]) == (89.91, 84.50)


def test_the_course_notes_have_both_trainings_of_iflytek():
    published = load_shipped_references().data_sets["iflytek"].published
    notes = [scores for scores in published if scores.source == COURSE_NOTES]
    assert [(scores.percent, scores.note.rsplit("; ")[1]) for scores in notes] == [
        ({"bert-base-chinese": 61}, "everything trained, 5 epochs"),
        ({"bert-base-chinese": 55}, "frozen but for pooler and head, 80 epochs"),
    ]


def test_a_mistake_in_references_is_named(tmp_path):
    file = tmp_path / "references.yaml"
    file.write_text("data_sets:\n  x: {name: X, files: [], publishd: []}\n")
    with pytest.raises(ConfigError, match="publishd: unknown key"):
        load_references(file)


def test_references_are_package_data():
    setup = (Path(module.__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    assert "reporting/*.yaml" in setup


@needs_chnsenticorp
@pytest.mark.parametrize(
    ("file", "place", "parts"),
    [
        ("sentiment/chnsenticorp/test.tsv", ("chnsenticorp", "test"), (1, 2)),
        ("news/thucnews_titles/test.txt", ("thucnews-titles", "test"), (0, 1)),
        ("clue/tnews/dev.tsv", ("tnews", "dev"), (0, 1)),
        ("clue/afqmc/dev.txt", ("afqmc", "dev"), (0, 2)),
    ],
)
def test_the_public_files_are_known_in_any_layout(tmp_path, file, place, parts):
    """By their bytes, and by the texts of a run that has read other bytes."""
    lines = (DATA / file).read_text(encoding="utf-8").splitlines()[CHNSENTICORP in (DATA / file).parents :]
    texts = ["\t".join(line.split("\t")[slice(*parts)]) for line in lines]
    run = entry(tmp_path / "a", data={"test": part(len(texts), SHA["other"])})
    assert find_known_split(run.splits["test"]) is None
    write_predictions(tmp_path / "a", "test", texts)
    (run,) = read_entries([tmp_path / "a"])
    found = find_known_split(run.splits["test"])
    assert (found.key, found.split) == place


@needs_chnsenticorp
@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("clue/iflytek/test_public.json", ("iflytek", "FewCLUE test_public")),
        ("clue/iflytek/dev_few_all.json", ("iflytek", "FewCLUE dev_few_all")),
        ("clue/tnews/dev.json", ("tnews", "dev")),
        ("sentiment/chnsenticorp/dev.tsv", ("chnsenticorp", "dev")),
        ("opinion/cote_bd/test.txt", ("cote-bd", "test")),
    ],
)
def test_the_public_files_are_known_by_their_bytes(tmp_path, file, place):
    run = entry(tmp_path / "a", data={"dev": part(1, sha256(DATA / file))})
    found = find_known_split(run.splits["dev"])
    assert (found.key, found.split) == place
