"""`evaluate` on a file of somebody else: its columns, encoding, labels and a map of its labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks import train

from ..helpers import CHNSENTICORP, ROOT, needs_chnsenticorp

ROWS = [("1", "房间很干净"), ("0", "服务太差"), ("1", "早餐好吃"), ("0", "又脏又吵")]
MAP = 'data.label_map={"1": positive, "0": negative}'


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Return a run on the reviews that ship, with the labels negative and positive, which no test may change."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    quick = ROOT / "configs" / "quick" / "sentiment.yaml"
    return train(quick, run_dir=folder, **{"logging.visualdl": False}).folder


def write(path: Path, rows: list[tuple[str, str]], header: str = "label\ttext_a", encoding: str = "utf-8") -> Path:
    lines = [header, *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def evaluate(cli, *arguments: object) -> dict:
    outcome = cli("evaluate", *arguments)
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


def test_labels_are_mapped(cli, demo, tmp_path):
    named = write(tmp_path / "named.tsv", [("positive" if label == "1" else "negative", text) for label, text in ROWS])
    expected = evaluate(cli, demo, "--data", named)
    found = evaluate(cli, demo, "--data", write(tmp_path / "test.tsv", ROWS), MAP)
    assert found["metrics"] == expected["metrics"]
    assert (found["rows"], found["settings"]) == (4, [MAP])
    assert "settings" not in expected
    dotted = evaluate(
        cli,
        demo,
        "--data",
        "test.tsv",
        "data.label_map.1=positive",
        "data.label_map.0=negative",
        "data.on_bad_row=skip",
    )
    assert dotted["metrics"] == expected["metrics"]


def test_several_labels_may_become_one(cli, demo, tmp_path):
    stars = [("5", "房间很干净"), ("4", "早餐好吃"), ("1", "服务太差"), ("2", "又脏又吵"), ("3", "一般")]
    file = write(tmp_path / "stars.tsv", stars, "rating\treview")
    label_map = "data.label_map={5: positive, 4: positive, 1: negative, 2: negative}"
    assert "unknown label '3' (one of negative, positive;" in cli.fails("evaluate", demo, "--data", file, label_map)
    found = evaluate(cli, demo, "--data", file, label_map, "data.on_bad_row=skip")
    assert (found["rows"], found["skipped_rows"]) == (4, 1)


def test_without_a_map_the_labels_are_refused(cli, demo, tmp_path):
    message = cli.fails("evaluate", demo, "--data", write(tmp_path / "test.tsv", ROWS))
    assert "test.tsv:2: unknown label '1' (one of negative, positive;" in message


def test_columns_encoding_header_and_format(cli, demo, tmp_path):
    named = [("positive" if label == "1" else "negative", text) for label, text in ROWS]
    expected = evaluate(cli, demo, "--data", write(tmp_path / "a.tsv", named))["metrics"]
    other = write(tmp_path / "b.data", named, "好坏\t评论文字", "gb18030")
    columns = ["data.columns.text=评论文字", "data.columns.label=好坏", "data.encoding=gb18030", "data.format=tsv"]
    assert evaluate(cli, demo, "--data", other, *columns)["metrics"] == expected
    plain = tmp_path / "c.csv"
    plain.write_text("".join(f"{text},{label}\n" for label, text in named), encoding="utf-8")
    positions = ["data.columns.text=0", "data.columns.label=1", "data.header=false"]
    assert evaluate(cli, demo, "--data", plain, *positions)["metrics"] == expected


def test_a_subset_of_the_labels(cli, demo, tmp_path):
    file = write(tmp_path / "a.tsv", [("positive", "好吃"), ("negative", "难吃")])
    found = evaluate(cli, demo, "--data", file, "data.labels=[positive]", "data.on_bad_row=skip")
    assert (found["rows"], found["skipped_rows"]) == (1, 1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.colums.text=a", "data.colums: unknown key; did you mean 'columns'?"),
        ("data.test=a.tsv", "data.test: unknown key"),
        ("training.epochs=3", "training: unknown key"),
        ("data.encoding=utf-9", "data.encoding: 'utf-9' is not a known encoding"),
        ("data.label_map={1: positiv}", "data.label_map: the model has no label 'positiv'; did you mean 'positive'?"),
        ("data.labels=[neutral]", "data.labels: the model has no label 'neutral' (one of negative, positive)"),
        ("data.columns.text=text", "data.columns: expected text and label, found text"),
        ("nothing", "'nothing': expected KEY=VALUE"),
    ],
)
def test_settings_that_cannot_be_used(cli, demo, tmp_path, setting, message):
    file = write(tmp_path / "test.tsv", [("positive", "好吃"), ("negative", "难吃")])
    assert message in cli.fails("evaluate", demo, "--data", file, setting)


def test_the_train_file_keeps_the_layout_of_the_run(cli, demo, tmp_path):
    """A row that train has too counts as one, although the two files are laid out differently."""
    sample = ROOT / "paddle_tasks" / "assets" / "samples" / "sentiment" / "train.tsv"
    header, first, *_ = sample.read_text(encoding="utf-8").splitlines()
    cells = dict(zip(header.split("\t"), first.split("\t"), strict=True))
    rows = [(cells["label"], cells["text"]), ("positive", "这句话不在训练数据里"), ("negative", "这句也不在")]
    file = write(tmp_path / "x.tsv", rows, "y\tx", "gb18030")
    settings = ["data.columns={text: x, label: y}", "data.encoding=gb18030"]
    metrics = evaluate(cli, demo, "--data", file, *settings)["metrics"]
    assert "accuracy_deduplicated" in metrics


def test_opinions_and_documents_take_their_own_settings(cli, tmp_path):
    fixture = ROOT / "tests" / "fixtures" / "opinion.jsonl"
    stored = ROOT / "tests" / "stored" / "opinion" / "finished"
    encoded = tmp_path / "a.jsonl"
    encoded.write_text(fixture.read_text(encoding="utf-8"), encoding="gb18030")
    expected = evaluate(cli, stored, "--data", fixture)
    found = evaluate(cli, stored, "--data", encoded, "data.encoding=gb18030", "data.format=jsonl")
    assert found["metrics"] == expected["metrics"]
    message = cli.fails("evaluate", stored, "--data", fixture, "data.labels=[aspekt]")
    assert "data.labels: the model has no 'aspekt'; did you mean 'aspect'?" in message
    novel = ROOT / "tests" / "stored" / "pretrain" / "finished"
    (tmp_path / "a.txt").write_text((ROOT / "tests/fixtures/pretrain.txt").read_text(encoding="utf-8"), "gb18030")
    found = evaluate(cli, novel, "--data", tmp_path / "a.txt", "data.encoding=gb18030")
    expected = evaluate(cli, novel, "--data", ROOT / "tests" / "fixtures" / "pretrain.txt")
    assert found["metrics"] == expected["metrics"]


@pytest.mark.long
@needs_chnsenticorp
def test_chnsenticorp_with_its_labels_mapped(cli, demo):
    found = evaluate(cli, demo, "--data", CHNSENTICORP / "test.tsv", MAP)
    assert found["rows"] > 1000
    assert found["metrics"]["accuracy"] > 0.5
