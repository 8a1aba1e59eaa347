"""Each test begins from the same random state, so that fresh weights are the same whichever tests run."""

from __future__ import annotations

import paddle
import pytest


@pytest.fixture(autouse=True)
def _seeded():
    paddle.seed(0)
