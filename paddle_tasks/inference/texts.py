"""What a pipeline may be called with: texts in a list or the like, each checked before a model sees it."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from paddle_tasks.errors import DataError, join_names
from paddle_tasks.language import _, mark
from paddle_tasks.text.limits import too_long

_SURROGATE = re.compile("[\ud800-\udfff]")
BLANK = mark("the text is blank")
"""What `find_problem` says of a text without characters to read."""
_MAX_SHOWN = 40
"""Characters of a text in a message."""


def read_text(text: str, n_fields: int = 1) -> str:
    """Return a single text as a plain string.

    Args:
        text: a string, or an object of a subclass such as ``numpy.str_``.
        n_fields: the number of fields of an input; several have tabs between them.

    Raises:
        DataError: `find_problem` has found something.
    """
    problem = find_problem(text, n_fields)
    if problem:
        raise DataError(_("nothing to predict: {problem}").format(problem=problem))
    return str.__str__(text)


def read_texts(texts: Any, n_fields: int = 1) -> list[str]:
    """Return several texts as a list of plain strings, which is empty if there are none.

    Args:
        texts: a list, a tuple or another sequence, a generator or another iterator, a numpy array with one dimension,
            or a pandas Series or Index.
        n_fields: as in `read_text`.

    Raises:
        DataError: ``texts`` is something else, or `find_problem` has found something in an item. The message names the
            item, counted from 1.
    """
    _check_holds_items(texts)
    items = list(texts)
    return _read_items(items, n_fields, 1, len(items))


def read_parts(texts: Any, n_fields: int, size: int) -> Iterator[list[str]]:
    """Return an iterator over texts in lists of ``size``, the last one shorter; only one part is in memory.

    Args:
        texts: as in `read_texts`.
        n_fields: as in `read_text`.
        size: texts of a part.

    Raises:
        DataError: as in `read_texts`; of an item, when its part is reached.
    """
    if isinstance(texts, str):
        raise DataError(_("expected several texts, found one text; pass a list, or call the pipeline itself"))
    _check_holds_items(texts)
    if size < 1:
        raise DataError(_("n_at_once: expected a number above 0, found {found}").format(found=size))
    return _parts(iter(texts), n_fields, size)


def _parts(items: Iterator[Any], n_fields: int, size: int) -> Iterator[list[str]]:
    number = 1
    while part := list(islice(items, size)):
        yield _read_items(part, n_fields, number)
        number += len(part)


def _check_holds_items(texts: Any) -> None:
    if not _holds_items(texts):
        message = _("expected a text or a list of texts, found {found}{hint}")
        raise DataError(message.format(found=describe(texts), hint=_hint(texts)))


def _read_items(items: Sequence[Any], n_fields: int, first: int, n_items: int | None = None) -> list[str]:
    for number, item in enumerate(items, start=first):
        problem = find_problem(item, n_fields)
        if problem:
            message = _("item {number} of {count}: {problem}") if n_items else _("item {number}: {problem}")
            raise DataError(message.format(number=number, count=n_items, problem=problem))
    return [str.__str__(item) for item in items]


def find_problem(text: Any, n_fields: int = 1) -> str | None:
    """Return why something is no input of a pipeline, such as ``expected a text, found None``; None if it is one.

    A text is not blank, and not longer than a tokenizer can hold. It has no surrogates (halves of characters, or bytes
    that are not UTF-8), since no file or terminal can hold what a pipeline returns for them.
    """
    if not isinstance(text, str):
        return _("expected a text, found {found}{hint}").format(found=describe(text), hint=_item_hint(text))
    if problem := too_long(text):
        return problem
    if not text.strip():
        return _(BLANK)
    if _SURROGATE.search(text):
        return _("{text!r}: this text is not UTF-8").format(text=text[:_MAX_SHOWN])
    parts = text.split("\t")
    if n_fields > 1 and (len(parts) != n_fields or not all(part.strip() for part in parts)):
        count = _("two") if n_fields == 2 else n_fields
        message = _("expected {count} texts with a tab between them, found {text!r}")
        return message.format(count=count, text=text[:_MAX_SHOWN])
    return None


def _holds_items(texts: Any) -> bool:
    if isinstance(texts, np.ndarray):
        return texts.ndim == 1
    if isinstance(texts, (str, bytes, bytearray, memoryview)):
        return False
    return isinstance(texts, (Sequence, Iterator)) or _is_pandas(texts, "Series", "Index")


def _is_pandas(value: Any, *names: str) -> bool:
    """Return whether a value has one of these classes of pandas, which need not be installed."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, tuple(getattr(pandas, name) for name in names))


def describe(value: Any) -> str:
    """Return what a value is, for a message: ``NaN (a missing value)``, ``3 (int)``, ``a list of 2``."""
    kind = type(value).__name__
    if isinstance(value, float) and math.isnan(value):
        return _("{value} (a missing value)").format(value="NaN")
    if value is None or kind in {"NAType", "NaTType"}:
        return _("{value} (a missing value)").format(value=value)
    if isinstance(value, (int, float, np.generic)):
        return f"{value} ({kind})"
    if isinstance(value, np.ndarray):
        return _("an array of shape {shape}").format(shape=value.shape)
    if _is_pandas(value, "DataFrame"):
        return _("a DataFrame with the columns {names}").format(names=join_names([str(name) for name in value.columns]))
    if isinstance(value, Mapping):
        names = join_names([str(name) for name in value])
        return _("a {kind} with the keys {names}").format(kind=kind, names=names)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _("a {kind} of {count}").format(kind=kind, count=len(value))
    return kind


def _hint(value: Any) -> str:
    if _is_pandas(value, "DataFrame"):
        return _("; name the column of the texts, as in table['text']")
    if isinstance(value, Mapping):
        return _("; pass the texts alone, in a list")
    if isinstance(value, (set, frozenset)):
        return _("; a set has no order, so pass a list")
    return _item_hint(value)


def _item_hint(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return _("; decode it, as in data.decode('utf-8')")
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return _("; a pair is one text with a tab between its two parts")
    return ""
