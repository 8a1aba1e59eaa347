"""The doctor as a command."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from paddle_tasks import doctor
from paddle_tasks.doctor import requirements
from paddle_tasks.doctor.finding import fail, ok, warn
from tests.doctor.helpers import NAMES, ROOT, add_module, run_doctor

# The whole command


@pytest.fixture(scope="module")
def real_run():
    """The doctor on the installation that runs these tests: the only real import of paddlenlp in this file."""
    return run_doctor("--json")


@pytest.mark.long
def test_real_installation_can_train(real_run):
    report = json.loads(real_run.stdout)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert real_run.returncode == 0, real_run.stdout + real_run.stderr
    assert report["ok"] is True
    healthy = ("python", "paddle", "paddlenlp", "libraries", "visualdl")
    assert [found[name]["status"] for name in healthy] == ["ok"] * len(healthy), found
    assert found["hub"]["status"] == "warn"


@pytest.mark.long
def test_a_real_run_has_fast_threads_and_dispatch_without_settings(real_run):
    found = {finding["name"]: finding for finding in json.loads(real_run.stdout)["findings"]}
    assert (found["threads"]["status"], found["cpu dispatch"]["status"]) == ("ok", "ok"), found


def assert_schema(report: dict) -> None:
    assert set(report) == {"ok", "findings"}
    assert [finding["name"] for finding in report["findings"]] == NAMES
    for finding in report["findings"]:
        assert set(finding) == {"name", "status", "message", "fix"}
        assert finding["status"] in {"ok", "warn", "fail"}
        assert finding["message"]
        assert bool(finding["fix"]) == (finding["status"] != "ok")


@pytest.mark.long
def test_json_schema(real_run):
    assert_schema(json.loads(real_run.stdout))


def test_runs_where_nothing_is_installed():
    # -S leaves out site-packages, and the children look where their parent looks.
    run = run_doctor("--json", python=("-S",))
    report = json.loads(run.stdout)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert_schema(report)
    assert run.returncode == 1
    assert report["ok"] is False
    assert found["paddle"]["status"] == "fail"
    assert found["paddle"]["fix"].startswith("python -m pip install paddlepaddle==3.3.1")
    assert found["device"]["status"] == "fail"
    assert found["visualdl"]["status"] == "fail"


@pytest.mark.long
def test_runs_when_importing_paddle_crashes(tmp_path):
    add_module(tmp_path, "paddle", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    run = run_doctor(site=tmp_path)
    assert run.returncode == 1
    assert "fail  paddle " in run.stdout
    assert "killed by signal 4" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("training cannot work")


@pytest.mark.parametrize(
    ("findings", "code"),
    [([ok("a", "b")], 0), ([ok("a", "b"), warn("c", "d", "e")], 0), ([ok("a", "b"), fail("c", "d", "e")], 1)],
)
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--quiet"]])
def test_exit_code(findings, code, arguments, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert doctor.main(arguments) == code


def test_prints_one_line_each_and_the_fix_below_it(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: [ok("disk", "much room"), warn("hub", "silent", "plug it in")])
    doctor.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:2]] == [["ok", "disk", "much", "room"], ["warn", "hub", "silent"]]
    assert lines[2] == "      fix: plug it in"
    doctor.main(["--quiet"])
    assert capsys.readouterr().out.splitlines() == lines[1:]


def test_help(capsys):
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


# What it is made of


BESIDE_THE_DOCTOR = ("language", "operating_system", "wrapping")
OF_THE_DOCTOR = tuple(f"paddle_tasks.{name}" for name in ("doctor", *BESIDE_THE_DOCTOR))


def imported_modules(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {f"{'.' * node.level}{node.module}" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_imports_the_standard_library_alone():
    package = ROOT / "paddle_tasks"
    files = sorted((package / "doctor").glob("*.py"))
    assert len(files) > 3
    for file in [*files, *(package / f"{name}.py" for name in BESIDE_THE_DOCTOR)]:
        own = {name for name in imported_modules(file) if name.startswith(OF_THE_DOCTOR)}
        foreign = {name.split(".")[0] for name in imported_modules(file) - own} - set(sys.stdlib_module_names)
        if file.stem == "operating_system":
            foreign.discard("psutil")  # in functions that the doctor does not call
        assert not foreign, f"{file.name} imports {foreign}"


def test_requirements_are_those_of_setup():
    strings = {
        node.value
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {requirements.requirement(name) for name in requirements.REQUIREMENTS} <= strings
