"""Scores with and without the rows whose text occurs in train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import DataError
from paddle_tasks.tasks.deduplication import check_count, with_deduplicated

TEXTS = st.lists(st.sampled_from("甲乙丙丁"), min_size=1, max_size=6)


def split_of(name: Any, texts: Any) -> Split[LabelledText]:
    return Split(name, Path(name), "", [LabelledText(text, "", "") for text in texts], [])


def scores_of(train: Any, dev: Any, name: str = "dev", names: Any = ("rows",)) -> dict[str, Any]:
    """Return as the metric ``rows`` the indices of the scored rows."""
    splits: Any = {} if train is None else {"train": split_of("train", train)}
    rows = with_deduplicated(
        lambda kept: {"rows": np.flatnonzero(kept).tolist(), "loss": 1.0}, splits, split_of(name, dev), names
    )
    assert rows["loss"] == 1.0
    return {key: value for key, value in rows.items() if key != "loss"}


@given(train=TEXTS, dev=TEXTS)
def test_the_twin_is_over_the_rows_whose_text_is_not_in_train(train, dev):
    clean = [row for row, text in enumerate(dev) if text not in train]
    expected = {"rows": list(range(len(dev)))}
    if 0 < len(clean) < len(dev):
        expected["rows_deduplicated"] = clean
    assert scores_of(train, dev) == expected


def test_train_itself_and_a_split_without_train_have_no_twin():
    assert set(scores_of("甲", "甲乙", name="train")) == {"rows"}
    assert set(scores_of(None, "甲乙")) == {"rows"}
    assert set(scores_of("甲", "甲乙")) == {"rows", "rows_deduplicated"}


def test_only_named_metrics_that_exist_have_a_twin():
    assert set(scores_of("甲", "甲乙", names=("f1", "rows"))) == {"rows", "rows_deduplicated"}
    assert set(scores_of("甲", "甲乙", names=())) == {"rows"}


@pytest.mark.parametrize("n_records", [0, 2, 4])
def test_there_must_be_a_record_for_each_row(n_records):
    check_count(3, [{}] * 3, "rows of a.tsv")
    with pytest.raises(
        DataError, match=rf"^predictions: expected a record for each of the 3 rows of a\.tsv, found {n_records}$"
    ):
        check_count(3, [{}] * n_records, "rows of a.tsv")
