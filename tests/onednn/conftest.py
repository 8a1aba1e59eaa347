"""These tests need oneDNN, and bfloat16 products where they say so; other machines skip them."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.onednn import library


@pytest.fixture(autouse=True)
def _needs_onednn(request):
    if library.get() is None and "test_library" not in request.node.nodeid:
        pytest.skip(f"oneDNN cannot be used: {library.why_not()}")
    dnn = library.get()
    if dnn is not None and not dnn.can_bfloat16 and "test_library" not in request.node.nodeid:
        pytest.skip(f"oneDNN has no bfloat16 for {dnn.isa}")


@pytest.fixture
def draw():
    """Return a function that draws <float32>[shape] from N(0, 1)."""
    generator = np.random.default_rng(0)
    return lambda *shape: generator.standard_normal(shape).astype(np.float32)
