"""A task of another package: the one in docs/add-a-task.md is built, installed and used without an edit elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from paddle_tasks.errors import ConfigError, SetupError

from ..helpers import ROOT, Outcome

PAGE = ROOT / "docs" / "add-a-task.md"
TEXTS = [
    "房间很干净",
    "房间很大",
    "早餐很好吃",
    "早餐很一般",
    "位置很方便",
    "服务很热情",
    "前台很热情",
    "价格很便宜",
] * 2
STEPS = 16  # 16 texts in batches of 4, 4 epochs


def files_of(page: Path) -> dict[str, str]:
    """Return the files that a page shows: a name in backquotes, and a block of code below it."""
    blocks = re.findall(r"^`([\w.]+)`\n```\w+\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return dict(blocks)


def commands_of(page: Path) -> list[list[str]]:
    """Return the paddle-tasks commands of a page, in their order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line.split()[1:] for line in lines if line.startswith("paddle-tasks ")]


class Installation:
    """The toy package, installed into a folder of its own, and a working folder with data."""

    def __init__(self, folder: Path) -> None:
        self.packages, self.work = folder / "packages", folder / "work"
        self.work.mkdir()
        source = folder / "source"
        source.mkdir()
        for name, text in files_of(PAGE).items():
            target = self.work if name.endswith(".yaml") else source
            (target / name).write_text(text, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        subprocess.run(
            [*pip, "--target", str(self.packages), str(source)], check=True, capture_output=True, timeout=120
        )
        for split, texts in (("train", TEXTS), ("dev", TEXTS[:8]), ("test", TEXTS[4:10])):
            (self.work / f"{split}.tsv").write_text("\n".join(["text", *texts]) + "\n", encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.packages), str(ROOT)])}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "paddle_tasks", *arguments]

    def __call__(self, *arguments: str) -> Outcome:
        """Run a command in the working folder."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Installation:
    return Installation(tmp_path_factory.mktemp("toy"))


def curve(run: Path) -> list[tuple[object, ...]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if not record["tag"].startswith("system/")]
    return [(record["step"], record["epoch"], record["tag"], record["value"]) for record in records]


def test_the_page_is_short():
    assert len([line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 125


@pytest.mark.long
def test_the_package_is_needed(toy):
    """Without the package the task is unknown: nothing is found by scanning the working folder."""
    (toy.work / "next_character.py").write_text(files_of(PAGE)["next_character.py"], encoding="utf-8")
    done = subprocess.run(
        toy.command("config", "next_character.yaml"),
        cwd=toy.work,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (toy.work / "next_character.py").unlink()
    assert done.returncode == 2
    assert "task: 'next_character' is unknown" in done.stderr


@pytest.mark.long
def test_every_command_of_the_page_works(toy):
    commands = commands_of(PAGE)
    assert [words[0] for words in commands] == [
        "list", "config", "check-data", "train", "evaluate", "predict", "report", "export", "dashboard"
    ]  # fmt: skip
    outcomes = {words[0]: toy(*words) for words in commands if words[0] != "dashboard"}
    assert {name: outcome.code for name, outcome in outcomes.items()} == dict.fromkeys(outcomes, 0), outcomes
    assert "next_character" in outcomes["list"].stdout.split()
    assert "epochs: 2" in outcomes["config"].stdout
    assert "train  16 rows" in outcomes["check-data"].stdout
    assert "duplicate texts        8 " in outcomes["check-data"].stdout
    assert re.search(r"^test  accuracy 0\.\d{4}  loss ", outcomes["train"].stdout, re.MULTILINE)
    assert json.loads(outcomes["predict"].stdout) == {"input": "房间很", "next": "热"}
    assert "next_character" in outcomes["report"].stdout
    card = (toy.work / "next-character-model" / "README.md").read_text(encoding="utf-8")
    assert "| 1 (next_character) | next_character | – | 1 | 16 |" in card
    assert json.loads(toy("predict", "next-character-model", "房间很").stdout)["next"] == "热"
    result = json.loads((toy.work / "runs/next_character/result.json").read_text(encoding="utf-8"))
    scored = json.loads(outcomes["evaluate"].stdout)["metrics"]
    assert scored == pytest.approx(result["test"], rel=1e-6)
    assert result["train"]["optimizer_steps"] == STEPS
    assert result["dev"]["accuracy"] > 0.5  # 很 follows every second character; an untrained table knows nothing


@pytest.mark.long
def test_a_stopped_run_continues_exactly(toy):
    """The run is stopped in the middle by a real signal, continued by the same command, and equals one that was not."""
    settings = ["logging.every_steps=1", "training.batch_size=1", "training.epochs=6", "training.save_every_steps=7"]
    toy("train", "next_character.yaml", "run_dir=runs/whole", *settings)
    command = toy.command("train", "next_character.yaml", "run_dir=runs/stopped", *settings)
    process = subprocess.Popen(
        command, cwd=toy.work, env=toy.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    metrics = toy.work / "runs/stopped/metrics.jsonl"
    while process.poll() is None and not (metrics.is_file() and metrics.read_bytes().count(b"\n") > 20):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 75
    steps = {step for step, *_ in curve(toy.work / "runs/stopped")}
    outcome = toy("train", "next_character.yaml", "run_dir=runs/stopped", *settings)
    assert outcome.code == 0, outcome
    assert max(steps) < 6 * len(TEXTS)  # it was stopped before its end
    assert "continuing runs/stopped after step" in outcome.stderr
    assert curve(toy.work / "runs/stopped") == curve(toy.work / "runs/whole")


@pytest.mark.long
def test_the_dashboard_shows_it(toy):
    """The server lists the curves of the run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = toy.command("dashboard", "runs", "--port", str(port), "--no-browser")
    with subprocess.Popen(command, cwd=toy.work, env=toy.environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert next(line for line in process.stdout if "http://" in line)  # the server answers from here on
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/app/api/scalar/tags", timeout=60) as answer:
                assert "train/loss" in answer.read().decode()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


@pytest.mark.long
def test_mistakes_are_reported_as_for_any_task(toy):
    unknown = toy("config", "next_character.yaml", "training.max_length=3")
    assert unknown.code == 2
    assert "training.max_length: unknown key" in unknown.stderr
    (toy.work / "broken.tsv").write_text("text\n好\n好\t坏\n", encoding="utf-8")
    broken = toy("train", "next_character.yaml", "run_dir=runs/broken", "data.train=broken.tsv")
    assert broken.code == 2
    assert "broken.tsv:3: expected 1 column" in broken.stderr
    assert not (toy.work / "runs/broken").exists()
    baseline = toy("baseline", "next_character.yaml")
    assert baseline.code == 2
    assert "next_character has no baseline" in baseline.stderr


def test_a_registered_task_that_cannot_be_loaded_is_named(monkeypatch):
    from importlib.metadata import EntryPoint

    from paddle_tasks import tasks

    broken = EntryPoint("broken", "no_such_module:Task", tasks.GROUP)
    other = EntryPoint("other", "json:JSONDecoder", tasks.GROUP)
    monkeypatch.setattr("paddle_tasks.tasks.entry_points", lambda group: [broken, other])
    assert "broken" in tasks.names()
    with pytest.raises(SetupError, match="task: broken is registered as no_such_module:Task, which cannot be loaded"):
        tasks.find("broken")
    with pytest.raises(SetupError, match="task: other: json:JSONDecoder is not a task, it lacks BASELINE, Config, "):
        tasks.find("other")
    with pytest.raises(ConfigError, match="did you mean 'broken'"):
        tasks.find("brokn")


def test_a_task_of_this_package_cannot_be_replaced(monkeypatch):
    from importlib.metadata import EntryPoint

    from paddle_tasks import tasks

    other = EntryPoint("sentiment", "json:JSONDecoder", tasks.GROUP)
    monkeypatch.setattr("paddle_tasks.tasks.entry_points", lambda group: [other])
    assert tasks.find("sentiment").__name__ == "SentimentTask"
