"""News: labels that are numbers with names, whether a file has the numbers or the names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks.errors import DataError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.workflows.check_data import check_data
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train

from ...helpers import table
from ..conftest import dev_records, quick_config, read_task

NAMES = {"100": "news_story", "104": "news_finance", "116": "news_game"}
SETTING = "data.label_names={100: news_story, 104: news_finance, 116: news_game}"
TEXTS = ("从前有座山，山里有座庙", "金价今天又涨了", "新版本上线，英雄削弱")


@pytest.fixture
def names_file(tmp_path) -> Path:
    """A TSV as TNEWS is often given: headline and name."""
    rows = zip(TEXTS, NAMES.values(), strict=True)
    return table(tmp_path / "train.tsv", *((text + end, name) for text, name in rows for end in ("", "！")))


@pytest.fixture
def ids_file(tmp_path) -> Path:
    """CLUE's JSON lines."""
    rows = zip(TEXTS, NAMES.items(), strict=True)
    lines = [json.dumps({"label": id_, "label_desc": name, "sentence": text}) for text, (id_, name) in rows]
    path = tmp_path / "dev.json"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_files_with_names_and_with_numbers_have_the_same_labels(names_file, ids_file):
    for path in (names_file, ids_file):
        read = read_task("news", path, SETTING)
        assert read.labels == ("100", "104", "116")
        labels = {example.text: example.label for example in read.splits["train"].examples}
        assert [labels[text] for text in TEXTS] == list(NAMES)


def test_without_the_setting_names_and_numbers_are_different_labels(names_file, ids_file):
    assert read_task("news", names_file).labels == tuple(sorted(NAMES.values()))
    assert read_task("news", ids_file).labels == tuple(NAMES)
    with pytest.raises(DataError, match=r"dev\.json:1: unknown label '100' \(one of news_finance, "):
        read_task("news", names_file, f"data.dev={ids_file}")


def test_a_run_keeps_numbers_and_names(names_file, ids_file, tmp_path):
    run = train(
        quick_config("news"),
        run_dir=tmp_path / "run",
        **{"data.train": str(names_file), "data.dev": str(ids_file), "data.test": None, "data.label_names": NAMES},
        **{"logging.visualdl": False},
    )
    assert list(run.result["dev"]["per_label"]) == list(NAMES)
    (record,) = load(run.folder)([TEXTS[1]])
    assert list(record["probabilities"]) == list(NAMES)
    assert record["name"] == NAMES[record["label"]]
    assert [row["gold"] for row in dev_records(run.folder)] == list(NAMES)
    assert json.loads((run.folder / "model" / SETTINGS).read_text(encoding="utf-8"))["label_names"] == NAMES
    assert evaluate(run.folder, data=str(names_file))["rows"] == 6


def test_labels_that_train_lacks_must_be_given(tmp_path):
    train_file = table(tmp_path / "train.tsv", ("金价", "1"), ("股价", "2"))
    dev = table(tmp_path / "dev.tsv", ("金价", "1"), ("房价", "3"))
    with pytest.raises(
        DataError, match=r"dev\.tsv:2: unknown label '3'.*\(one of 1, 2; data\.labels may name others\)"
    ):
        read_task("news", train_file, f"data.dev={dev}")
    task = read_task("news", train_file, f"data.dev={dev}", "data.labels=[1, 2, 3, 4]")
    assert task.labels == ("1", "2", "3", "4")
    metrics = task.evaluate(task.build_model(), task.splits["dev"], lambda: None).metrics
    assert [metrics["per_label"][label]["rows"] for label in task.labels] == [1, 0, 1, 0]


def test_check_data_takes_names_too(names_file, ids_file):
    report = check_data("news", {"train": str(names_file), "dev": str(ids_file)}, [SETTING])
    assert report["labels"] == {"train": dict.fromkeys(NAMES, 2), "dev": dict.fromkeys(NAMES, 1)}
    assert report["leaked_texts"] == {"dev": 3}
    assert check_data("news", {"train": str(names_file), "dev": str(ids_file)})["bad_rows"] == 3
