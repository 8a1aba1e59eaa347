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
