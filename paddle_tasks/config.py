"""Configuration: a YAML file and KEY=VALUE overrides, validated into frozen models; all errors are reported at once."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paddle_tasks.errors import ConfigError, at, did_you_mean, nearest_path, shorten, suggestion
from paddle_tasks.files import is_file, list_siblings, read_settings_text, short_name
from paddle_tasks.language import _, join, plural
from paddle_tasks.validation_messages import explain
from paddle_tasks.yaml_format import Dumper
from paddle_tasks.yaml_format import parse_yaml as parse_yaml  # also the readers of other files import it from here


class Section(BaseModel):
    """A frozen section of the configuration. Unknown keys are refused; types are strict (``true`` is not a number)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, protected_namespaces=(), allow_inf_nan=False
    )

    @classmethod
    def upgrade(cls, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the tree of an older version in the form of this one; a section that has changed overrides this."""
        return tree


S = TypeVar("S", bound=Section)
Count = Annotated[int, Field(gt=0, le=2**31 - 1)]
CountOrZero = Annotated[int, Field(ge=0, le=2**31 - 1)]
Size = Annotated[int, Field(gt=0, le=65_536)]
"""A width of a model, or another number that arrays are made of."""
LayerCount = Annotated[int, Field(gt=0, le=1000)]
SequenceCount = Annotated[int, Field(gt=0, le=10_000)]
"""Sequences that are decoded side by side for one input."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""The seeds that every library takes."""
_NOT_PLAIN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that JSON allows unescaped, but YAML forbids or reads as a line break."""
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def read(path: Path) -> dict[str, Any]:
    """Read a configuration file as a plain mapping.

    Raises:
        ConfigError: there is no such file (the nearest name is suggested), it is not UTF-8, or it is not a mapping.
    """
    if not is_file(path):
        message = _("{file}: no such configuration file{hint}")
        raise ConfigError(message.format(file=short_name(path), hint=_nearest_file(path)))
    tree = parse_yaml(read_settings_text(path, ConfigError), str(path))
    if not isinstance(tree, dict):
        message = _("{file}: expected sections such as `data:` and `model:`, found {found}")
        raise ConfigError(message.format(file=path, found=shorten(repr(tree))))
    return tree


def _nearest_file(path: Path) -> str:
    candidates = [
        str(file)
        for name in (path, Path("configs", path.name))
        for file in sorted(list_siblings(name))
        if file.endswith(".yaml")
    ]
    same_stem = [suggestion(name) for name in candidates if Path(name).stem == path.name]
    return nearest_path(path, candidates) or "".join(same_stem[:1])


# ---- settings that Python code gives


_MAX_SHOWN = 60
_MAX_DEPTH = 30
"""Levels of settings; more are a list or mapping that contains itself."""
_MAX_PROBLEMS, _MAX_LINE = 50, 2000
"""Lines of a message and characters of a line; a data file given as a configuration has more and longer ones."""


def to_plain(tree: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings as a YAML file has them: texts, numbers, booleans, None, lists and dictionaries.

    Paths become texts; tuples and other sequences lists; numpy's scalars and arrays become numbers, texts and lists. A
    key that is a whole number, such as a label, becomes a text.

    Args:
        tree: the settings.
        where: what they are the settings of, for messages.

    Raises:
        ConfigError: one line for each value or key of another type, such as a set, with its dotted key and the type.
    """
    problems: list[str] = []
    plain: dict[str, Any] = _plain(tree, "", problems)
    if problems:
        raise ConfigError(_format_problems(where, problems))
    return plain


def _plain(given: Any, key: str, problems: list[str]) -> Any:
    value = _unwrap(given)
    if key.count(".") > _MAX_DEPTH:
        problems.append(_("{key}: too many levels").format(key=key))
        return None
    if isinstance(value, Mapping):
        return _plain_mapping(value, key, problems)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return [_plain(item, f"{key}.{index}", problems) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _plain_text(str.__str__(value), key, problems)
    if value is None or type(value) in {bool, int, float}:
        return value
    for kind in (int, float):  # subclasses, such as enumerations and numpy.float64
        if isinstance(value, kind):
            return kind(value)
    hint = _("; a set has no order, give a list") if isinstance(value, (set, frozenset)) else ""
    problem = _("{key}: expected a text, a number, true, false, null, a list or a mapping, found {found}{hint}")
    problems.append(problem.format(key=key, found=_show(given), hint=hint))
    return None


def _plain_text(text: str, key: str, problems: list[str]) -> str:
    """Return a text; a NUL character, which no file name may have, or half of a surrogate pair is a problem."""
    found = _NOT_TEXT.search(text)
    if found:
        problem = _("{key}: the character U+{code:04X} cannot be in a setting")
        problems.append(problem.format(key=_visible(key), code=ord(found[0])))
    return text


def _visible(key: str) -> str:
    return _NOT_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", key)


def _show(value: Any) -> str:
    shown = " ".join(repr(value).split())[:_MAX_SHOWN]
    return _("{value} of type {type}").format(value=shown, type=type(value).__name__)


def _unwrap(value: Any) -> Any:
    """Return the value of a numpy scalar or array, or the text of a path; any other value as it is."""
    numpy = sys.modules.get("numpy")  # it is loaded if the value is of one of its classes
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _plain_mapping(tree: Mapping[Any, Any], key: str, problems: list[str]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for given, value in tree.items():
        name = _unwrap(given)
        dotted = f"{key}.{name}" if key else f"{name}"
        if not isinstance(name, (str, int)) or isinstance(name, bool):
            problem = _("{key}: expected a text as the key, found {found}")
            problems.append(problem.format(key=dotted, found=_show(given)))
        elif str(name) in plain:
            problems.append(_("{key}: this key is given as a text and as a number").format(key=dotted))
        else:
            text = _plain_text(str.__str__(name) if isinstance(name, str) else str(int(name)), dotted, problems)
            plain[text] = _plain(value, dotted, problems)
    return plain


# ---- overrides and validation


def override(tree: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of ``tree`` with each ``KEY=VALUE`` applied. A value is parsed as YAML; ``-`` is standard input.

    Raises:
        ConfigError: an override has no ``=``, or its dotted key passes through a value that is not a section.
    """
    merged = _copy(tree)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(_("{found!r}: expected KEY=VALUE, for example training.epochs=3").format(found=item))
        _set(merged, key, value if value == "-" else parse_yaml(value, key))
    return merged


def _copy(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in tree.items()}


def _set(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for depth, name in enumerate(parents, start=1):
        if tree.get(name) is None:
            tree[name] = {}
        tree = tree[name]
        if not isinstance(tree, dict):
            message = _("{key}: {parent} is a single value, not a section")
            raise ConfigError(message.format(key=dotted, parent=".".join(parents[:depth])))
    tree[last] = value


def validate(
    tree: Mapping[str, Any], schema: type[S], where: str, choices: Mapping[str, Iterable[str]] | None = None
) -> S:
    """Validate a mapping as the frozen model ``schema``; all mistakes are collected before an error is raised.

    Args:
        tree: the merged configuration.
        schema: the model of the whole configuration; the task defines its sections.
        where: the file name, for messages.
        choices: the allowed names for a dotted key.

    Raises:
        ConfigError: one line for each unknown or missing key, wrong type or bad choice, with the nearest right name.
    """
    tree = schema.upgrade(to_plain(tree, where))
    problems = list(_bad_choices(tree, choices or {}))
    try:
        config = schema.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        problems += [explain(detail, schema) for detail in error.errors()]
        raise ConfigError(_format_problems(where, problems)) from None
    if problems:
        raise ConfigError(_format_problems(where, problems))
    return config


def _format_problems(where: str, problems: Sequence[str]) -> str:
    count = plural("{count} problem", "{count} problems", len(problems))
    n_others = len(problems) - _MAX_PROBLEMS
    others = [_("… and {count} more").format(count=n_others)] if n_others > 0 else []
    shown = [line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…" for line in problems[:_MAX_PROBLEMS]]
    return "\n".join([at(where, count), *(f"  {line}" for line in (*shown, *others))])


def _bad_choices(tree: Mapping[str, Any], choices: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for dotted, names in choices.items():
        value, allowed = _get(tree, dotted), sorted(names)
        if isinstance(value, str) and value not in allowed:
            problem = _("{key}: {name!r} is unknown{hint} (one of {names})")
            yield problem.format(key=dotted, name=value, hint=did_you_mean(value, allowed), names=join(allowed))


def _get(tree: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def dump(config: Section) -> str:
    """Return a configuration as YAML; loading it gives an equal configuration."""
    return str(yaml.dump(config.model_dump(mode="json"), Dumper=Dumper, allow_unicode=True, sort_keys=False))


def list_differences(old: Section, new: Section) -> list[str]:
    """Return ``key: old -> new`` for every dotted key whose values differ."""
    before, after = (dict(flatten(config.model_dump(mode="json"))) for config in (old, new))
    keys = [*before, *(key for key in after if key not in before)]
    return [f"{key}: {before.get(key)!r} -> {after.get(key)!r}" for key in keys if before.get(key) != after.get(key)]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``(dotted key, value)`` for every value of nested mappings; an empty mapping yields nothing."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def dump_inline(value: Any) -> str:
    """Return a value as YAML on one line, as the VALUE of KEY=VALUE.

    Raises:
        ConfigError: `to_plain` refuses it.
    """
    line = json.dumps(to_plain({"value": value}, "VALUE")["value"], ensure_ascii=False)
    return _NOT_PLAIN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
