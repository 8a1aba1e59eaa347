"""One finished run, trained once for each file of tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.workflows.train import train


@pytest.fixture(scope="module")
def config(small_config, tmp_path_factory) -> dict[str, Any]:
    return small_config(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def finished(config) -> Path:
    """Return the folder of a finished run, which no test may change."""
    return train(config).folder
