"""What pydantic finds wrong in a configuration, in the current language and with the nearest right key or name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from paddle_tasks.errors import did_you_mean, join_alternatives, shorten, suggestion
from paddle_tasks.language import _, mark, plural

# The sentences are pydantic's own; its other types of errors cannot occur in strict JSON, or are shown in English.
_ARRAY, _OBJECT = mark("input should be a valid array"), mark("input should be an object")
SENTENCES: Mapping[str, str] = {
    "bool_type": mark("input should be a valid boolean"),
    "dict_type": _OBJECT,
    "finite_number": mark("input should be a finite number"),
    "float_type": mark("input should be a valid number"),
    "greater_than": mark("input should be greater than {gt}"),
    "greater_than_equal": mark("input should be greater than or equal to {ge}"),
    "int_type": mark("input should be a valid integer"),
    "json_invalid": mark("invalid JSON: {error}"),
    "less_than": mark("input should be less than {lt}"),
    "less_than_equal": mark("input should be less than or equal to {le}"),
    "list_type": _ARRAY,
    "model_type": _OBJECT,
    "none_required": mark("input should be null"),
    "string_type": mark("input should be a valid string"),
    "tuple_type": _ARRAY,
    "value_error": mark("value error, {error}"),
}
"""The sentence of each type of error; the fields are those of pydantic's context."""


def explain(detail: ErrorDetails, schema: type[BaseModel]) -> str:
    """Return one line for an error of pydantic: the dotted key, what was expected and what was found."""
    *parents, last = [str(part) for part in detail["loc"]] or [""]
    key = ".".join([*parents, last])
    if detail["type"] == "extra_forbidden":
        hint = did_you_mean(last, _keys(schema, parents)) or _section_hint(schema, last)
        return _("{key}: unknown key{hint}").format(key=key, hint=hint)
    if detail["type"] == "missing":
        return _("{key}: missing").format(key=key)
    found, expected = detail["input"], _expected(detail["type"], detail.get("ctx", {}), detail["msg"])
    hint = ""
    if detail["type"] == "literal_error" and isinstance(found, str):
        hint = did_you_mean(found, re.findall(r"'([^']*)'", detail["msg"]))
    message = _("{key}: {expected}, found {found}{hint}")
    return message.format(key=key, expected=expected, found=shorten(repr(found)), hint=hint)


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    """Return what an error expects; ``message`` is pydantic's own, of which the first letter is made small."""
    if kind == "literal_error":
        choices = re.split(", | or ", context["expected"])
        return _("input should be {choices}").format(choices=join_alternatives(choices))
    if kind in {"too_short", "string_too_short"}:
        return _at_least(kind, context["min_length"])
    if kind == "too_long":
        count = context["max_length"]
        return plural("input should have at most {count} item", "input should have at most {count} items", count)
    if kind not in SENTENCES:
        return message[0].lower() + message[1:]
    return _(SENTENCES[kind]).format(**{name: _shown(value) for name, value in context.items()})


def _shown(value: Any) -> Any:
    """Return a limit such as 0.0 as pydantic writes it, 0; other values as they are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _at_least(kind: str, count: int) -> str:
    if kind == "too_short":
        return plural("input should have at least {count} item", "input should have at least {count} items", count)
    return plural(
        "input should have at least {count} character", "input should have at least {count} characters", count
    )


def _keys(schema: type[BaseModel], parents: Sequence[str]) -> list[str]:
    for name in parents:
        field = schema.model_fields.get(name)
        sections = [] if field is None else [kind for kind in _alternatives(field.annotation) if _is_section(kind)]
        if not sections:
            return []
        schema = sections[0]
    return list(schema.model_fields)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union, as in ``bool | Section``; of another type the type itself."""
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _section_hint(schema: type[BaseModel], key: str) -> str:
    """Return a hint for a key that lacks its section, such as ``epochs`` instead of ``training.epochs``."""
    for name in schema.model_fields:
        if key in _keys(schema, [name]):
            return suggestion(f"{name}.{key}")
    return ""
