"""Values of JSON fields and cells of tables as texts and labels; what stands for a missing value is refused."""

from __future__ import annotations

import ast
import json
import math
from typing import Any

from paddle_tasks.errors import DataError
from paddle_tasks.language import _

MISSING = frozenset({"nan", "NaN", "NULL", "null", "None", "\\N", "<NA>", "NaT", "#N/A"})
"""What pandas, databases and spreadsheets write for a missing value."""

_SHOWN_CHARACTERS = 40


def text_of(value: Any) -> str:
    """Return a JSON value as text: null as an empty text, numbers and booleans as JSON.

    Raises:
        DataError: the value is a list, an object, NaN or infinite; the message continues "expected a text, ".
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(_("found {value}").format(value=show_value(value)))
    if isinstance(value, list | dict):
        found = _("found a list: {value}") if isinstance(value, list) else _("found an object: {value}")
        raise DataError(found.format(value=show_value(value)))
    return show_value(value)


def label_of(value: Any) -> str:
    """Return a JSON value as a label; a list of one label stands for that label, as doccano exports it.

    ``["正向"]`` gives ``正向``; ``[]`` and ``["正向", "物流"]`` are refused.

    Raises:
        DataError: the value is no single label; the message continues "expected one label, ".
    """
    if not isinstance(value, list):
        return text_of(value)
    if len(value) != 1:
        found = _("found {count}: {value}") if value else _("found none: {value}")
        raise DataError(found.format(count=len(value), value=show_value(value)))
    if value[0] is None or isinstance(value[0], list | dict):
        raise DataError(_("found {value}").format(value=show_value(value)))
    return text_of(value[0])


def label_of_cell(cell: str) -> str:
    """Return the label in a cell of a table; ``['正向']`` and ``["正向"]`` are lists of one label.

    Raises:
        DataError: the cell holds a list without a single label, or an object.
    """
    stripped = cell.strip()
    if not stripped or stripped[0] + stripped[-1] not in ("[]", "{}"):
        return cell
    try:
        value = ast.literal_eval(stripped)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # a name in brackets, such as [开心]
        return cell
    return label_of(list(value) if isinstance(value, set) else value)


def show_value(value: Any) -> str:
    """Return the start of a value as JSON, for messages; a short value is shown in full."""
    try:
        if isinstance(value, int | bool):
            return json.dumps(value)
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # Python's own values: keys of other types, numbers of any length
        text = type(value).__name__
    return text if isinstance(value, float) or len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
