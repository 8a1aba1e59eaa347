"""Hostile YAML: what would take memory or time, or has no plain value, is one message with its line."""

from __future__ import annotations

import tracemalloc

import pytest

from paddle_tasks import yaml_format
from paddle_tasks.errors import ConfigError
from paddle_tasks.yaml_format import MAX_CHARACTERS, MAX_DEPTH, MAX_DIGITS, MAX_VALUES, parse_yaml


def message(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse_yaml(text, "x.yaml")
    return str(raised.value)


def alias_bomb(n_levels: int) -> str:
    """Return mappings of ten aliases each: ``10 ** n_levels`` values."""
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, n_levels)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *levels])


# ---- memory and time


@pytest.mark.parametrize("n_levels", [6, 10, 60])
def test_an_alias_bomb_is_refused_before_it_takes_memory(n_levels):
    text = alias_bomb(n_levels)
    tracemalloc.start()
    try:
        assert message(text) == f"x.yaml:6: not valid YAML: more than {MAX_VALUES:,} values, counting each alias"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_aliases_within_the_limit_are_read():
    tree = parse_yaml(alias_bomb(4), "x.yaml")
    assert len(tree["a3"]) == len(tree["a3"][9][9][9]) == 10


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: {c: *a}}"])
def test_an_alias_to_itself_is_refused(text):
    assert message(text) == "x.yaml:1: not valid YAML: an alias stands inside of the value that it stands for"


@pytest.mark.parametrize("n_levels", [MAX_DEPTH + 1, 2000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_deep_nesting_is_refused(n_levels, opening, closing):
    text = f"{opening * n_levels}1{closing * n_levels}"[:MAX_CHARACTERS]
    assert message(text) == f"x.yaml:1: not valid YAML: more than {MAX_DEPTH} levels of lists and mappings"


def test_the_deepest_nesting_is_read():
    n_lists = MAX_DEPTH - 1  # the scalar is a level too
    assert repr(parse_yaml("[" * n_lists + "1" + "]" * n_lists, "x")).count("[") == n_lists


def test_a_list_of_too_many_values_is_refused(monkeypatch):
    monkeypatch.setattr(yaml_format, "MAX_VALUES", 1001)
    assert "more than 1,001 values" in message("- \n" * 1001)
    assert len(parse_yaml("- \n" * 1000, "x")) == 1000


def test_a_long_text_is_refused_before_it_is_parsed():
    assert message("[" * (MAX_CHARACTERS + 1)) == (
        "x.yaml: 1,000,001 characters, expected at most 1,000,000 in a configuration"
    )


@pytest.mark.parametrize("n_digits", [MAX_DIGITS + 1, 5000])
def test_an_integer_of_too_many_digits_is_refused(n_digits):
    expected = f"x.yaml:2: not valid YAML: a number of {n_digits:,} digits; quote a text that consists of digits"
    assert message(f"a: 1\nb: {'9' * n_digits}") == expected
    assert parse_yaml("9" * MAX_DIGITS, "x") == int("9" * MAX_DIGITS)


# ---- tags


@pytest.mark.parametrize(
    "value",
    [
        "!!binary aGk=",
        "!!set {a, b}",
        "!!timestamp abc",
        "!!timestamp 2026-01-01",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
        "!!python/name:os.system",
        "!!python/object/apply:os.system [ls]",
        "!local 1",
        "!!value =",
        "{!!merge x: {a: 1}}",
    ],
)
def test_a_tag_without_a_plain_value_is_refused(value):
    tag = value.strip("{").split()[0]
    assert message(f"a:\n  b: {value}").startswith(f"x.yaml:2: not valid YAML: the tag {tag}; a configuration holds ")


@pytest.mark.parametrize(
    "value", ["!!int abc", "!!int 1.5", "!!float abc", "!!bool maybe", "!!null 1", "!!map [a]", "!!int [1]"]
)
def test_a_tag_that_contradicts_its_value_is_refused(value):
    expected = f"x.yaml:1: not valid YAML: the tag {value.split()[0]} before a value of another type"
    assert message(f"a: {value}") == expected


@pytest.mark.parametrize("value", ["!!str [1]", "!!seq {a: 1}", "!!str {a: 1}"])
def test_a_tag_of_another_kind_of_node_is_refused(value):
    assert message(f"a: {value}").startswith("x.yaml:1: not valid YAML: expected a ")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("!!str 123", "123"), ("!!int 010", 10), ("!!float 1", 1.0), ("!!bool TRUE", True), ("!!null ~", None)],
)
def test_a_tag_that_agrees_with_its_value_is_read(value, expected):
    assert parse_yaml(value, "x") == expected


# ---- bytes


@pytest.mark.parametrize("text", ["a: 1\nb: \0", "a: 1\n\x07: 2", "a: 1\nb: \ud800"])
def test_a_character_that_yaml_forbids_is_refused(text):
    assert message(text).startswith("x.yaml:2: not valid YAML: the character U+")
