"""`check-data`: its exit code says whether there is a row to train on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

OPINION = {
    "good": {"text": "味道很好", "spans": [{"start": 0, "end": 2, "label": "aspect"}]},
    "bad": {"text": "味道很好", "spans": [{"start": 0, "end": 9, "label": "aspect"}]},
}
CONTENTS = {
    "opinion": {name: json.dumps(row, ensure_ascii=False) + "\n" for name, row in OPINION.items()},
    "sentiment": {"good": '{"text": "好", "label": 1}\n', "bad": '{"text": "", "label": 1}\n'},
}


def test_the_report_ends_with_a_verdict(cli):
    good = "".join(f'{{"text": "{number}", "label": {number % 2}}}\n' for number in range(8))
    for name, content in {"good": good, "mixed": good + '{"text": "", "label": 1}\n'}.items():
        Path(f"{name}.jsonl").write_text(content, encoding="utf-8")
    assert cli("check-data", "sentiment", "good.jsonl").stdout.endswith("\nno problems found\n")
    found = cli("check-data", "sentiment", "mixed.jsonl", "good.jsonl").stdout.split("\n\n")[-1].splitlines()
    assert [line.split()[1] for line in found] == ["correct", "remove"]


def test_a_configuration_is_no_task(cli):
    settings = "task: news\ndata: {train: a.tsv, dev: b c.tsv}\n"
    Path("mine.yaml").write_text(settings, encoding="utf-8")
    message = cli.fails("check-data", "mine.yaml")
    assert "mine.yaml: is a configuration, but TASK is a task such as news; to check its data:\n" in message
    assert "paddle-tasks check-data news a.tsv 'b c.tsv'" in message
    assert "TRAIN DEV" in cli.fails("check-data", "missing.yaml")
    columns = "  columns: {source: old, target: new}\n  strip_punctuation: 0.2\n"
    Path("mine.yaml").write_text(f"task: translate\ndata:\n  train: a.tsv\n{columns}", encoding="utf-8")
    settings = """'data.columns.source="old"' 'data.columns.target="new"'\n"""
    assert f"check-data translate a.tsv {settings}" in cli.fails("check-data", "mine.yaml")


@pytest.mark.parametrize("task", CONTENTS)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_exit_code_is_2_if_no_row_of_a_file_can_be_used(cli, task, form):
    good, bad = CONTENTS[task]["good"], CONTENTS[task]["bad"]
    for name, content in {"good": good, "mixed": good + bad, "bad": bad * 3}.items():
        Path(f"{name}.jsonl").write_text(content, encoding="utf-8")
    for train, dev, code in (
        ("good", "good", 0),
        ("mixed", "good", 0),
        ("bad", "good", 2),
        ("good", "bad", 2),
        ("bad", "bad", 2),
    ):
        outcome = cli("check-data", task, f"{train}.jsonl", f"{dev}.jsonl", *form)
        assert outcome.code == code, (train, dev)
        assert "bad" not in (train, dev) or "bad.jsonl:1: " in outcome.stdout
        unusable = " and ".join(name for name, file in (("train", train), ("dev", dev)) if file == "bad")
        message = f"paddle-tasks: no row of {unusable} can be used; the report above says why\n"
        assert outcome.stderr == (message if unusable else "")
