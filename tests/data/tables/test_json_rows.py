"""JSON lines, arrays of objects, and JSON that holds no rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import language
from paddle_tasks.data.tables.json_rows import object_records
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError

FIELDS = ("text", "label")


def read(path: Path, content: str, **layout: Any) -> list[Row | BadRow]:
    path.write_text(content, encoding="utf-8")
    return list(read_rows(path, FIELDS, Layout(**layout)))


def refusal(path: Path, content: str, **layout: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(path, content, **layout)
    return str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        '[{"text": "好", "label": 1}, {"text": "差", "label": 0}]',
        '[\n  {"text": "好",\n   "label": 1},\n  {"text": "差", "label": 0}\n]\n',
        '\ufeff\n [{"text": "好", "label": 1},\n{"text": "差", "label": [0]}]',
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_an_array_is_read_as_rows(tmp_path, content, name):
    path = tmp_path / name
    rows = read(path, content)
    assert rows == [
        Row(str(path), "row 1", {"text": "好", "label": "1"}),
        Row(str(path), "row 2", {"text": "差", "label": "0"}),
    ]
    assert str(rows[0].where) == f"{path}:row 1"


def test_bad_rows_of_an_array_are_named(tmp_path):
    path = tmp_path / "a.json"
    bad = read(path, '[{"text": "好", "label": 1}, 3, {"text": NaN, "label": 1}, {"text": "差"}]')[1:]
    assert [str(row).removeprefix(f"{path}:") for row in bad] == [
        "row 2: expected an object, found 3",
        "row 3: expected a text in 'text', found NaN",
        "row 4: no field 'label', only text",
    ]


EXPECTED = "expected JSON lines, one object a line, or an array of objects"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": ["好", "差"], "label": [1, 0]}', f"one object with text, label, each a list, {EXPECTED}; pandas"),
        ('{"text": {"0": "好"},\n "label": {"0": 1}}', "one object with text, label, each an object"),
        ('{"data": [{"text": "好", "label": 1}]}', "one object with data, each a list"),
        ('{\n"text": "好",\n"label": 1\n}', "one object with text, label on several lines"),
        ('[["好", 1], ["差", 0]]', f"an array of lists, {EXPECTED}"),
        ('["好", "差"]', f"an array of texts, {EXPECTED}"),
        ("[]", "the file is empty"),
        (
            '[{"text": "好", "label": 1}',
            f"a.json:1: {EXPECTED}: not valid JSON near column 27 (Expecting ',' delimiter)",
        ),
        (
            '"好"\n"差"\n',
            "a.json:1: no line can be read; the first one: expected one JSON object a line, found '\"好\"'",
        ),
        ('["好", 1]\n["差", 0]\n', "a.json:1: no line can be read; the first one: expected one JSON object a line"),
        (
            '[{"id": 1, "annotations": [{"result": []}], "data": {"text": "好"}}]',
            "a.json:row 1: cannot tell which columns hold text and label among id, annotations, data",
        ),
        ('{"id": 1, "labels": 1}\n' * 3, "a.json:1: cannot tell which columns hold text and label among id, labels"),
    ],
)
def test_other_json_is_refused_once(tmp_path, content, message):
    found = refusal(tmp_path / "a.json", content)
    assert message in found
    assert found.startswith(str(tmp_path / "a.json"))


def test_configured_fields_that_no_object_has_are_refused_once(tmp_path):
    content = '{"s": "好", "l": 1}\n' * 5
    message = refusal(tmp_path / "a.json", content, columns={"text": "s", "label": "lable"})
    assert message.endswith("a.json: no object has the fields s and lable, the first one has s, l")
    assert (
        len(read(tmp_path / "a.json", content + '{"s": "差", "lable": 0}', columns={"text": "s", "label": "lable"}))
        == 6
    )


def test_many_keys_are_cut(tmp_path):
    content = "{" + ", ".join(f'"k{n}": "x"' for n in range(500)) + "}\n"
    assert len(refusal(tmp_path / "a.json", content * 2)) < 400


@pytest.mark.usefixtures("in_chinese")
@pytest.mark.parametrize("name", language.LANGUAGES)
def test_lines_that_begin_with_an_array_are_read_in_every_language(name):
    language.use(name)
    records = object_records("a", [(1, '["x"]'), (2, '{"text": "好"}')])
    assert isinstance(records[0], BadRow)
    assert records[1] == (2, {"text": "好"})


@pytest.mark.usefixtures("in_chinese")
def test_problems_of_json_are_explained_in_chinese():
    (bad, _good) = object_records("a", [(1, '{"text": "好" "label": 1}'), (2, '{"text": "好"}')])
    assert str(bad).startswith("a:1：每行应为一个 JSON 对象；第 14 列附近不是合法的 JSON（")
    assert str(bad).endswith("逗号 ','）")
