"""The exports of doccano and Label Studio, of every version and in every arrangement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paddle_tasks.data.opinion.examples import OpinionExample, OpinionLayout
from paddle_tasks.data.opinion.readers import opinion_format, read_opinions
from paddle_tasks.errors import DataError
from paddle_tasks.text.spans import Pair, Span

from .helpers import DEAR, GOOD, PAIRS, SPANS, TASTE, TEXT, bad, good, region, task, typed, write

LISTED = [[span.start, span.end, span.label] for span in SPANS]
OFFSETS = [
    {"id": 7 + index, "start_offset": span.start, "end_offset": span.end, "label": span.label}
    for index, span in enumerate(SPANS)
]
STARTS = [
    {"id": item["id"], "start": item["start_offset"], "end": item["end_offset"], "label": item["label"]}
    for item in OFFSETS
]
RELATIONS = [{"id": 1, "from_id": 8, "to_id": 7, "type": "正面"}, {"id": 2, "from_id": 9, "to_id": 9, "type": "负面"}]
EXPORTS: dict[str, dict[str, Any]] = {
    "labels": {"id": 1, "text": TEXT, "meta": {}, "annotation_approver": None, "labels": LISTED},
    "entities as lists": {"doc_id": 1, "text": TEXT, "entities": LISTED, "username": "a"},
    "annotations": {"id": 1, "text": TEXT, "annotations": OFFSETS, "meta": {}},
    "data": {"id": 24, "data": TEXT, "label": LISTED, "Comments": []},
    "data and entities": {"id": 24, "data": TEXT, "entities": OFFSETS, "label": []},
    "spans as lists": {"data": TEXT, "spans": LISTED},
    "spans with start": {"data": TEXT, "spans": STARTS},
    "spans with start_offset": {"text": TEXT, "spans": OFFSETS},
    "label with start": {"text": TEXT, "label": STARTS},
    "relations": {"id": 1, "text": TEXT, "entities": OFFSETS, "relations": RELATIONS, "Comments": []},
    "relations and start": {"id": 1, "data": TEXT, "label": STARTS, "relations": RELATIONS},
}


def assert_is_read(example: OpinionExample, pairs: tuple[Pair, ...] | None) -> None:
    assert (example.text, example.spans, example.pairs) == (TEXT, SPANS, pairs)


# ---- doccano


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("arrange", ["lines", "array", "indented"])
def test_doccano_of_every_version(tmp_path, name, arrange):
    record = EXPORTS[name]
    rows = {"lines": [record], "array": json.dumps([record]), "indented": json.dumps(record, indent=2)}
    path = write(tmp_path / "a.json", rows[arrange])
    assert opinion_format(path, OpinionLayout()) == "doccano"
    pairs = PAIRS if "relations" in record else None
    for layout in ({}, {"format": "doccano"}):
        assert_is_read(*good(path, **layout), pairs)


def test_the_first_annotated_object_decides_between_formats_with_the_same_keys(tmp_path):
    blank = {"text": "好", "spans": []}
    assert opinion_format(write(tmp_path / "a", [blank, EXPORTS["spans as lists"]]), OpinionLayout()) == "doccano"
    own = {"text": TEXT, "spans": [{"start": 0, "end": 2, "label": "aspect"}]}
    assert opinion_format(write(tmp_path / "b", [blank, own]), OpinionLayout()) == "jsonl"


@pytest.mark.parametrize("label", [["正向"], ["正向", "物流"], "正向", 1, "", ["entities"]])
@pytest.mark.parametrize("form", [None, "doccano"])
def test_labels_of_whole_texts_are_refused_once(tmp_path, label, form):
    key = "labels" if label == "正向" else "label"
    rows = [{"id": index, "data": "好", key: value} for index, value in enumerate([[], label, label])]
    with pytest.raises(DataError, match=rf"a:[12]: .*{key}: .* is a label of the whole text, .* this task reads spans"):
        list(read_opinions(write(tmp_path / "a", rows), OpinionLayout(form)))


def test_labels_given_as_numbers_are_refused_once(tmp_path):
    rows = [{"text": TEXT, "annotations": [{"label": 2, "start_offset": 0, "end_offset": 2, "user": 1}]}] * 3
    with pytest.raises(DataError, match="a:1: annotations: the labels are numbers without their names"):
        list(read_opinions(write(tmp_path / "a", rows), OpinionLayout()))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"data": 5, "label": LISTED}, "data: expected a text, found 5"),
        ({"text": float("nan"), "label": LISTED}, "text: expected a text, found NaN"),
        ({"text": TEXT, "label": [[float("nan"), 2, "aspect"]]}, "start: expected a whole number, found NaN"),
        ({"text": TEXT, "label": [[0, 2]]}, "label: expected [start, end, label], found [0, 2]"),
        ({"text": TEXT, "label": ["正向"]}, 'label: expected [start, end, label], found "正向"'),
        ({"text": TEXT, "label": LISTED, "entities": OFFSETS}, "spans in both 'entities' and 'label'"),
        ({"text": TEXT, "label": LISTED, "relations": RELATIONS}, "label: expected objects with an id for the rel"),
        (
            {"text": TEXT, "entities": [OFFSETS[0], OFFSETS[0]], "relations": RELATIONS},
            "entities: two spans with the id '7'",
        ),
    ],
)
def test_a_bad_row_of_doccano_is_named(tmp_path, record, reason):
    path = write(tmp_path / "a", [EXPORTS["data"], record])
    assert reason in bad(path)


# ---- Label Studio


def hypertext(name: str, span: Span, **value: Any) -> dict[str, Any]:
    place = {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": span.start, "endOffset": span.end}
    return typed("hypertextlabels", name, span, **{**place, **value})


def dialogue(name: str, span: Span, paragraph: int, before: int) -> dict[str, Any]:
    offsets = {"startOffset": span.start - before, "endOffset": span.end - before}
    return typed("paragraphlabels", name, span, start=str(paragraph), end=str(paragraph), **offsets)


@pytest.mark.parametrize(
    "make",
    [
        lambda name, span: typed("labels", name, span),
        lambda name, span: typed("hypertextlabels", name, span),
        lambda name, span: typed("paragraphlabels", name, span),
        lambda name, span: hypertext(name, span, globalOffsets={"start": span.start, "end": span.end}),
        lambda name, span: hypertext(name, span, start="/text()[1]", end="/text()[1]"),
        lambda name, span: dialogue(name, span, 0, 0),
    ],
)
def test_every_type_of_text_region_is_read(tmp_path, make):
    record = task(*(make(name, span) for name, span in zip("abc", SPANS, strict=True)))
    for content in ([record], json.dumps([record]), json.dumps(record, indent=2)):
        path = write(tmp_path / "a.json", content)
        assert opinion_format(path, OpinionLayout()) == "label_studio"
        assert_is_read(*good(path), None)


def test_regions_of_several_types_in_one_file(tmp_path):
    records = [task(typed(kind, "a", TASTE)) for kind in ("labels", "hypertextlabels", "paragraphlabels")]
    assert [example.spans for example in good(write(tmp_path / "a", records))] == [(TASTE,)] * 3


def test_the_paragraphs_of_a_dialogue_become_lines(tmp_path):
    turns = [{"author": "甲", "text": "味道很好"}, {"author": "乙", "text": "太贵了"}]
    record = {**task(dialogue("a", TASTE, 0, 0), dialogue("c", DEAR, 1, 5)), "data": {"talk": turns}}
    (example,) = good(write(tmp_path / "a", [record]))
    assert (example.text, example.spans) == ("味道很好\n太贵了", (TASTE, DEAR))
    record["annotations"][0]["result"][1]["value"].update(start="2", end="2")
    assert "paragraph 2: expected 0 to 1" in bad(write(tmp_path / "a", [record]))


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([typed("timeserieslabels", "a", TASTE)], 'a region of the type "timeserieslabels", expected labels, hyper'),
        ([region("a", TASTE), typed("textarea", "a", TASTE)], 'a region of the type "textarea"'),
        ([region("a", TASTE), {"id": "b", "value": {}}], "a region of the type null"),
        ([hypertext("a", TASTE)], 'hypertextlabels: a region from "/p[1]/text()[1]" to "/p[1]/text()[1]", expected n'),
        (
            [hypertext("a", TASTE, globalOffsets={"start": 1, "end": 3})],
            "aspect 1 to 3: expected '味道', but the text there is '道很'",
        ),
        ([region("a", TASTE), region("a", Span(0, 2, "positive"))], "two labels, 'aspect' and 'positive', of one reg"),
        (
            [region("a", TASTE), {"type": "relation", "from_id": "a", "to_id": "a", "labels": {"0": "positive"}}],
            'a relation with the labels {"0": "positive"}, expected one, its polarity',
        ),
        (
            [region("a", TASTE), {"id": "z", "type": "choices", "value": {"choices": ["positive"]}}],
            'the choice "positive" is not of a region; only choices per region are read',
        ),
    ],
)
def test_what_cannot_be_read_of_a_task_makes_its_row_bad(tmp_path, results, reason):
    path = write(tmp_path / "a", json.dumps([task(region("a", TASTE)), task(*results)]))
    assert reason in bad(path)
    assert len([row for row in read_opinions(path, OpinionLayout()) if isinstance(row, OpinionExample)]) == 1


def test_a_text_that_is_no_string_is_a_bad_row(tmp_path):
    for text in (5, None, ["a"], float("nan")):
        record = {**task(), "data": {"text": text, "source": "web"}}
        assert "data: expected one text, or one named 'text', found source" in bad(write(tmp_path / "a", [record]))


MIN = {
    "id": 1,
    "text": TEXT,
    "label": [region("a", span)["value"] for span in SPANS],
    "annotator": 1,
    "annotation_id": 7,
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-01T00:00:00Z",
    "lead_time": 3.5,
}


@pytest.mark.parametrize("key", ["label", "spans", "tags"])
@pytest.mark.parametrize("text_key", ["text", "review"])
def test_json_min(tmp_path, key, text_key):
    names = {"label": key, "text": text_key}
    record = {names.get(name, name): value for name, value in MIN.items()}
    for content in ([record], json.dumps([record])):
        path = write(tmp_path / "a.json", content)
        assert opinion_format(path, OpinionLayout()) == "label_studio"
        for layout in ({}, {"format": "label_studio"}):
            assert_is_read(*good(path, **layout), None)


def test_json_min_of_the_least_and_without_regions(tmp_path):
    region_only = {"text": TEXT, "label": [{"start": 0, "end": 2, "text": "味道", "labels": ["aspect"]}]}
    (example,) = good(write(tmp_path / "a", [region_only]))
    assert example.spans == (TASTE,)
    blank = {key: value for key, value in MIN.items() if key != "label"}
    assert [len(example.spans) for example in good(write(tmp_path / "a", [blank, MIN]))] == [0, 3]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"start": 0, "end": 2, "choices": ["positive"]}, "JSON-MIN has no relations, so choices per region cannot"),
        ({"start": 0, "end": 2, "text": "味道"}, "a region with start, end, text, expected labels, hypertextlabels or"),
        ({"start": 0, "end": 2, "text": "味道", "labels": ["a", "b"]}, "labels: expected one label per region"),
    ],
)
def test_a_bad_row_of_json_min_is_named(tmp_path, value, reason):
    assert reason in bad(write(tmp_path / "a", [MIN, {**MIN, "label": [value]}]))


# ---- arrays, and JSON of other kinds


def test_arrays_of_ours_and_of_cote(tmp_path):
    own = {"text": TEXT, "spans": [{"start": span.start, "end": span.end, "label": span.label} for span in SPANS]}
    for form, record, spans in (("jsonl", own, SPANS), ("cote", {"s": TEXT, "ot": "味道"}, (TASTE,))):
        for content in (json.dumps([record, record]), json.dumps([record, record], indent=1, ensure_ascii=False)):
            path = write(tmp_path / "a.json", content)
            assert opinion_format(path, OpinionLayout()) == form
            assert [example.spans for example in good(path)] == [spans, spans]
            assert [example.spans for example in good(path, format=form)] == [spans, spans]


def test_indented_objects_know_their_lines(tmp_path):
    content = "\n".join(json.dumps(EXPORTS["data"], indent=2) for _ in range(2))
    first, second = good(write(tmp_path / "a.json", content))
    assert first.where.endswith(":1")
    assert second.where.endswith(f":{len(content.splitlines()) // 2 + 1}")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([{"text": "好", "tag": 1}] * 100, "from the keys text, tag of its first object"),
        (json.dumps([{"title": "好"}] * 100), "from the keys title of its first object"),
        ({"version": 1, "data": [{"text": "好", "spans": []}]}, "from the keys version, data of its first object"),
        ({f"key{index}": 1 for index in range(12)}, "key8, key9, … of its first object"),
        ([{}], r"from the keys \(none\) of its first object"),
    ],
)
@pytest.mark.parametrize("form", [None, "jsonl", "label_studio"])
def test_other_json_is_refused_once_with_what_was_found(tmp_path, content, found, form):
    path = write(tmp_path / "a", json.dumps(content) if isinstance(content, dict) else content)
    with pytest.raises(DataError, match=rf"a:1: .*{found}; expected JSON lines or an array .*Label Studio") as refused:
        list(read_opinions(path, OpinionLayout(form)))
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(["好", "差"]), 'a:1: expected objects in the array, found "'),
        ('["好", 1]\n["差", 0]\n', "a:2: expected a JSON array: not valid JSON near column 1 \\(Extra data"),
        ('{"text": "好"\n{"text": "差"\n', "a:1: expected one JSON object a line: "),
        ("[]", "a: the file is empty"),
    ],
)
def test_json_without_objects_is_refused_once(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        list(read_opinions(write(tmp_path / "a", content), OpinionLayout()))


def test_another_format_than_the_configured_one_is_named(tmp_path):
    path = write(tmp_path / "a", [EXPORTS["data"]] * 3)
    with pytest.raises(DataError, match=r"a:1: data\.format=jsonl: its first object has the format doccano"):
        list(read_opinions(path, OpinionLayout("jsonl")))
    with pytest.raises(DataError, match=r"data\.format=doccano: its first object has the format label_studio"):
        list(read_opinions(write(tmp_path / "a", json.dumps([task()])), OpinionLayout("doccano")))


def test_brackets_and_marks_inside_other_formats(tmp_path):
    """A token may be a bracket, and a JSON text may contain the separator of ASTE."""
    (example,) = good(write(tmp_path / "a", "[ O\n好 B-opinion\n{ O\n"))
    assert (example.text, example.spans) == ("[好{", (Span(1, 2, "opinion"),))
    (example,) = good(write(tmp_path / "a", "[ 好 ]####[((-1, -1), (1, 1), 'POS')]\n"))
    assert example.spans == (Span(1, 2, "opinion"),)
    (example,) = good(write(tmp_path / "a", [{"text": "好####吃", "spans": []}]))
    assert example.text == "好####吃"


def test_a_file_in_another_encoding_is_not_called_empty(tmp_path):
    path = write(tmp_path / "a", json.dumps(EXPORTS["data"], ensure_ascii=False).encode("gb18030"))
    with pytest.raises(DataError, match="a:1: not valid utf-8"):
        list(read_opinions(path, OpinionLayout()))
    assert_is_read(*good(path, encoding="gb18030"), None)
    assert {GOOD, DEAR} < set(good(path, encoding="gb18030")[0].spans)
