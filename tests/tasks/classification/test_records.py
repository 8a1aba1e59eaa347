"""Records of classifiers for people and for CLUE."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.classification.clue import CLUE
from paddle_tasks.tasks.classification.display import character_strengths, display_explanation
from paddle_tasks.tasks.classification.records import keep_most_probable, make_records
from paddle_tasks.training.display import Segment

PROBABILITIES = {"negative": 0.125, "positive": 0.875}
RECORD = {"input": "很好吃", "label": "positive", "score": 0.875, "probabilities": PROBABILITIES}


def test_a_record_is_one_line_with_label_probability_and_text():
    heading = Segment("positive 0.88", tone="positive")
    assert list(map(list, display_explanation(RECORD))) == [[heading, Segment("  "), Segment("很好吃")]]


def test_each_character_of_an_explained_record_has_a_strength():
    (line,) = display_explanation({**RECORD, "attributions": [[0, 1, 0.5], [1, 3, -2.0]]})
    assert list(line) == [
        Segment("positive 0.88", tone="positive"),
        Segment("  "),
        Segment("很", strength=0.25),
        Segment("好", strength=-1.0),
        Segment("吃", strength=-1.0),
    ]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.floats(-9, 9)), max_size=5))
def test_strengths_add_up_and_the_strongest_is_1(spans):
    attributions = [[start, min(5, start + size), value] for start, size, value in spans]
    sums = [sum(value for start, end, value in attributions if start <= at < end) for at in range(5)]
    strengths = character_strengths("一二三四五", attributions)
    largest = max(map(abs, sums))
    assert strengths == pytest.approx([value / largest if largest else 0.0 for value in sums])
    assert not largest or max(map(abs, strengths)) == pytest.approx(1)


def test_the_score_is_that_of_the_label_even_if_another_is_more_probable():
    predictions = [{"predicted": "0", "name": "unlike", "probabilities": {"0": 0.4, "1": 0.6}}]
    (record,) = make_records(["甲"], predictions)
    assert list(record.items()) == [
        ("input", "甲"),
        ("label", "0"),
        ("name", "unlike"),
        ("score", 0.4),
        ("probabilities", {"0": 0.4, "1": 0.6}),
    ]


def test_the_most_probable_labels_are_kept():
    for top_k, expected in ((1, ["b"]), (2, ["b", "a"]), (9, ["b", "a", "c"]), (None, ["a", "b", "c"])):
        record = {"probabilities": {"a": 0.25, "b": 0.625, "c": 0.125}}
        keep_most_probable([record], top_k)
        assert list(record["probabilities"]) == expected
    with pytest.raises(ConfigError, match="top_k: expected at least 1, found 0"):
        keep_most_probable([], 0)


def test_a_label_is_shown_by_its_name():
    (line,) = display_explanation({"input": "很", "label": "101", "name": "news_culture", "score": 0.5})
    assert line[0].text == "news_culture 0.50"


# ---- CLUE


def submitted(labels: list[str], ids: list[Any]) -> Any:
    return CLUE.to_lines([{"label": label} for label in labels], ids)


def test_a_submission_has_ids_and_labels():
    lines = submitted(["101", "116"], [0, "a"])
    assert [json.loads(line) for line in lines] == [{"id": 0, "label": "101"}, {"id": "a", "label": "116"}]
    assert CLUE.suffixes == ()


@pytest.mark.parametrize(
    ("labels", "ids", "message"),
    [
        (["0", "0"], [1, 1], "--clue: the id 1 occurs twice in the input"),
        (["0", "news_car"], [0, 1], "the label 'news_car' is not one of CLUE's, which are numbers.*label_names="),
    ],
)
def test_a_submission_that_clue_would_not_accept_is_refused(labels, ids, message):
    with pytest.raises(DataError, match=message):
        submitted(labels, ids)
