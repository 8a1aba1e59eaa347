"""Negative controls of the tests of resuming: a run that is resumed without a part of its state is another run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paddle_tasks.training import loop as loop_module
from paddle_tasks.training import trainer as trainer_module
from paddle_tasks.training.checkpoint import CheckpointStore

from .interruptions import INTERRUPTIONS, Patch, interrupt, resume
from .snapshot import differing


def leave_out_nothing(patch: Patch) -> None:
    """Change nothing."""


def leave_out_randomness(patch: Patch) -> None:
    """Let dropout depend on the number of steps that this process has done."""
    counter = itertools.count()
    patch.setattr(loop_module, "step_seed", lambda seed, step, rank: next(counter))


def leave_out_optimizer(patch: Patch) -> None:
    """Restore no moments."""
    patch.setattr(trainer_module, "load_optimizer_state", lambda *arguments: None)


def changed_state(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Patch], None]:
    """Return a function that changes the state.json of every checkpoint that is loaded."""

    def leave_out(patch: Patch) -> None:
        load = CheckpointStore.load_latest

        def load_latest(store: CheckpointStore) -> Any:
            checkpoint = load(store)
            return checkpoint and replace(checkpoint, state=change(dict(checkpoint.state)))

        patch.setattr(CheckpointStore, "load_latest", load_latest)

    return leave_out


LEFT_OUT = {
    "nothing": (leave_out_nothing, set()),
    "randomness": (leave_out_randomness, {"weights", "optimizer", "metrics", "curves"}),
    "optimiser": (leave_out_optimizer, {"weights", "optimizer", "metrics", "curves"}),
    "position": (
        changed_state(lambda state: {**state, "progress": {**state["progress"], "batch": 0}}),
        {"weights", "optimizer", "metrics", "curves"},
    ),
    "step": (
        changed_state(lambda state: {**state, "progress": {**state["progress"], "step": 7}}),
        {"weights", "metrics"},
    ),
    "lengths of the logs": (changed_state(lambda state: {**state, "positions": {}}), {"metrics", "curves"}),
    "best value": (
        changed_state(lambda state: {**state, "progress": {**state["progress"], "best_value": None}}),
        {"pointers", "best weights", "progress"},
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("part", LEFT_OUT)
def test_leaving_out_a_part_of_the_state_changes_the_run(part, resumable_config, tmp_path):
    leave_out, changed = LEFT_OUT[part]
    snapshots = []
    for folder, is_stopped in ((tmp_path / "whole", False), (tmp_path / "stopped", True)):
        config = resumable_config(folder)
        with pytest.MonkeyPatch.context() as patch:
            leave_out(patch)
            if is_stopped:
                interrupt(config, INTERRUPTIONS["signal in the last epoch"])
        with pytest.MonkeyPatch.context() as patch:
            leave_out(patch)
            snapshots.append(resume(config)[0])
    assert differing(*snapshots) >= changed
    assert bool(differing(*snapshots)) == bool(changed)
