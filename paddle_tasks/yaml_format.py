"""YAML with the scalars of version 1.2: a loader with limits, and the dumper that matches it."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, mark

MAX_CHARACTERS, MAX_VALUES, MAX_DEPTH, MAX_DIGITS = 1_000_000, 200_000, 50, 300
"""Limits of a text: its length; its scalars, lists and mappings after each alias is replaced; levels; digits."""

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

_PREFIX = "tag:yaml.org,2002:"
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
)
_PATTERNS = {kind: re.compile(f"^(?:{pattern})$") for kind, pattern, _first in _SCALARS}


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.2 scalars (``1e-5`` is a number, ``no`` a string, ``010`` is ten) and refuses duplicate keys.

    Tags are refused, except those of scalars, lists and mappings. Each alias counts as a copy of the value that it
    stands for, because validating a configuration copies it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._n_values = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node, which is within the limits."""
        start = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _problem(_("an alias stands inside of the value that it stands for"), start)
            return self._counted(node, self._sizes[id(node)], start)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _problem(_("more than {limit} levels of lists and mappings").format(limit=MAX_DEPTH), start)
        n_before = self._n_values
        node = self._counted(super().compose_node(parent, index), 1, start)
        self._sizes[id(node)] = self._n_values - n_before
        self._depth -= 1
        return node

    def _counted(self, node: yaml.Node | None, n_values: int, start: yaml.Mark) -> yaml.Node | None:
        self._n_values += n_values
        if self._n_values > MAX_VALUES:
            raise _problem(_("more than {limit:,} values, counting each alias").format(limit=MAX_VALUES), start)
        return node


class Dumper(yaml.SafeDumper):
    """Quotes every string that YAML 1.1 (other readers) or `parse_yaml` would take for another type."""


def _problem(problem: str, start: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=start)


def _construct_scalar(loader: _Loader, node: yaml.Node) -> Any:
    """Return a boolean, null or a number; a tag such as ``!!int`` may stand before a text that is none."""
    kind = node.tag.removeprefix(_PREFIX)
    if not isinstance(node, yaml.ScalarNode):
        raise _problem(_("the tag {tag} before a value of another type").format(tag=f"!!{kind}"), node.start_mark)
    text = str(loader.construct_scalar(node))
    if not _PATTERNS[kind].match(text):
        raise _problem(_("the tag {tag} before a value of another type").format(tag=f"!!{kind}"), node.start_mark)
    if kind == "int":
        if len(text) > MAX_DIGITS:
            message = _("a number of {count:,} digits; quote a text that consists of digits")
            raise _problem(message.format(count=len(text)), node.start_mark)
        return int(text, 10)
    if kind == "float":
        return float(text)
    return None if kind == "null" else text.lower() == "true"


def _construct_mapping(loader: _Loader, node: yaml.Node) -> dict[Any, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise _problem(_("the tag {tag} before a value of another type").format(tag="!!map"), node.start_mark)
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


def _refuse_tag(_loader: _Loader, node: yaml.Node) -> Any:
    message = _("the tag {tag}; a configuration holds texts, numbers, true, false, null, lists and mappings only")
    raise _problem(message.format(tag=node.tag.replace(_PREFIX, "!!")), node.start_mark)


def _represent_string(dumper: Dumper, text: str) -> yaml.ScalarNode:
    # In any other style PyYAML loses some line breaks, such as U+0085.
    return dumper.represent_scalar(f"{_PREFIX}str", text, style=None if text.isprintable() else '"')


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {
    None: _refuse_tag,
    f"{_PREFIX}str": yaml.SafeLoader.construct_yaml_str,
    f"{_PREFIX}seq": yaml.SafeLoader.construct_yaml_seq,
    f"{_PREFIX}map": _construct_mapping,
    **{f"{_PREFIX}{kind}": _construct_scalar for kind in _PATTERNS},
}
for _kind, _pattern, _first_characters in _SCALARS:
    for _class in (_Loader, Dumper):
        _class.add_implicit_resolver(f"{_PREFIX}{_kind}", _PATTERNS[_kind], list(_first_characters))
Dumper.add_representer(str, _represent_string)


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML with 1.2 scalars, lists and mappings.

    Args:
        text: the YAML.
        where: the file name or key, for messages.

    Raises:
        ConfigError: the text is not valid YAML, repeats a key or is over a limit; the message gives ``where`` and the
            line.
    """
    if len(text) > MAX_CHARACTERS:
        message = _("{where}: {count:,} characters, expected at most {limit:,} in a configuration")
        raise ConfigError(message.format(where=where, count=len(text), limit=MAX_CHARACTERS))
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
