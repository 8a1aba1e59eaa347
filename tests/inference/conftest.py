"""A finished run for each test module."""

from __future__ import annotations

import pytest

from paddle_tasks.workflows.train import Run, train


@pytest.fixture(scope="module")
def run(small_config, tmp_path_factory) -> Run:
    """Return a finished run, whose folder no test may change."""
    return train(small_config(tmp_path_factory.mktemp("inference")))
