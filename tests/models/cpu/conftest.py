"""Each test begins from the same random state, and runs with oneDNN and without it."""

from __future__ import annotations

import paddle
import pytest

from paddle_tasks.onednn import library


@pytest.fixture(autouse=True)
def _seeded():
    paddle.seed(0)


@pytest.fixture(autouse=True, params=["onednn", "paddle and numpy"])
def kernels(request):
    """Return which kernels the test runs with."""
    if request.param != "onednn":
        with library.switched_off():
            yield request.param
    elif library.get() is None:
        pytest.skip(f"oneDNN cannot be used: {library.why_not()}")
    else:
        yield request.param
