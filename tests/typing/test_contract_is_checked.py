"""The list that mypy checks against the contract holds every task of this package."""

from __future__ import annotations

from paddle_tasks import tasks

from . import contract


def test_every_task_is_checked():
    listed = {name: value for name, value in vars(contract).items() if isinstance(value, type) and name.islower()}
    assert listed == {name: tasks.find(name) for name in tasks.CLASSES}
