"""``data.label_map``: labels of the files become labels of the task, in training, in data checks and in evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.config import validate
from paddle_tasks.data.tables.section import DataSection, LayoutSection
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.classification.data import SINGLE_TEXT, LabelledData, LabelledDataCheck

from ...helpers import table

STARS = [("label", "text"), ("5", "好"), ("1", "差"), ("4", "很好"), ("2", "很差"), ("3", "一般")]
MAP = {"5": "positive", "4": "positive", "2": "negative", "1": "negative"}


@pytest.fixture
def file(tmp_path) -> str:
    return str(table(tmp_path / "stars.tsv", *STARS))


def section(file: str, **settings: Any) -> DataSection:
    return validate({"train": file, "dev": file, **settings}, DataSection, "data")


def data_of(file: str, **settings: Any) -> LabelledData:
    return LabelledData(section(file, **settings), 0, SINGLE_TEXT)


def labels(data: LabelledData) -> list[str]:
    return [example.label for example in data.splits["train"].examples]


def test_the_labels_of_train_are_those_of_the_map(file):
    data = data_of(file, label_map={**MAP, "3": "neutral"})
    data.read()
    assert data.labels == ("negative", "neutral", "positive")
    assert labels(data) == ["positive", "negative", "positive", "negative", "neutral"]


def test_labels_without_an_entry_stay_as_they_are(file):
    data = data_of(file, label_map=MAP)
    data.read()
    assert set(labels(data)) == {"positive", "negative", "3"}


def test_integers_in_yaml_are_labels(file):
    data = data_of(file, label_map={1: 0, 2: 0, 3: 0, 4: 1, 5: 1})
    data.read()
    assert data.labels == ("0", "1")


def test_names_of_labels_may_follow(file):
    data = data_of(file, label_map=MAP, label_names={"positive": "好评", "negative": "差评"}, on_bad_row="skip")
    data.read()
    assert len(data.splits["train"].bad_rows) == 1


def test_the_data_check(file):
    layout = validate({"label_map": MAP, "labels": ["positive", "negative"]}, LayoutSection, "data")
    report = LabelledDataCheck(SINGLE_TEXT).check({"train": file}, layout)
    assert report["labels"]["train"] == {"positive": 2, "negative": 2}
    assert report["bad_rows"] == 1


def trained(folder: Path) -> LabelledData:
    """Return the data of a model with the labels negative and positive."""
    named = table(folder / "named.tsv", ("label", "text"), ("positive", "好"), ("negative", "差"))
    data = data_of(str(named))
    data.read()
    return data


def test_a_model_reads_other_files_with_another_section(file, tmp_path):
    data = trained(tmp_path)
    with pytest.raises(DataError, match=r"unknown label '5' \(one of negative, positive"):
        data.load_split("test", file)
    data.use_section(section(file, label_map={**MAP, "3": "negative"}))
    assert [example.label for example in data.load_split("test", file).examples].count("negative") == 3
    assert data.labels == ("negative", "positive")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"label_map": {"5": "positiv"}},
            r"data\.label_map: the model has no label 'positiv'; did you mean 'positive'",
        ),
        ({"labels": ["positive", "neutral"]}, r"data\.labels: the model has no label 'neutral'"),
        ({"label_names": {"neutral": "中性"}}, r"data\.label_names: the model has no label 'neutral'"),
    ],
)
def test_labels_that_a_model_does_not_have(file, tmp_path, settings, message):
    data = trained(tmp_path)
    with pytest.raises(ConfigError, match=message):
        data.use_section(section(file, **settings))
