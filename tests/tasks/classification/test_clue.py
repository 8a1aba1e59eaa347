"""Submissions to CLUE."""

from __future__ import annotations

import pytest

from paddle_tasks.errors import DataError
from paddle_tasks.tasks.classification.clue import submission


def test_a_submission_has_an_id_and_a_label_for_each_row():
    records = [{"label": "101", "probabilities": {}}, {"label": "116", "name": "news_game"}]
    assert submission(records, [0, 5]) == ['{"id": 0, "label": "101"}', '{"id": 5, "label": "116"}']


@pytest.mark.parametrize(
    ("ids", "label", "message"),
    [
        ([1, 1], "0", "the id 1 occurs twice"),
        ([0, 1], "news_car", "label 'news_car' is not one of CLUE's.*label_names="),
    ],
)
def test_repeated_ids_and_names_of_labels_are_refused(ids, label, message):
    with pytest.raises(DataError, match=message):
        submission([{"label": label}] * 2, ids)
