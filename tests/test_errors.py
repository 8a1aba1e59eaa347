"""Helpers for messages: nearest names, and lists of names."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddle_tasks.errors import at, did_you_mean, join_all, join_alternatives, join_names, nearest_path


def test_the_nearest_name_is_suggested():
    assert did_you_mean("epoch", ["epochs", "batch_size"]) == "; did you mean 'epochs'?"
    assert did_you_mean("epoch", ["x"]) == ""


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("data/nofile.txt", ""),
        ("data/nofile.tsv", ""),
        ("data/ok.csv", "; did you mean 'data/ok.txt'?"),
        ("data/nocols.csv", "; did you mean 'data/nocol.csv'?"),
        ("data/trian.tsv", "; did you mean 'data/train.tsv'?"),
    ],
)
def test_the_nearest_path_is_that_with_a_similar_stem(path, near):
    """Neither the folder nor the ending makes a name similar."""
    choices = ["data/ok.txt", "data/nocol.csv", "data/train.csv", "data/train.tsv"]
    assert nearest_path(Path(path), choices) == near


def test_names_are_joined():
    names = ["a", "b", "c"]
    assert join_all(names) == "a and b and c"
    assert [join_alternatives(names[:n]) for n in (0, 1, 2, 3)] == ["", "a", "a or b", "a, b or c"]
    assert join_names(names, 2) == "a, …, c"
    assert at("a.tsv:3", "empty text") == "a.tsv:3: empty text"


@pytest.mark.usefixtures("in_chinese")
def test_in_chinese():
    names = ["a", "b", "c"]
    assert did_you_mean("epoch", ["epochs"]) == "；是不是想写 'epochs'？"
    assert join_all(names) == "a、b、c"
    assert [join_alternatives(names[:n]) for n in (0, 1, 2, 3)] == ["", "a", "a 或 b", "a、b 或 c"]
    assert join_names(names, 2) == "a、…、c"
    assert at("a.tsv:3", "文本为空") == "a.tsv:3：文本为空"
