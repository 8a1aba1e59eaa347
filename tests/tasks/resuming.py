"""Tests that a run which was stopped and resumed equals one that was not stopped; for the task packages to import.

The module that imports them has a fixture ``resumable`` of module scope: a function that returns the configuration of a
run of six steps in a folder.
"""

from __future__ import annotations

from typing import Any

import pytest

from paddle_tasks.errors import Interrupted
from paddle_tasks.workflows.train import train

from ..workflows.interruptions import CrashError, Interruption, after, crash, interrupt, resume, terminate
from ..workflows.snapshot import differing, snapshot

INTERRUPTIONS = {
    "signal in mid-epoch": Interruption(after(3, terminate), Interrupted, 3),
    "crash in the last epoch": Interruption(after(5, crash), CrashError, 4),
}


@pytest.fixture(scope="module")
def uninterrupted(resumable, tmp_path_factory) -> dict[str, Any]:
    return snapshot(train(resumable(tmp_path_factory.mktemp("whole"))).folder)


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_a_resumed_run_equals_an_uninterrupted_one(name, resumable, uninterrupted, tmp_path):
    config = resumable(tmp_path)
    interrupt(config, INTERRUPTIONS[name])
    resumed, notes = resume(config)
    assert f"after step {INTERRUPTIONS[name].restored} of 6" in "".join(notes)
    assert differing(resumed, uninterrupted) == set()


def test_a_run_with_another_seed_differs(resumable, uninterrupted, tmp_path):
    other = snapshot(train({**resumable(tmp_path), "seed": 4}).folder)
    assert differing(other, uninterrupted) >= {"weights", "metrics"}
