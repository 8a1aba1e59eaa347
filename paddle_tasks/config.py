"""Configuration: one YAML file and KEY=VALUE overrides, validated into frozen models with every error at once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from paddle_tasks.errors import ConfigError, did_you_mean


class Section(BaseModel):
    """A frozen part of the configuration: unknown keys are refused and types are strict (``true`` is no number)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, protected_namespaces=(), allow_inf_nan=False
    )


S = TypeVar("S", bound=Section)
_NO_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON may hold as it is, and YAML not, or as a line break."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars (``1e-5`` is a number, ``no`` a string, ``010`` is ten) and no duplicate keys."""


_Loader.yaml_implicit_resolvers = {}


class _Dumper(yaml.SafeDumper):
    """Quotes every string that would be something else in YAML 1.1, which other readers know, or to `_Loader`."""


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML loses some line breaks, such as U+0085, in any other style.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_SCALARS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
)
for _tag, _pattern, _first in _SCALARS:
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(str(loader.construct_scalar(node)), 10)


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key, line = loader.construct_object(key_node), key_node.start_mark.line + 1
        where = f"{key_node.start_mark.name}:{line}"
        if not isinstance(key, Hashable):
            raise ConfigError(f"{where}: a list or mapping is no key; quote a text that begins with a bracket")
        if key in seen:
            raise ConfigError(f"{where}: key {key!r} stands already in line {seen[key]}")
        seen[key] = line
    return dict(loader.construct_mapping(node, deep=True))


_Dumper.add_representer(str, _quoted)
_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse_yaml(text: str, where: str) -> Any:
    """Read YAML 1.2 scalars, lists and mappings.

    Raises:
        ConfigError: the text is no YAML, or a key stands twice; the message names ``where`` and the line.
    """
    try:
        loader = _Loader(text)
        loader.name = where
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{where}{line}: not valid YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = f":{text.count(chr(10), 0, error.position) + 1}"
        raise ConfigError(f"{where}{line}: not valid YAML: the character U+{error.character:04X}") from error


def read(path: Path) -> dict[str, Any]:
    """Read a configuration file as a plain mapping.

    Raises:
        ConfigError: no such file (with the nearest one), no UTF-8, or it holds no mapping.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such configuration file{_nearest_file(path)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}") from None
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected sections such as `data:` and `model:`, found {tree!r}")
    return tree


def _nearest_file(path: Path) -> str:
    there = [str(found) for folder in {path.parent, Path("configs")} for found in sorted(folder.glob("*.yaml"))]
    same = [f"; did you mean {found!r}?" for found in there if Path(found).stem == path.name]
    return did_you_mean(str(path), there) or "".join(same[:1])


def override(tree: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of ``tree`` with each ``KEY=VALUE`` laid over it; the value is read as YAML.

    Raises:
        ConfigError: an override without ``=``, or a dotted key that goes through a value that is no section.
    """
    merged = _copy(tree)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"{item!r}: expected KEY=VALUE, for example training.epochs=3")
        _put(merged, key, parse_yaml(value, key))
    return merged


def _copy(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in tree.items()}


def _put(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for depth, name in enumerate(parents, start=1):
        if tree.get(name) is None:
            tree[name] = {}
        tree = tree[name]
        if not isinstance(tree, dict):
            raise ConfigError(f"{dotted}: {'.'.join(parents[:depth])} is a single value, not a section")
    tree[last] = value


def validate(
    tree: Mapping[str, Any], schema: type[S], where: str, choices: Mapping[str, Iterable[str]] | None = None
) -> S:
    """Turn a mapping into the frozen model ``schema``, collecting every mistake.

    Args:
        tree: the merged configuration.
        schema: the model of the whole configuration, whose section models the task owns.
        where: the file's name, for messages.
        choices: for a dotted key, the names that it may take.

    Raises:
        ConfigError: one line for each unknown or missing key, wrong type or bad choice, with the nearest right name.
    """
    problems = list(_bad_choices(tree, choices or {}))
    try:
        config = schema.model_validate_json(json.dumps(tree, default=os.fspath))
    except ValidationError as error:
        problems += [_explain(detail, schema) for detail in error.errors()]
        raise ConfigError(_listing(where, problems)) from None
    if problems:
        raise ConfigError(_listing(where, problems))
    return config


def _listing(where: str, problems: Sequence[str]) -> str:
    return "\n".join(
        [f"{where}: {len(problems)} problem{'s' * (len(problems) > 1)}", *(f"  {line}" for line in problems)]
    )


def _bad_choices(tree: Mapping[str, Any], choices: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for dotted, names in choices.items():
        found, allowed = _get(tree, dotted), sorted(names)
        if isinstance(found, str) and found not in allowed:
            yield f"{dotted}: {found!r} is unknown{did_you_mean(found, allowed)} (one of {', '.join(allowed)})"


def _get(tree: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _explain(detail: ErrorDetails, schema: type[Section]) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        *parents, last = [str(part) for part in detail["loc"]]
        return f"{path}: unknown key{did_you_mean(last, _keys(schema, parents)) or _elsewhere(schema, last)}"
    if detail["type"] == "missing":
        return f"{path}: missing"
    message = detail["msg"][0].lower() + detail["msg"][1:]
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        allowed = re.findall(r"'([^']*)'", detail["msg"])
        return f"{path}: {message}, found {detail['input']!r}{did_you_mean(detail['input'], allowed)}"
    return f"{path}: {message}, found {detail['input']!r}"


def _keys(schema: type[BaseModel], parents: Sequence[str]) -> list[str]:
    for name in parents:
        field = schema.model_fields.get(name)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        schema = field.annotation
    return list(schema.model_fields)


def _elsewhere(schema: type[BaseModel], key: str) -> str:
    """Return the hint for a key that belongs into a section: ``epochs`` for ``training.epochs``."""
    for name in schema.model_fields:
        if key in _keys(schema, [name]):
            return f"; did you mean '{name}.{key}'?"
    return ""


def dump(config: Section) -> str:
    """Write a configuration as YAML that loads back equal."""
    return str(yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, allow_unicode=True, sort_keys=False))


def differences(old: Section, new: Section) -> list[str]:
    """Return ``key: old -> new`` for every dotted key in which two configurations differ."""
    before, after = (dict(flat(config.model_dump(mode="json"))) for config in (old, new))
    keys = [*before, *(key for key in after if key not in before)]
    return [f"{key}: {before.get(key)!r} -> {after.get(key)!r}" for key in keys if before.get(key) != after.get(key)]


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings by their dotted keys; a mapping without any has none."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def inline(value: Any) -> str:
    """Write a value as YAML in one line, as KEY=VALUE takes it."""
    line = json.dumps(value, ensure_ascii=False, default=os.fspath)
    return _NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
