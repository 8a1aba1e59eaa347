"""Records are plain dicts to programs, and coloured HTML in notebooks."""

from __future__ import annotations

import copy
import json
import pickle
from operator import methodcaller

import pytest

from paddle_tasks import pipeline
from paddle_tasks.errors import ConfigError
from paddle_tasks.inference.display import display_variants
from paddle_tasks.inference.pipelines import PIPELINES
from paddle_tasks.inference.records import Record, Records
from paddle_tasks.inference.usage import usage_of
from paddle_tasks.training.display import Segment

html_of = methodcaller("_repr_html_")
"""What a notebook asks for."""
PLAIN = [{"input": "很好", "label": "a"}, {"input": "差", "label": "b"}]


def display(record):
    return [[Segment(record["input"], label=record["label"])]]


@pytest.fixture
def records() -> Records:
    return Records(PLAIN, display)


def test_records_are_equal_to_plain_ones(records):
    assert records == PLAIN
    assert list(records) == PLAIN
    assert [*records[0].items()] == [*PLAIN[0].items()]
    assert isinstance(records, list)
    assert isinstance(records[0], dict)
    assert repr(records) == repr(PLAIN)


def test_records_can_be_written_as_json_and_changed(records):
    assert json.loads(json.dumps(records)) == PLAIN
    records[0]["new"] = 1
    records.append({"input": "x", "label": "c"})
    assert (records[0]["new"], len(records)) == (1, 3)
    assert records[0] | {"a": 1} == {**records[0], "a": 1}
    assert PLAIN[0] == {"input": "很好", "label": "a"}


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_and_pickles_are_plain(records, duplicate):
    for value, kind in ((records, list), (records[0], dict)):
        copied = duplicate(value)
        assert copied == value
        assert type(copied) is kind


def test_a_pickle_needs_no_package(records):
    assert b"paddle_tasks" not in pickle.dumps(records)


def test_a_notebook_shows_what_to_html_returns(records):
    for value in (records, records[0]):
        assert html_of(value) == value.to_html()
        assert "很好" in value.to_html()
        assert value.to_html() in value.to_html(full_page=True).replace("\n", "")
    assert "差" not in records[0].to_html()
    assert "差" in records.to_html()


def test_of_many_records_the_first_are_shown():
    many = Records([{"input": f"第{number}条", "label": "a"} for number in range(25)], display)
    shown = many.to_html()
    assert "第19条" in shown
    assert "第20条" not in shown
    assert "… and 5 more records" in shown
    assert Records([], display).to_html()


def test_records_of_several_lines_are_apart():
    both = Records(PLAIN, lambda record: [[Segment(record["input"])], [Segment("x")]])
    assert [[segment.text for segment in line] for line in both.lines()] == [["很好"], ["x"], [], ["差"], ["x"]]


# ---- of pipelines


def test_a_classifiers_records_are_displayed(run):
    ask = pipeline(run.folder)
    record, several = ask("很好"), ask(["很好", "差"])
    assert type(record) is Record
    assert several == [record, ask("差")]
    assert f"{record['label']} {record['score']:.2f}" in record.to_html()
    assert record["score"] == max(record["probabilities"].values())
    assert ask("很好", explain=True).to_html().count("rgba") > record.to_html().count("rgba")
    (streamed,) = ask.stream(["很好"])
    assert streamed.to_html() == record.to_html()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_batch_size_changes_no_record(run, size, monkeypatch):
    ask, sizes, texts = pipeline(run.folder), [], ["很好", "差", "房间干净"]
    expected, answer = ask(texts), ask.answer
    monkeypatch.setattr(ask, "answer", lambda texts, **options: sizes.append(len(texts)) or answer(texts, **options))
    for record, other in zip(ask(iter(texts), batch_size=size), expected, strict=True):
        assert record["label"] == other["label"]
        assert record["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)
    assert sizes == {1: [1, 1, 1], 2: [2, 1], 5: [3]}[size]


def test_a_batch_size_is_positive(run):
    with pytest.raises(ConfigError, match="batch_size: expected at least 1, found 0"):
        pipeline(run.folder)(["很好"], batch_size=0)


def test_the_most_probable_labels(run):
    ask = pipeline(run.folder)
    (kept,) = ask("很好", top_k=1)["probabilities"]
    assert kept == ask("很好")["label"]
    assert len(ask("很好", top_k=9)["probabilities"]) == 2


def test_every_pipeline_and_usage_displays(run):
    assert {name: usage_of(name).display for name in PIPELINES} == {
        name: builtin.display for name, builtin in PIPELINES.items()
    }
    assert usage_of(run.folder).display({"input": "好", "label": "a", "score": 0.5})[0][0].text == "a 0.50"


# ---- rewritten texts


def test_changes_of_a_variant_are_marked():
    change = {"start": 2, "end": 4, "old": "干净", "new": "整洁"}
    variants = [
        {"text": "房间整洁。", "changes": [change], "similarity": 0.875},
        {"text": "房间干净。", "changes": [], "similarity": 1.0},
    ]
    first, second, note = display_variants({"input": "房间干净。", "variants": variants, "note": "why"})
    assert list(first) == [
        Segment("房间"),
        Segment("干净", change="removed"),
        Segment("整洁", change="added"),
        Segment("。"),
        Segment("  similarity 0.88"),
    ]
    assert [segment.text for segment in second] == ["房间干净。", "  similarity 1.00"]
    assert note == [Segment("why")]
