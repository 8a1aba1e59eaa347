"""`sweep` and `report` on the command line: what goes to which stream, exit codes, and no Paddle for a table."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from paddle_tasks.tasks.sentiment.task import SentimentTask

from ..helpers import python
from .conftest import QUICK

SEEDS = ["--seeds", "1,2"]
GRID = ["--grid", "model.dropout=0.1,0.4"]


@pytest.fixture
def short(settings, monkeypatch) -> list[str]:
    """One epoch on data in the working folder; the quick configuration names runs/quick-sentiment."""
    return [*(setting for setting in settings if "epochs" not in setting), "training.epochs=1"]


def test_a_sweep_prints_its_scores_and_reports_progress_on_stderr(cli, short):
    outcome = cli("sweep", QUICK, *short, *SEEDS, *GRID)
    assert outcome.code == 0, outcome.stderr
    summary = json.loads(Path("runs/quick-sentiment-sweep/sweep.json").read_text(encoding="utf-8"))
    first, second, best, best_run, place = outcome.stdout.splitlines()
    for line, point in zip((first, second), summary["points"], strict=True):
        dev, test = (point[split]["accuracy"] for split in ("dev", "test"))
        assert line == (
            f"{point['name']}  accuracy: dev {dev['mean']:.4f} ± {dev['deviation']:.4f}  "
            f"test {test['mean']:.4f} ± {test['deviation']:.4f}  (2 seeds)"
        )
    chosen = summary["best"]
    assert best == f"best  {chosen['point']}, by mean dev accuracy over the seeds: {chosen['dev']['mean']:.4f}"
    assert best_run == f"best run by dev  runs/quick-sentiment-sweep/{chosen['run']}"
    assert place == "sweep runs/quick-sentiment-sweep"
    assert "run 3 of 4: dropout=0.4,seed=1\n" in outcome.stderr
    again = cli("sweep", QUICK, *short, *SEEDS, *GRID)
    assert (again.code, again.stdout) == (0, outcome.stdout)
    assert again.stderr.count(" is finished already, skipped\n") == 4
    assert cli("sweep", QUICK, *short, *SEEDS, *GRID, "--quiet").stderr == ""


def test_a_stopped_sweep_exits_with_75_and_is_continued(cli, short, monkeypatch):
    original, tasks = SentimentTask.read, []

    def read(task):
        tasks.append(task)
        if len(tasks) == 2:  # the task of the second run
            signal.raise_signal(signal.SIGTERM)
        return original(task)

    monkeypatch.setattr(SentimentTask, "read", read)
    outcome = cli("sweep", QUICK, *short, *SEEDS)
    assert (outcome.code, outcome.stdout) == (75, "")
    assert "paddle-tasks: seed=2: stopped; give the same command again to continue\n" in outcome.stderr
    again = cli("sweep", QUICK, *short, *SEEDS)
    assert again.code == 0
    assert "run 1 of 2: seed=1 is finished already, skipped" in again.stderr
    assert again.stdout.startswith("mean  accuracy: dev ")


def test_choosing_on_test_is_the_user_s_mistake(cli, short):
    assert "would choose on test" in cli.fails("sweep", QUICK, *short, *SEEDS, "evaluation.metric=test/accuracy")
    assert "hold the same rows" in cli.fails("sweep", QUICK, *short, *SEEDS, "data.dev=test.tsv", "data.test=test.tsv")
    assert not Path("runs").exists()


def test_seeds_are_required(cli, short):
    assert "--seeds" in cli.fails("sweep", QUICK, *short)


def test_the_table_is_printed_and_written(cli, run, tmp_path):
    outcome = cli("report", run, "--markdown", "table.md")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert Path("table.md").read_text(encoding="utf-8") == outcome.stdout
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    (row,) = [line for line in outcome.stdout.splitlines() if line.startswith(f"| `{run}` |")]
    assert f" {result['test']['accuracy']:.4f} " in row
    assert f" {result['test']['accuracy_deduplicated']:.4f} " in row
    assert cli("report", run, "--quiet").stdout == outcome.stdout


def test_a_file_that_cannot_be_written_is_refused(cli, run, tmp_path):
    assert "is a folder, expected a file" in cli.fails("report", run, "--markdown", tmp_path)
    assert "no such folder nowhere" in cli.fails("report", run, "--markdown", "nowhere/table.md")


def test_a_missing_folder_is_the_user_s_mistake(cli):
    assert "no such folder" in cli.fails("report", "runs/nothing")


def test_a_table_needs_no_paddle(run):
    code = f"""
import sys
from paddle_tasks.reporting.report import report
assert report([{str(run)!r}]).entries
assert not {{"paddle", "paddlenlp", "visualdl"}} & set(sys.modules)
"""
    outcome = python(code)
    assert outcome.code == 0, outcome.stderr
