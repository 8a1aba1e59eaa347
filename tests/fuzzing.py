"""What the fuzzing tests share: the number of inputs, and inputs that are damaged or odd.

``make test`` tries a few inputs of each kind, the same ones each time; ``make fuzz COUNT=200000`` draws as many new
ones as are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from paddle_tasks.errors import UserError

VARIABLE = "PADDLE_TASKS_FUZZ"
"""The number of inputs of each fuzzing test, instead of its own short one."""

ODD_TEXTS = ["", " ", "\0", "\ufeff", "\u2028", "\ud800", "nan", "1e999", "9" * 5000, "[" * 500, '{"a": ' * 500, "\r"]
ODD_TEXTS += ["!!binary a", "&a [*a]", "..", "../../x", "/etc/passwd", "~nobody/x", "a" * 300, "😀" * 100, "%s{0}{x}"]
ODD_BYTES = [text.encode("utf-8", "surrogatepass") for text in ODD_TEXTS] + [b"\xff\xfe", b"\xef\xbb\xbf", b"\x80\x04"]


def examples(count: int, share: float = 1.0) -> Callable[[Any], Any]:
    """Mark a fuzzing test, which tries ``count`` inputs in ``make test``.

    Args:
        count: the number of inputs.
        share: of the number that ``make fuzz`` asks for; below 1 for inputs that take long, such as folders.
    """
    asked = os.environ.get(VARIABLE)
    limits = settings(
        max_examples=max(1, int(int(asked) * share)) if asked else count,
        deadline=None,
        database=None,
        derandomize=not asked,  # the short test fails for a reason, not by chance
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: pytest.mark.fuzz(limits(test))


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy of damaged contents: cut, with changed, removed and inserted bytes, or of other bytes."""
    position = st.integers(0, len(whole))
    piece = st.one_of(st.binary(max_size=8), st.sampled_from(ODD_BYTES))
    edit = st.tuples(position, st.integers(0, 8), piece)
    edited = st.lists(edit, min_size=1, max_size=3).map(lambda edits: _edit(whole, edits))
    return st.one_of(edited, position.map(lambda end: whole[:end]), st.binary(max_size=200), piece)


def _edit(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for start, n_removed, inserted in edits:
        content = content[:start] + inserted + content[start + n_removed :]
    return content


def json_values() -> st.SearchStrategy[Any]:
    """Return a strategy of JSON values, odd ones among them."""
    odd = st.sampled_from([None, True, -1, 2**31, 2**64, 10**400, 1e308, float("nan"), [], {}, [[[]]], *ODD_TEXTS])
    return st.recursive(
        st.one_of(odd, st.integers(), st.floats(), st.text(max_size=10)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
        max_leaves=5,
    )


def changed(tree: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of copies of a JSON value in which one value is replaced or one key is missing."""
    places = list(_places(tree))
    return st.tuples(st.sampled_from(places), st.booleans(), json_values()).map(lambda drawn: _change(tree, *drawn))


def _places(tree: Any, prefix: tuple[Any, ...] = ()) -> Any:
    yield prefix
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from _places(value, (*prefix, key))


def _change(tree: Any, place: tuple[Any, ...], remove: bool, value: Any) -> Any:
    if not place:
        return value
    first, *others = place
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if others:
        copy[first] = _change(tree[first], tuple(others), remove, value)
    elif remove:
        del copy[first]
    else:
        copy[first] = value
    return copy


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a call returns, or the UserError that it raises; any other error fails the test."""
    try:
        return call(*arguments)
    except UserError as error:
        return error
