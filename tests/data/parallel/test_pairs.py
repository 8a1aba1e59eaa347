"""Pairs of files: either direction, held-out books, limits and leaks."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from paddle_tasks import config as configuration
from paddle_tasks.data.parallel.leaks import exact_leaks, near_leaks
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.data.parallel.section import ParallelData
from paddle_tasks.data.parallel.splits import load_pairs
from paddle_tasks.errors import ConfigError, DataError

COLUMNS = {"source": "classical", "target": "modern", "book": "book"}
ROWS = [("论语", "学而时习之", "学了要时常温习"), ("孟子", "不为也", "不去做"), ("庄子", "吾丧我", "我忘了自己")]


def section(path, **changes):
    tree = {"train": str(path), "dev": str(path), "test": str(path), "columns": COLUMNS, **changes}
    return configuration.validate(tree, ParallelData, "data")


def load(data, name):
    return load_pairs(data, name, data.source(name, 1))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "pairs.tsv.gz"
    lines = ["book\tclassical\tmodern", *map("\t".join, ROWS)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def sides(split):
    return [(pair.book, pair.source, pair.target) for pair in split.examples]


def test_columns_name_the_direction(table):
    assert sides(load(section(table), "train")) == ROWS
    backwards = section(table, columns={"source": "modern", "target": "classical"})
    assert sides(load(backwards, "train")) == [("", target, source) for _book, source, target in ROWS]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_other_formats_give_the_same_pairs(tmp_path, suffix):
    path, keys = tmp_path / f"pairs.{suffix}", ("book", "classical", "modern")
    objects = [json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False) for row in ROWS]
    path.write_text("\n".join(objects if suffix == "jsonl" else map(",".join, [keys, *ROWS])), "utf-8")
    assert sides(load(section(path), "train")) == ROWS


def test_an_empty_side_is_a_bad_row(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("book\tclassical\tmodern\n论语\t \t学习\n孟子\t为\t做\n", "utf-8")
    split = load(section(path), "train")
    assert len(split.examples) == 1
    assert str(split.bad_rows[0]).startswith(f"{path}:2: ")


def test_held_out_books_are_in_one_split_only(table):
    data = section(table, held_out_books={"dev": ["孟子"], "test": ["庄子"]})
    splits = {name: load(data, name) for name in ("train", "dev", "test")}
    assert [[book for book, *_ in sides(split)] for split in splits.values()] == [["论语"], ["孟子"], ["庄子"]]
    assert [split.counts["pairs_left_out_for_their_books"] for split in splits.values()] == [2, 2, 2]
    assert len({split.sha256 for split in splits.values()}) == 3
    assert sides(load_pairs(data, "test", str(table))) == ROWS  # another file is read whole


def test_books_that_cannot_be_held_out(table):
    with pytest.raises(DataError, match=r"held_out_books\.test: .* no pair of the book '荘子'"):
        load(section(table, held_out_books={"dev": ["孟子"], "test": ["荘子"]}), "test")
    books = {"dev": ["孟子"], "test": ["庄子"]}
    without = section(table, columns={"source": "classical", "target": "modern"}, held_out_books=books)
    with pytest.raises(ConfigError, match=r"data\.columns\.book"):
        load(without, "train")
    with pytest.raises(ConfigError, match="no book of both"):
        section(table, held_out_books={"dev": ["孟子"], "test": ["孟子"]})


def test_longer_pairs_are_not_usable():
    pairs = [Pair("a" * source, "b" * target, "", "") for source, target in ((3, 3), (4, 3), (3, 4))]
    data = section("pairs.tsv", max_length=3)
    assert data.usable(pairs) == pairs[:1]
    assert section("pairs.tsv").usable(pairs) == pairs


def test_leaks_are_found_on_either_side():
    long = "冬十月癸丑振山西被寇者复徭役二年"
    train = [Pair(long, "甲", "", ""), Pair("乙丙丁", "二十八日武平伯陈友为征夷将军", "", "")]
    pairs = [Pair(long + "。", "丙", "", ""), Pair("己庚", train[1].target, "", ""), Pair("辛", "壬", "", "")]
    exact, near = exact_leaks(train, pairs), near_leaks(train, pairs)
    np.testing.assert_array_equal([exact["source"], exact["target"]], [[0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal([near["source"], near["target"]], [[1, 0, 0], [0, 1, 0]])
