"""Settings beyond what anything can hold, and messages about them that stay short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks import tasks
from paddle_tasks.config import Section, flatten, read, to_plain, validate
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import MAX_SETTINGS_BYTES
from paddle_tasks.workflows.config import load_config

from .fuzzing import ODD_TEXTS, changed, damaged, examples, outcome
from .helpers import ROOT

QUICK = sorted((ROOT / "configs" / "quick").glob("*.yaml"))


class Names(Section):
    """A section with a mapping."""

    names: dict[str, int] | None = None


def message(call, *arguments: object) -> str:
    with pytest.raises(ConfigError) as raised:
        call(*arguments)
    return str(raised.value)


# ---- files


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0", "1: not valid YAML: the character U+0000"),
        (b"a: \xff", " not UTF-8 text at byte 3"),
        ("a: 1".encode("utf-16"), " not UTF-8 text at byte 0"),
        (b"", " expected sections such as `data:` and `model:`, found None"),
        (b"- x\n" * 1000, " expected sections such as `data:` and `model:`, found ['x', 'x', "),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path, content, expected):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    text = message(read, path)
    assert text.startswith(f"{path}:{expected}")
    assert len(text) < 300


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "x.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_SETTINGS_BYTES + 1)  # a sparse file
    assert f"{MAX_SETTINGS_BYTES + 1:,} bytes, expected at most" in message(read, path)


# ---- texts


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"data": {"train": "a\0b"}}, "data.train: the character U+0000 cannot be in a setting"),
        ({"data": {"labels": ["a", "\ud800"]}}, "data.labels.1: the character U+D800 cannot be in a setting"),
        ({"a\0b": 1}, "a\\u0000b: the character U+0000 cannot be in a setting"),
    ],
)
def test_a_text_that_no_file_can_hold_is_refused(tree, line):
    assert message(to_plain, tree, "x").splitlines() == ["x: 1 problem", f"  {line}"]


def test_many_problems_are_counted_and_the_first_are_shown():
    lines = message(validate, {f"key{number}": 1 for number in range(5000)}, Names, "x").splitlines()
    assert lines[0] == "x: 5,000 problems"
    assert lines[-1] == "  … and 4950 more"
    assert len(lines) == 52


def test_long_keys_and_values_are_cut():
    assert len(message(validate, {"names": {"k" * 100_000: "v" * 100_000}}, Names, "x")) < 5000


# ---- numbers


BEYOND = {
    "seed": (2**32, 2**64, 10**200),
    "model.hidden_size": (65_537, 100_000_000_000, 2**63),
    "model.n_layers": (1001, 10**9),
    "training.batch_size": (2**31, 2**64),
    "training.epochs": (2**31, 10**100),
    "training.max_length": (2**31,),
    "evaluation.batch_size": (2**31,),
    "data.vocabulary.max_size": (2**31,),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BEYOND.items() for value in values])
def test_a_number_beyond_what_anything_can_hold_is_refused(key, value):
    text = message(load_config, ROOT / "configs/quick/sentiment.yaml", [f"{key}={value}"])
    assert f"{key}: input should be less than or equal to " in text


@pytest.mark.parametrize("path", QUICK, ids=lambda path: path.stem)
def test_every_integer_of_a_configuration_has_an_upper_limit(path):
    """A number of 20 digits fits no C integer: whatever takes it raises an error of its own."""
    config = load_config(path)
    schema = tasks.find(config.task).Config
    tree = config.model_dump(mode="json")
    accepted = []
    for key in _integers(tree):
        try:
            validate(_replaced(tree, key.split("."), 10**20), schema, "x")
        except ConfigError:
            continue
        accepted.append(key)
    assert not accepted


def _integers(tree: dict) -> list[str]:
    """Return the dotted keys of the integers in a configuration."""
    return [key for key, value in flatten(tree) if type(value) is int]


def _replaced(tree: dict, keys: list[str], value: int) -> dict:
    first, *others = keys
    return {**tree, first: _replaced(tree[first], others, value) if others else value}


# ---- encodings


@pytest.mark.parametrize(
    "encoding",
    ["idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "rot13", "hex", "zlib", "é", ""],
)
def test_an_encoding_that_is_no_text_encoding_is_refused(encoding):
    text = message(load_config, ROOT / "configs/quick/sentiment.yaml", [f"data.encoding={encoding!r}"])
    assert f"data.encoding: {encoding!r} is not a known encoding, such as utf-8 or gb18030" in text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "GBK", "utf-8-sig", "utf-16", "big5", "latin-1", "hz"])
def test_text_encodings_are_taken(encoding):
    config = load_config(ROOT / "configs/quick/sentiment.yaml", [f"data.encoding={encoding}"])
    assert config.data.encoding == encoding


# ---- fuzzing

SETTINGS = (ROOT / "configs/quick/sentiment.yaml").read_text(encoding="utf-8")


@examples(60)
@given(content=damaged(SETTINGS.encode()))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(content)
    found = outcome(load_config, path)
    assert isinstance(found, Section) or 0 < len(str(found)) < 150_000


@examples(60)
@given(tree=changed(read(ROOT / "configs/quick/sentiment.yaml")))
def test_changed_settings_are_taken_or_refused(tree):
    found = outcome(load_config, tree) if isinstance(tree, dict) else None
    assert found is None or isinstance(found, (Section, ConfigError))


@examples(60)
@given(text=st.one_of(st.text(max_size=60), st.sampled_from(ODD_TEXTS)), key=st.text("ab.=&*![]{}'\"\n", max_size=12))
def test_any_assignment_is_taken_or_refused(text, key):
    found = outcome(load_config, ROOT / "configs/quick/sentiment.yaml", [f"{key}={text}", f"run_dir={text}"])
    assert isinstance(found, (Section, ConfigError))
