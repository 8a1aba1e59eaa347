"""The folder of a run: locks."""

from __future__ import annotations

import errno
from typing import Any

from paddle_tasks.training.run_folder import RunFolder


def test_a_file_system_without_locks_is_accepted(tmp_path, monkeypatch):
    def refuse(file: Any, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with RunFolder(tmp_path).locked():
        pass
