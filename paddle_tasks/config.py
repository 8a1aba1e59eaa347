"""Configuration: a YAML file and KEY=VALUE overrides, validated into frozen models; all errors are reported at once."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from paddle_tasks.errors import ConfigError, at, did_you_mean, nearest_path, suggestion
from paddle_tasks.files import is_file, list_siblings, short_name
from paddle_tasks.language import _, join, mark, plural
from paddle_tasks.validation_messages import explain


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
_NOT_PLAIN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that JSON allows unescaped, but YAML forbids or reads as a line break."""


YAML_PROBLEMS = (  # the usual ones, in PyYAML's words
    mark("mapping values are not allowed here"),
    mark("could not find expected ':'"),
    mark("found character '\\t' that cannot start any token"),
    mark("found unexpected end of stream"),
    mark("expected ',' or ']', but got '<stream end>'"),
    mark("expected ',' or '}', but got '<stream end>'"),
    mark("expected <block end>, but found '<block mapping start>'"),
    mark("expected <block end>, but found '<scalar>'"),
    mark("expected <block end>, but found '-'"),
    mark("expected <block end>, but found '?'"),
)


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.2 scalars (``1e-5`` is a number, ``no`` a string, ``010`` is ten) and refuses duplicate keys."""


_Loader.yaml_implicit_resolvers = {}


class _Dumper(yaml.SafeDumper):
    """Quotes every string that YAML 1.1 (other readers) or `_Loader` would take for another type."""


def _represent_string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # In any other style PyYAML loses some line breaks, such as U+0085.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_SCALARS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
)
for _tag, _pattern, _first_characters in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first_characters))


def _construct_decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(str(loader.construct_scalar(node)), 10)


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    line_of_key: dict[Any, int] = {}
    for key_node, _value_node in node.value:
        key, line = loader.construct_object(key_node), key_node.start_mark.line + 1
        where = f"{key_node.start_mark.name}:{line}"
        if not isinstance(key, Hashable):
            message = _("{where}: a list or mapping cannot be a key; quote a text that begins with a bracket")
            raise ConfigError(message.format(where=where))
        if key in line_of_key:
            message = _("{where}: key {key!r} is already defined in line {line}")
            raise ConfigError(message.format(where=where, key=key, line=line_of_key[key]))
        line_of_key[key] = line
    return dict(loader.construct_mapping(node, deep=True))


_Dumper.add_representer(str, _represent_string)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_decimal)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML with 1.2 scalars, lists and mappings.

    Args:
        text: the YAML.
        where: the file name or key, for messages.

    Raises:
        ConfigError: the text is not valid YAML or repeats a key; the message gives ``where`` and the line.
    """
    try:
        loader = _Loader(text)
        loader.name = where
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        place = f"{where}:{error.problem_mark.line + 1}" if error.problem_mark else where
        problem = _(error.problem) if error.problem else str(error)
        raise ConfigError(_("{where}: not valid YAML: {problem}").format(where=place, problem=problem)) from error
    except yaml.reader.ReaderError as error:
        place = f"{where}:{text.count(chr(10), 0, error.position) + 1}"
        message = _("{where}: not valid YAML: the character U+{code:04X}")
        raise ConfigError(message.format(where=place, code=error.character)) from error


def read(path: Path) -> dict[str, Any]:
    """Read a configuration file as a plain mapping.

    Raises:
        ConfigError: there is no such file (the nearest name is suggested), it is not UTF-8, or it is not a mapping.
    """
    if not is_file(path):
        message = _("{file}: no such configuration file{hint}")
        raise ConfigError(message.format(file=short_name(path), hint=_nearest_file(path)))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(_("{file}: not UTF-8 text at byte {byte}").format(file=path, byte=error.start)) from None
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        message = _("{file}: expected sections such as `data:` and `model:`, found {found!r}")
        raise ConfigError(message.format(file=path, found=tree))
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
    if value is None or type(value) in {bool, int, float, str}:
        return value
    for kind in (str, int, float):  # subclasses, such as enumerations and numpy.float64
        if isinstance(value, kind):
            return str.__str__(value) if kind is str else kind(value)
    hint = _("; a set has no order, give a list") if isinstance(value, (set, frozenset)) else ""
    problem = _("{key}: expected a text, a number, true, false, null, a list or a mapping, found {found}{hint}")
    problems.append(problem.format(key=key, found=_show(given), hint=hint))
    return None


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
            plain[str.__str__(name) if isinstance(name, str) else str(int(name))] = _plain(value, dotted, problems)
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
    return "\n".join([at(where, count), *(f"  {line}" for line in problems)])


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
    return str(yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, allow_unicode=True, sort_keys=False))


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
