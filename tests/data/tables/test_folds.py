"""Folds: a partition with equal texts together and balanced labels, whatever the order of the rows."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.tables.folds import Part, assign_folds
from paddle_tasks.data.tables.splits import LabelledText
from paddle_tasks.errors import ConfigError

TEXTS = st.sampled_from("甲乙丙丁戊己庚辛")
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from("01")), min_size=1, max_size=40)


def examples(rows) -> list[LabelledText]:
    return [LabelledText(text, label, f"x:{place}") for place, (text, label) in enumerate(rows)]


def distinct(**labels: int) -> list[LabelledText]:
    """Return so many different texts of each label."""
    return examples((f"{label} {number}", label) for label, count in labels.items() for number in range(count))


@given(ROWS, st.integers(2, 6), st.integers(0, 3))
def test_equal_texts_are_in_one_fold_whatever_their_labels(rows, folds, seed):
    found = assign_folds(examples(rows), folds, seed)
    assert set(found) <= set(range(folds))
    assert len(set(zip((text for text, _ in rows), found, strict=True))) == len({text for text, _ in rows})


@given(ROWS, st.integers(2, 6), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, folds, chance):
    shuffled = chance.sample(rows, len(rows))
    where = [dict(zip(order, assign_folds(examples(order), folds, 1), strict=True)) for order in (rows, shuffled)]
    assert where[0] == where[1]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5), st.integers(2, 7), st.integers(0, 3))
def test_the_folds_label_counts_differ_by_at_most_one(a, b, c, folds, seed):
    rows = distinct(a=a, b=b, c=c)
    found = list(zip(assign_folds(rows, folds, seed), rows, strict=True))
    for labels in ("a", "b", "c", "abc"):
        counts = Counter(fold for fold, row in found if row.label in labels)
        per_fold = [counts[fold] for fold in range(folds)]
        assert max(per_fold) - min(per_fold) <= 1


@given(ROWS, st.integers(2, 6))
def test_the_folds_are_a_partition(rows, folds):
    given_rows = examples(rows)
    if len({text for text, _ in rows}) < folds:
        return
    held_out = []
    for fold in range(folds):
        part = Part(folds, fold, 3, held_out=True)
        dev, train = part.select(given_rows), replace(part, held_out=False).select(given_rows)
        assert sorted([*dev, *train], key=lambda e: e.where) == sorted(given_rows, key=lambda e: e.where)
        assert not {example.text for example in dev} & {example.text for example in train}
        held_out += dev
    assert sorted(held_out, key=lambda e: e.where) == sorted(given_rows, key=lambda e: e.where)


def test_rows_stay_in_their_order():
    rows = distinct(a=20, b=20)
    random.Random(4).shuffle(rows)
    train = Part(4, 1, 0, held_out=False).select(rows)
    assert train == [row for row in rows if row in train]
    assert len(train) == 30


def test_only_the_seed_changes_the_folds():
    rows = distinct(a=50, b=50)
    found = assign_folds(rows, 5, 1)
    assert found == assign_folds(rows, 5, 1)
    assert found != assign_folds(rows, 5, 2)
    assert found != sorted(found)


def test_larger_groups_are_assigned_first():
    rows = examples([("甲", "0")] * 6 + [(text, "0") for text in "乙丙丁戊己庚"])
    for seed in range(5):
        assert sorted(Counter(assign_folds(rows, 2, seed)).values()) == [6, 6]


def test_a_contradictory_text_counts_for_its_most_frequent_label():
    others = [(text, "0") for text in "乙丙丁戊"]
    found = assign_folds(examples([("甲", "1"), *[("甲", "0")] * 3, *others]), 2, 0)
    assert set(found[:4]) != set(found[4:])
    assert len(set(found[4:])) == 1  # four rows of label 0 in each fold
    found = assign_folds(examples([("甲", "0"), *[("甲", "1")] * 3, *others]), 2, 0)
    assert Counter(found[4:]) == {0: 2, 1: 2}


def test_an_empty_fold_is_refused():
    rows = examples([("甲", "0"), ("甲", "0"), ("乙", "1")])
    with pytest.raises(ConfigError, match=r"data\.folds: fold 2 of 3, seed 0 is empty, the file has 2 distinct texts$"):
        Part(3, 2, 0, held_out=True).select(rows)
    with pytest.raises(ConfigError, match=r"all but fold 0 of 2, seed 0 is empty, the file has 1 distinct text$"):
        Part(2, 0, 0, held_out=False).select(rows[:2])
    assert Part(2, 0, 0, held_out=True).select([]) == []


@pytest.mark.usefixtures("in_chinese")
def test_the_language_changes_messages_but_no_digest():
    part = Part(3, 2, 0, held_out=True)
    assert str(part) == "fold 2 of 3, seed 0"
    with pytest.raises(ConfigError, match=r"^data\.folds：3 折中的第 2 折（种子 0）为空，文件中只有 2 段不同的文本$"):
        part.select(distinct(a=1, b=1))
