"""`paddle-tasks bench`: tables and JSON on stdout, progress on stderr, and error messages."""

from __future__ import annotations

import json

import pytest
import typer

from paddle_tasks.cli.bench import app, format_report
from paddle_tasks.workflows.bench.report import Measurement, Report, Spread

from .conftest import QUICK

COMMANDS = sorted(typer.main.get_command(app).commands)
MACHINE = {"device": "cpu", "threads": 2}


def report(*seconds: float, **values: float) -> Report:
    measurements = [
        Measurement(f"line {index}", Spread.from_values([value]), values) for index, value in enumerate(seconds)
    ]
    return Report("x", "one call", measurements, {"batch_size": 32}, MACHINE, Spread(90.0, 80.0, 95.0, 3))


def test_commands():
    assert COMMANDS == ["encoder", "export", "import", "logging", "predict", "tokenize", "train", "write"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_common_options(cli, command):
    outcome = cli("bench", command, "--help")
    assert outcome.code == 0
    assert all(option in outcome.stdout for option in ("--quiet", "--json", "--repeats"))


def test_a_table():
    head, rate, *table = format_report(report(0.2, 0.1, tokens_per_second=12345.6, matmul_share=0.5))
    assert head == "one call, batch size 32; cpu, 2 threads"
    assert rate == "matrix products of the first model's sizes: 90.0 GFLOP/s (quartiles 80.0 to 95.0)"
    assert [line.split("  ")[0].strip() for line in table] == ["", "line 0", "line 1"]
    assert " ".join(table[0].split()) == "median ms quartiles ratio tokens per second matmul share"
    assert table[2].split() == ["line", "1", "100.00", "100.00", "to", "100.00", "0.500", "12,346", "50.0%"]
    assert len(set(map(len, table))) == 1


def test_wide_tables_are_transposed():
    values = {f"value_{index}": 1.5 for index in range(6)}
    table = format_report(report(20.0, 10.0, **values))[2:]
    assert [row.split("  ")[0] for row in table[1:4]] == ["median s", "quartiles", "ratio"]
    assert table[1].split()[2:] == ["20.00", "10.00"]
    assert table[-1].split() == ["value", "5", "1.50", "1.50"]


def test_encoder_as_json(cli, settings):
    size = ["--batch-size", 2, "--length", 5, "--repeats", 2]
    outcome = cli("bench", "encoder", QUICK, *settings, *size, "--compare", "model.dropout=0.0", "--json", "--quiet")
    assert (outcome.code, outcome.stderr) == (0, "")
    report = json.loads(outcome.stdout)
    assert (report["schema"], report["bench"], report["settings"]) == (
        1,
        "encoder",
        {"batch_size": 2, "length": 5, "precision": "float32"},
    )
    assert [line["name"] for line in report["lines"]] == ["as configured", "model.dropout=0.0"]


def test_train_as_a_table(cli, settings, tmp_path):
    before = sorted(tmp_path.iterdir())
    outcome = cli("bench", "train", QUICK, *settings, "--steps", 2, "--repeats", 1)
    assert outcome.code == 0
    assert outcome.stderr == "round 1 of 1\n"
    assert "steps 2" in outcome.stdout.splitlines()[0]
    assert "tokenising seconds" in outcome.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_different_ids_give_exit_code_1(cli, monkeypatch):
    arguments = ["bench", "tokenize", "--texts", 5, "--repeats", 1, "--quiet"]
    assert cli(*arguments).code == 0
    monkeypatch.setattr("paddle_tasks.workflows.bench.tokenizing.count_differences", lambda _first, _second: 1)
    outcome = cli(*arguments)
    assert outcome.code == 1
    assert "texts that differ" in outcome.stdout


def test_error_messages(cli, settings):
    assert "no such command: speed" in cli.fails("bench", "speed")
    assert "did you mean 'plain-kernels'" in cli.fails("bench", "encoder", QUICK, "--compare", "plain-kernel")
    assert "did you mean 'dropout'" in cli.fails("bench", "train", QUICK, *settings, "model.dropuot=0.5")
    assert "no.yaml: no such configuration file" in cli.fails("bench", "encoder", "no.yaml")
    assert "no.txt: no such file" in cli.fails("bench", "tokenize", "no.txt")
    assert "--repeats" in cli.fails("bench", "import", "--repeats", 0)
