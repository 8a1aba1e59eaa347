"""Configuration: YAML 1.2 scalars, overrides, all mistakes in one error, and dumps that load back equal."""

from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks import config
from paddle_tasks.config import Section, dump, dump_inline, list_differences, override, parse_yaml, read, validate
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.errors import ConfigError

ROOT = Path(__file__).parents[1]
# Texts that some YAML reader takes for a number, a boolean, a date, null, or a line break.
TRAPS = ["1e5", "010", "089", ".5e3", "+.5", "no", "on", "true", "~", "", "null", "0x1F", "1_000", "2026-11-21", "<<"]
TRAPS += ["a\x85b", "\u2028", "\ufeff", "\x7f", "😀", "a\nb\n", " x", "- a", "a: b", "#x", "{x", "'", '"', "1:30", "="]
WRITABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(st.sampled_from(TRAPS), st.text(WRITABLE, max_size=20))
NUMBERS = st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


class Part(Section):
    """A section with one key of every kind."""

    rate: float = 0.5
    steps: int = 1
    label: str = "x"
    kind: Literal["linear", "cosine"] = "linear"
    names: tuple[str, ...] = ()
    columns: dict[str, str | int] | None = None


class Whole(Section):
    """A whole configuration of two sections."""

    task: str
    data: Part = Part()
    model: Part = Part()


def problems(tree: dict[str, Any], **choices: list[str]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        validate(tree, Whole, "x.yaml", {name.replace("__", "."): names for name, names in choices.items()})
    return [line.strip() for line in str(raised.value).splitlines()]


# ---- scalars and files


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("010", 10),
        ("-3", -3),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-11-21", "2026-11-21"),
        (".inf", ".inf"),
        ("'1e-5'", "1e-5"),
        ("[a, 1, {b: no}]", ["a", 1, {"b": "no"}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    parsed = parse_yaml(text, "x")
    assert parsed == value
    assert type(parsed) is type(value)


def test_plain_pyyaml_reads_them_wrong():
    assert yaml.safe_load("[1e-5, no, 010]") == ["1e-5", False, 8]


@pytest.mark.parametrize("tree", [{"steps": True}, {"rate": True}, {"steps": "1"}, {"steps": 1.5}, {"label": 1}])
def test_types_are_strict(tree):
    assert len(problems({"task": "t", "data": tree})) == 2


def test_an_integer_is_a_rate_too():
    assert validate({"task": "t", "data": {"rate": 1}}, Whole, "x").data.rate == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "5: key 'c' is already defined in line 3"),
        ("a: 1\na: 1\n", "2: key 'a' is already defined in line 1"),
        ("a: 1\nb: [1\n", "3: not valid YAML"),
        ("a: 1\n\tb: 2\n", "2: not valid YAML"),
        ("run_dir:\n  {{ name }}\n", "2: a list or mapping cannot be a key"),
        ("a: 1\nb: \x07\n", "2: not valid YAML: the character U+0007"),
        ("a: !!python/object:os.system {}\n", "1: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "2: not valid YAML"),
    ],
)
def test_invalid_yaml_is_reported_with_its_line(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}:{message}")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"- a\n", b"just text\n"])
def test_a_file_without_sections_is_refused(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.yaml: expected sections"):
        read(path)


def test_a_byte_order_mark_is_dropped_and_another_encoding_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("task: 情感\n", encoding="utf-8-sig")
    assert read(path) == {"task": "情感"}
    path.write_text("task: 情感\n", encoding="gbk")
    with pytest.raises(ConfigError, match=r"x\.yaml: not UTF-8 text at byte 6"):
        read(path)


@pytest.mark.parametrize("name", ["configs/sentimnt.yaml", "configs/sentiment", "configs/Sentiment.yaml", "sentiment"])
def test_the_nearest_file_is_named(monkeypatch, name):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match=r"no such configuration file; did you mean 'configs/sentiment\.yaml'"):
        read(Path(name))


# ---- overrides


def test_an_override_is_split_at_the_first_equals_sign():
    merged = override({}, ["a.b=x=y", "a.c==", "d=", "e=[1, {f: 1e-3}]", "g=-"])
    assert merged == {"a": {"b": "x=y", "c": "="}, "d": None, "e": [1, {"f": 1e-3}], "g": "-"}


def test_overriding_changes_a_copy():
    tree = {"a": {"b": 1, "c": None}}
    assert override(tree, ["a.b=2", "a.b=3", "a.c.d=4"]) == {"a": {"b": 3, "c": {"d": 4}}}
    assert tree == {"a": {"b": 1, "c": None}}


@pytest.mark.parametrize("item", ["training.epochs", "=3", ""])
def test_an_override_without_key_or_equals_sign_is_refused(item):
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        override({}, [item])


def test_a_key_cannot_go_through_a_single_value():
    with pytest.raises(ConfigError, match=r"a\.b\.c\.d: a\.b is a single value, not a section"):
        override({"a": {"b": 5}}, ["a.b.c.d=1"])


# ---- all mistakes at once


def test_every_mistake_is_listed_with_its_path_and_the_nearest_name():
    tree = {
        "data": {"stpes": 1, "steps": True, "kind": "consine", "names": 5},
        "model": {"rate": "fast", "metric": "acuracy"},
        "tsk": "t",
    }
    heading, *found = problems(tree, model__metric=["accuracy", "f1"])
    assert heading == f"x.yaml: {len(found)} problems"
    expected = {
        "model.metric: 'acuracy' is unknown; did you mean 'accuracy'? (one of accuracy, f1)",
        "task: missing",
        "data.stpes: unknown key; did you mean 'steps'?",
        "data.steps: input should be a valid integer, found True",
        "data.kind: input should be 'linear' or 'cosine', found 'consine'; did you mean 'cosine'?",
        "data.names: input should be a valid array, found 5",
        "model.rate: input should be a valid number, found 'fast'",
        "model.metric: unknown key",
        "tsk: unknown key; did you mean 'task'?",
    }
    assert set(found) == expected


def test_a_single_mistake_is_one_problem():
    assert problems({"task": "t", "data": 5})[0] == "x.yaml: 1 problem"


def test_a_key_outside_its_section_is_found():
    assert problems({"task": "t", "steps": 3})[1] == "steps: unknown key; did you mean 'data.steps'?"


def test_a_bad_choice_alone_is_enough():
    assert len(problems({"task": "t", "data": {"kind": "linear"}}, data__kind=["cosine"])) == 2
    # Only keys that are given are checked, not defaults.
    assert validate({"task": "t"}, Whole, "x", {"data.kind": ["cosine"]}).data.kind == "linear"


def test_numbers_are_accepted_as_label_names():
    labels = {"train": "a", "dev": "b", "labels": parse_yaml("[0, 1, -1, 0_5, good]", "x")}
    assert validate(labels, DataSection, "x").labels == ("0", "1", "-1", "0_5", "good")


# ---- dumps load back equal


@given(TEXTS, NUMBERS, st.lists(TEXTS, max_size=3), st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers()), max_size=3))
def test_any_value_survives_dump(label, rate, names, columns):
    whole = Whole(task=label, data=Part(label=label, rate=float(rate), names=tuple(names), columns=columns))
    assert validate(parse_yaml(dump(whole), "x"), Whole, "x") == whole


@given(VALUES)
def test_any_value_survives_dump_inline(value):
    line = dump_inline(value)
    assert "\n" not in line
    assert parse_yaml(line, "x") == value
    assert override({}, [f"a.b={line}"]) == {"a": {"b": value}}


def test_a_dump_by_plain_pyyaml_does_not_load_back():
    whole = Whole(task="1e5", data=Part(label="089"))
    with pytest.raises(ConfigError, match="2 problems"):
        validate(parse_yaml(yaml.safe_dump(whole.model_dump(mode="json")), "x"), Whole, "x")


def test_other_readers_read_the_same_values_from_a_dump():
    whole = Whole(task="t", data=Part(label="no", names=("1e5", "010", "true"), rate=1e-5))
    assert yaml.safe_load(dump(whole)) == whole.model_dump(mode="json")


def test_paths_are_texts(tmp_path):
    assert parse_yaml(dump_inline({"run_dir": tmp_path}), "x") == {"run_dir": str(tmp_path)}
    assert validate({"task": tmp_path}, Whole, "x").task == str(tmp_path)


def test_differences_are_listed_by_dotted_key():
    old = Whole(task="a", data=Part(columns={"text": 0}))
    new = Whole(task="b", data=Part(steps=2, columns={"text": 1, "label": 0}))
    assert list_differences(old, old) == []
    assert list_differences(old, new) == [
        "task: 'a' -> 'b'",
        "data.steps: 1 -> 2",
        "data.columns.text: 0 -> 1",
        "data.columns.label: None -> 0",
    ]


def test_a_configuration_cannot_be_changed():
    whole = Whole(task="t")
    with pytest.raises(ValueError, match="frozen"):
        whole.data.steps = 5
    assert config.dump(whole).startswith("task: t\n")


# ---- settings that Python code gives


class Kind(str, Enum):
    """An enumeration of texts."""

    LINEAR = "linear"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("steps", np.int64(3), 3),
        ("steps", np.uint8(3), 3),
        ("steps", np.array(3), 3),
        ("rate", np.float32(0.25), 0.25),
        ("rate", np.float64(0.1), 0.1),
        ("rate", np.int32(2), 2.0),
        ("label", np.str_("010"), "010"),
        ("label", np.array("x"), "x"),
        ("kind", Kind.LINEAR, "linear"),
        ("names", np.array(["a", "no"]), ("a", "no")),
        ("names", ("a", np.str_("b")), ("a", "b")),
        ("columns", MappingProxyType({np.str_("text"): np.int64(0), "label": 1}), {"text": 0, "label": 1}),
        ("columns", {0: "a", np.int64(1): "b"}, {"0": "a", "1": "b"}),
    ],
)
def test_values_of_numpy_are_settings(key, value, expected):
    whole = validate({"task": "a", "data": {key: value}}, Whole, "x")
    assert getattr(whole.data, key) == expected
    assert type(getattr(whole.data, key)) is type(expected)
    assert parse_yaml(dump_inline({key: value}), "x") == {
        key: list(expected) if isinstance(expected, tuple) else expected
    }


@pytest.mark.parametrize("value", [np.bool_(True), np.array(True), np.float64(3), np.str_("3"), np.array([3])])
def test_types_of_numpy_are_strict(value):
    found = value.tolist()
    assert problems({"task": "a", "data": {"steps": value}})[1:] == [
        f"data.steps: input should be a valid integer, found {found!r}"
    ]


EXPECTED = "expected a text, a number, true, false, null, a list or a mapping"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"b"}, "{'b'} of type set; a set has no order, give a list"),
        (b"3", "b'3' of type bytes"),
        (np.bytes_(b"3"), "b'3' of type bytes_"),
        (1j, "1j of type complex"),
        (np.datetime64("2026-11-29"), "numpy.datetime64('2026-11-29') of type datetime64"),
        (date(2026, 11, 29), "datetime.date(2026, 11, 29) of type date"),
        (iter(()), "<tuple_iterator object at"),
        (np.array([{"a"}], dtype=object)[0], "{'a'} of type set"),
    ],
)
def test_other_values_are_refused_with_their_key_and_type(value, found):
    tree = {"task": "a", "data": {"names": ["a", value], "columns": {"text": value}}}
    lines = problems(tree)
    assert lines[0] == "x.yaml: 2 problems"
    assert lines[1].startswith(f"data.names.1: {EXPECTED}, found {found}")
    assert lines[2].startswith(f"data.columns.text: {EXPECTED}, found {found}")
    with pytest.raises(ConfigError, match=EXPECTED):
        dump_inline(value)


@pytest.mark.parametrize("key", [None, True, 0.5, (1, 2), np.float32(2), np.bool_(True)])
def test_other_keys_are_refused_with_their_type(key):
    kind = type(key).__name__
    (line,) = problems({"task": "a", "data": {"columns": {"text": 0, key: 1}}})[1:]
    assert line.startswith("data.columns.")
    assert line.endswith(f"expected a text as the key, found {key!r} of type {kind}")


def test_a_key_is_not_given_twice():
    line = "data.columns.0: this key is given as a text and as a number"
    assert problems({"task": "a", "data": {"columns": {"0": 1, 0: 2}}})[1:] == [line]


def test_a_list_that_contains_itself_is_refused():
    endless: list[Any] = []
    endless.append(endless)
    assert problems({"task": "a", "data": {"names": endless}})[1].endswith(": too many levels")


def test_plain_settings_are_a_copy():
    tree = {"data": {"names": ["a"]}, "task": "a"}
    plain = config.to_plain(tree, "x")
    assert plain == tree
    plain["data"]["names"].append("b")
    assert tree == {"data": {"names": ["a"]}, "task": "a"}
