"""Training and using a model that translates, from the command line."""

from __future__ import annotations

from ..tasks.conftest import quick_config


def test_the_suggested_command_translates_a_source(cli, tmp_path):
    outcome = cli("train", quick_config("translate"), f"run_dir={tmp_path / 'run'}", "training.max_steps=1")
    assert outcome.code == 0, outcome.stderr
    (suggested,) = [line for line in (outcome.stdout + outcome.stderr).splitlines() if " predict " in line]
    text = suggested.split('"')[1]
    assert f'"text": "{text}"' in (tmp_path / "run" / "predictions" / "dev.jsonl").read_text(encoding="utf-8")


def test_lines_and_typing_mistakes(cli, tmp_path):
    bad = tmp_path / "bad.tsv"
    bad.write_text("classical\tmodern\n有山。\t\n有水。\t有水流。\n", encoding="utf-8")
    config, columns = quick_config("translate"), "data.columns={source: classical, target: modern}"
    assert f"{bad}:2: empty target" in cli.fails(
        "train", config, f"data.train={bad}", columns, f"run_dir={tmp_path}/run"
    )
    assert "did you mean 'attention'?" in cli.fails("train", config, "model.atention=none")
