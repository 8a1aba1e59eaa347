"""Every run says first what it has read and trains, with remarks on suspicious data; results name shipped data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import config as configuration
from paddle_tasks.cli.progress import ProgressDisplay
from paddle_tasks.errors import DataError
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.trainer import InputReport, Note
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.train import train
from tests.tasks.conftest import quick_config


def events_of(config: dict[str, Any]) -> list[Any]:
    events: list[Any] = []
    train(config, observe=events.append)
    return events


def report_of(config: dict[str, Any]) -> InputReport:
    events = events_of(config)
    assert isinstance(events[0], InputReport), "before anything else"
    assert [type(event) for event in events].count(InputReport) == 1
    return events[0]


def quick(name: str, folder: Path, **training: Any) -> dict[str, Any]:
    """Return a quick configuration that trains one step in a folder."""
    tree = configuration.read(quick_config(name))
    return {**tree, "run_dir": str(folder / "run"), "training": {**tree["training"], "max_steps": 1, **training}}


def write(file: Path, rows: list[tuple[str, str]]) -> str:
    file.write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows), encoding="utf-8")
    return str(file)


def test_rows_labels_lengths_and_parameters_come_first(small_config, tmp_path, finished):
    report = report_of(small_config(tmp_path, training={"max_steps": 1}))
    parameters = json.loads((finished / "result.json").read_text(encoding="utf-8"))["model"]["parameters"]
    train_rows, train_labels, *_, model = report.lines
    assert train_rows.startswith("data.train: 22 rows of ")
    assert "characters of a text: " in train_rows
    assert train_labels == "data.train: labels: negative 13, positive 9"
    assert model == f"model: textcnn, {parameters:,} parameters, all trained"
    assert len(report.lines) == 7


@pytest.mark.long
def test_documents_are_named_by_their_sources(tmp_path):
    tree = quick("pretrain", tmp_path)
    sources = [source["path"] for source in tree["data"]["train"]]
    lines = report_of(tree).lines
    assert f" rows of {', '.join(sources[:3])}" in lines[0]
    assert [line.partition(":")[0] for line in lines[:3]] == ["data.train", "data.dev", "data.test"]


def test_it_says_what_is_frozen(small_config, tmp_path):
    report = report_of(small_config(tmp_path, training={"max_steps": 1, "freeze": ["encoder.*"]}))
    assert report.lines[-1].endswith(" of them trained (training.freeze: encoder.*)")


def test_texts_that_are_cut_are_counted_exactly(small_config, tmp_path):
    """With [CLS] and [SEP], max_length 16 leaves 14 tokens, and a Chinese character is one."""
    rows = [("positive", "好" * 14), ("positive", "好" * 15), ("negative", "差" * 20), ("negative", "差")] * 3
    config = small_config(tmp_path, training={"max_steps": 1}, data={"train": write(tmp_path / "train.tsv", rows)})
    cut = [remark for remark in report_of(config).remarks if "max_length" in remark]
    n_tokens = 3 * (14 + 15 + 20 + 1 + 4 * 2)
    assert cut == [
        f"data.train: 6 of 12 texts (50.0%) are longer than max_length 16; cutting loses 21 of {n_tokens} tokens "
        f"({21 / n_tokens:.1%})"
    ]
    longer = small_config(tmp_path / "longer", training={"max_steps": 1, "max_length": 22}, data=config["data"])
    assert not [remark for remark in report_of(longer).remarks if "max_length" in remark]


@pytest.mark.parametrize(("kind", "n_cut"), [("bi", 1), ("cross", 2)])
def test_pairs_are_cut_as_one_input_or_two(tmp_path, kind, n_cut):
    """``bi`` reads each text alone, at most 8 tokens; ``cross`` reads both in one input, at most 7 tokens."""
    pairs = [("1", "甲" * 4, "乙" * 3), ("0", "甲" * 4, "乙" * 4), ("1", "甲" * 9, "乙"), ("0", "甲", "乙")]
    file = tmp_path / "pairs.tsv"
    lines = "".join("\t".join(pair) + "\n" for pair in pairs * 3)
    file.write_text("label\ttext_a\ttext_b\n" + lines, encoding="utf-8")
    tree = quick("similarity", tmp_path, max_length=10)
    data = {"train": str(file), "dev": str(file)}
    report = report_of({**tree, "data": data, "model": {**tree["model"], "kind": kind}})
    (cut,) = [remark for remark in report.remarks if "max_length" in remark]
    assert cut.startswith(f"data.train: {3 * n_cut} of 12 texts ")


def test_suspicious_labels_are_remarked_and_the_run_goes_on(small_config, tmp_path):
    rows = [("positive", f"好{number}") for number in range(8)] + [("negative", f"差{number}") for number in range(8)]
    rows += [("Positive", "很好"), ("未知", "一般")]
    config = small_config(tmp_path, training={"max_steps": 1}, data={"train": write(tmp_path / "train.tsv", rows)})
    text = report_of(config).text
    for part in ("have fewer than 3 rows", "'未知' looks like a missing value", "labels that differ only by"):
        assert part in text
    assert text.count("\nremark: ") >= 3


def test_nothing_is_said_of_clean_data(small_config, tmp_path):
    assert report_of(small_config(tmp_path, training={"max_steps": 1, "max_length": 99})).remarks == ()


def test_spans_and_their_labels_are_counted(tmp_path):
    report = report_of(quick("opinion", tmp_path))
    assert report.lines[0].startswith("data.train: 200 rows of builtin/opinion, 770 spans, ")
    assert report.lines[1] == "data.train: labels: opinion 386, aspect 384"


def test_a_finished_run_and_a_continued_one(small_config, tmp_path):
    config = small_config(tmp_path, training={"max_steps": 1})
    events_of(config)
    (note,) = events_of(config)
    assert isinstance(note, Note)


def test_a_baseline_says_it_too(small_config, tmp_path):
    notes: list[Any] = []
    baseline(small_config(tmp_path), observe=notes.append)
    assert notes[0].text.startswith("data.train: 22 rows of ")


def test_nothing_is_said_of_data_that_cannot_be_used(small_config, tmp_path):
    events: list[Any] = []
    with pytest.raises(DataError):
        train(small_config(tmp_path, data={"dev": "missing.tsv"}), observe=events.append)
    assert events == []


def test_the_display_writes_the_report():
    lines: list[str] = []
    display = ProgressDisplay(lines.append)
    display.show(InputReport(("data.train: 2 rows",), ("odd",)))
    display.show(StepReport(1, 2, 1, 0.5, 0.1, 1.0, 10, 1.0, False))
    assert lines[0] == "data.train: 2 rows\nremark: odd"


# ---- names of data


def test_result_json_names_shipped_data(tmp_path):
    result = train(quick("sentiment", tmp_path)).result
    assert [result["data"][split]["path"] for split in ("train", "dev", "test")] == ["builtin/sentiment"] * 3
    assert json.loads((tmp_path / "run/result.json").read_text(encoding="utf-8")) == result


def test_data_in_the_home_folder(small_config, tmp_path, monkeypatch):
    rows = [("positive", "好"), ("negative", "差")] * 4
    (tmp_path / "home").mkdir()
    write(tmp_path / "home/rows.tsv", rows)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = small_config(tmp_path, training={"max_steps": 1}, data={"train": "~/rows.tsv", "dev": "~/rows.tsv"})
    assert train(config).result["data"]["train"]["rows"] == 8
    assert '"~/rows.tsv"' in json.dumps(json.loads((tmp_path / "run/model/paddle_tasks.json").read_text())["config"])
