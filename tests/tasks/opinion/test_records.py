"""Predicted reviews for people and for doccano, and as predictions to score."""

from __future__ import annotations

import json

import pytest

from paddle_tasks.data.opinion.examples import OpinionLayout
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.errors import DataError
from paddle_tasks.tasks.opinion.display import IMPLICIT, display_opinions
from paddle_tasks.tasks.opinion.doccano import DOCCANO, as_example
from paddle_tasks.tasks.opinion.prediction import OpinionNames
from paddle_tasks.tasks.opinion.scoring import read_pairs, read_predictions, read_spans
from paddle_tasks.text.spans import Pair, Span
from paddle_tasks.training.display import Segment

from .records import record, span

NAMES = OpinionNames(("aspect", "opinion"), ("negative", "positive"))
TEXT = "WiFi慢又贵"
SLOW = record(TEXT, ("WiFi", "慢", "negative"), (None, "贵", "negative"))
WIFI, SPEED, PRICE = Span(0, 4, "aspect"), Span(4, 5, "opinion"), Span(6, 7, "opinion")
PAIRS = [Pair(WIFI, SPEED, "negative"), Pair(None, PRICE, "negative")]


# ---- display


@pytest.mark.usefixtures("in_chinese")
def test_labels_and_polarities_have_chinese_names():
    text, first, second = display_opinions(SLOW)
    assert [segment.label for segment in text if segment.label] == ["方面词", "观点词", "观点词"]
    assert "".join(segment.text for segment in first) == "  WiFi：慢  负面 (negative) 0.50"
    assert second[0] == Segment("  （未明说）：贵  ")


def test_spans_are_labelled_in_the_text_and_each_triplet_has_a_line():
    text, *triplets = display_opinions(SLOW)
    assert list(text) == [
        Segment(""),
        Segment("WiFi", label="aspect"),
        Segment(""),
        Segment("慢", label="opinion"),
        Segment("又"),
        Segment("贵", label="opinion"),
        Segment(""),
    ]
    assert [list(line) for line in triplets] == [
        [Segment("  WiFi: 慢  "), Segment("negative", tone="negative"), Segment(" 0.50")],
        [Segment(f"  {IMPLICIT}: 贵  "), Segment("negative", tone="negative"), Segment(" 0.50")],
    ]


def test_overlapping_spans_are_shown_once_and_records_without_triplets_have_one_line():
    overlapping = {"input": "很干净", "spans": [span("很干净", "很干净", "a"), span("很干净", "干净", "b")]}
    (line,) = display_opinions(overlapping)
    assert [segment for segment in line if segment.text] == [Segment("很干净", label="a")]


# ---- doccano


def test_a_record_as_an_annotated_review():
    example = as_example(SLOW)
    assert (example.text, example.spans, example.pairs) == (TEXT, (WIFI, SPEED, PRICE), tuple(PAIRS))
    assert as_example({"input": TEXT, "spans": []}).pairs is None


def test_what_doccano_gets_can_be_read_back(tmp_path):
    records = [SLOW, record("房间大", ("房间", "大", "positive"), alone=""), record("没说什么")]
    assert DOCCANO.write_file(records, tmp_path / "a.jsonl") is None
    examples = load_opinions("train", str(tmp_path / "a.jsonl"), OpinionLayout()).examples
    expected = list(map(as_example, records))
    assert [(e.text, e.spans, e.pairs) for e in examples] == [(e.text, e.spans, e.pairs) for e in expected]
    first = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["relations"][0]["type"] == "negative"


def test_without_pairs_doccano_gets_entities_alone(tmp_path):
    DOCCANO.write_file([{"input": "甲乙", "spans": [span("甲乙", "乙", "aspect")]}], tmp_path / "a.jsonl")
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8")) == {
        "text": "甲乙",
        "entities": [{"id": 0, "start_offset": 1, "end_offset": 2, "label": "aspect"}],
    }


# ---- predictions to score


def test_spans_and_pairs_are_read_from_both_forms_of_records():
    assert read_spans(0, SLOW) == read_spans(0, {"predicted": SLOW["spans"]}) == [WIFI, SPEED, PRICE]
    assert read_pairs(0, SLOW) == PAIRS
    assert read_pairs(0, {"spans": []}) == []
    assert read_predictions([SLOW, {"spans": []}], NAMES) == ([[WIFI, SPEED, PRICE], []], [PAIRS, []])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spans": None}, "record 1: expected a list under 'predicted' or 'spans', found None"),
        ({"spans": [{"start": 0, "end": 1}]}, "record 1: a span needs start, end and label; 'label' is missing"),
        (
            {"spans": [{"start": 0, "end": 1, "label": "aspct"}]},
            r"record 1: the label 'aspct' is unknown; did you mean 'aspect'\? \(one of aspect, opinion\)",
        ),
        (
            {"triplets": [{**SLOW["triplets"][0], "polarity": "bad"}]},
            r"record 1: the polarity 'bad' is unknown \(one of negative, positive\)",
        ),
        (
            {"triplets": [{"aspect": None, "opinion": None}]},
            "record 1: a triplet needs aspect, opinion and polarity; 'polarity' is missing",
        ),
    ],
)
def test_records_that_cannot_be_scored_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        read_predictions([SLOW, {**SLOW, **change}], NAMES)


def test_polarities_do_not_matter_to_a_model_without_pairs():
    _, pairs = read_predictions([SLOW], OpinionNames(("aspect", "opinion")))
    assert pairs == [PAIRS]
