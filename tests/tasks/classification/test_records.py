"""Records of classifiers for people and for CLUE."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import DataError
from paddle_tasks.tasks.classification.clue import CLUE
from paddle_tasks.tasks.classification.display import character_strengths, display_explanation
from paddle_tasks.training.display import Segment

RECORD = {"input": "很好吃", "label": "positive", "probabilities": {"negative": 0.125, "positive": 0.875}}


def test_a_record_is_one_line_with_label_probability_and_text():
    assert list(map(list, display_explanation(RECORD))) == [[Segment("positive 87.5%  "), Segment("很好吃")]]


def test_each_character_of_an_explained_record_has_a_strength():
    (line,) = display_explanation({**RECORD, "attributions": [[0, 1, 0.5], [1, 3, -2.0]]})
    assert list(line) == [
        Segment("positive 87.5%  "),
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
