"""Comparisons and inputs that the tests of all tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest


def assert_close(found: Any, expected: Any, rel: float = 1e-6) -> None:
    """Compare JSON values: numbers approximately, everything else exactly."""
    if isinstance(expected, Mapping):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value, rel)
    elif isinstance(expected, Sequence) and not isinstance(expected, str):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, rel)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=rel, abs=rel)
    else:
        assert found == expected


def inputs_of(task: Any) -> list[str]:
    """Return an input of `predict` for each dev row; of a document the first line, without its first character."""
    return [
        example.text if hasattr(example, "text") else f"[MASK]{example.lines[0][1:]}"
        for example in task.splits["dev"].examples
    ]
