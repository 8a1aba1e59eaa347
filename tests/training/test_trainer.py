"""What a run needs to be continued: the same inputs besides its splits, whichever version wrote the checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.errors import CheckpointError, Interrupted
from paddle_tasks.files import sha256
from paddle_tasks.training.checkpoint import find_damage
from paddle_tasks.workflows.train import train
from tests.workflows.interruptions import Interruption, after, interrupt, resume, terminate
from tests.workflows.snapshot import differing, latest_state, snapshot

State = Mapping[str, Any]
TEACHERS = "training.loss.teachers"


def with_older_key(state: State) -> State:
    """Return a state as older versions wrote it; without teachers the digest was empty."""
    others = {name: value for name, value in state.items() if name != "other_inputs"}
    return {**others, "taught_by": state["other_inputs"].get(TEACHERS, "")}


def unchanged(state: State) -> State:
    return state


each_version = pytest.mark.parametrize("convert", [unchanged, with_older_key])


def change_state(run: Path, change: Callable[[State], State]) -> None:
    """Change state.json of every checkpoint of a run, and its checksum."""
    for folder in (run / "checkpoints").glob("step-*"):
        state, manifest = folder / "state.json", folder / "manifest.json"
        state.write_text(json.dumps(change(json.loads(state.read_text(encoding="utf-8")))), encoding="utf-8")
        content = json.loads(manifest.read_text(encoding="utf-8"))
        checksums = {**content["sha256"], "state.json": sha256(state)}
        manifest.write_text(json.dumps({**content, "sha256": checksums}), encoding="utf-8")
        assert find_damage(folder) is None


@pytest.fixture(scope="module")
def teachers(small_config, tmp_path_factory) -> list[Path]:
    """Return two trained runs, which no test may change."""
    folder = tmp_path_factory.mktemp("teachers")
    training = {"epochs": 1}
    return [train({**small_config(folder / f"seed-{seed}", training=training), "seed": seed}).folder for seed in (1, 2)]


@pytest.fixture
def student(small_config, teachers, tmp_path) -> dict[str, Any]:
    """Return the configuration of a run with a teacher, which was stopped after step 3 of 12."""
    shutil.copytree(teachers[0] / "model", tmp_path / "teacher")
    config = small_config(tmp_path, training={"loss": {"teachers": [str(tmp_path / "teacher")]}})
    interrupt(config, Interruption(after(3, terminate), Interrupted, 3))
    return config


@each_version
def test_a_run_continues_with_the_same_teacher(student, tmp_path, convert):
    change_state(tmp_path / "run", convert)
    resumed, notes = resume(student)
    assert "after step 3 of 12" in notes[0]
    whole = train({**student, "run_dir": str(tmp_path / "whole")}).folder
    assert differing(resumed, snapshot(whole)) == set()


@each_version
def test_a_run_does_not_continue_with_another_teacher(student, teachers, tmp_path, convert):
    change_state(tmp_path / "run", convert)
    shutil.rmtree(tmp_path / "teacher")
    shutil.copytree(teachers[1] / "model", tmp_path / "teacher")
    with pytest.raises(CheckpointError, match=r"that training\.loss\.teachers names has changed since this run began"):
        train(student)
    assert latest_state(tmp_path / "run")["progress"]["step"] == 3


def test_an_older_state_holds_the_digest_of_the_teachers(student, tmp_path):
    """The negative control: without the digest the run would not continue even with the same teacher."""
    digest = latest_state(tmp_path / "run")["other_inputs"][TEACHERS]
    change_state(tmp_path / "run", with_older_key)
    assert latest_state(tmp_path / "run")["taught_by"] == digest != ""
    change_state(tmp_path / "run", lambda state: {**state, "taught_by": ""})
    with pytest.raises(CheckpointError, match=r"that training\.loss\.teachers names has changed"):
        train(student)


@each_version
def test_a_run_without_teachers_continues(small_config, tmp_path, convert):
    config = small_config(tmp_path)
    interrupt(config, Interruption(after(3, terminate), Interrupted, 3))
    change_state(tmp_path / "run", convert)
    resumed, notes = resume(config)
    assert "after step 3 of 12" in notes[0]
    assert differing(resumed, snapshot(train({**config, "run_dir": str(tmp_path / "whole")}).folder)) == set()
