"""Many reviews together: the summary, its chart, and what doccano gets of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from matplotlib.image import imread

from paddle_tasks.data.opinion.examples import OpinionLayout
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.errors import DataError
from paddle_tasks.figures import fonts, opinion_chart
from paddle_tasks.figures.opinion_chart import IMPLICIT, draw
from paddle_tasks.tasks.opinion.doccano import example_of, write_pre_annotated
from paddle_tasks.tasks.opinion.summary import AspectSummary, Summary, summarise
from paddle_tasks.text.spans import Pair, Span


def span(text: str, term: str, label: str) -> dict:
    start = text.index(term)
    return {"start": start, "end": start + len(term), "text": term, "label": label, "prob": 0.9}


def record(text: str, *triplets: tuple[str | None, str, str], alone: str = "") -> dict:
    """Return what `predict` says of a review with these triplets and an aspect of which nothing is said."""
    aspects = [span(text, name, "aspect") for name in dict.fromkeys(a for a, _, _ in triplets if a)]
    spans = aspects + [span(text, said, "opinion") for _, said, _ in triplets]
    spans += [span(text, alone, "aspect")] if alone else []

    def side(term: str | None, label: str) -> dict | None:
        return (
            {key: value for key, value in span(text, term, label).items() if key in ("start", "end", "text")}
            if term
            else None
        )

    found = [
        {"aspect": side(a, "aspect"), "opinion": side(o, "opinion"), "polarity": polarity, "prob": 0.5}
        for a, o, polarity in triplets
    ]
    return {"input": text, "spans": sorted(spans, key=lambda one: one["start"]), "triplets": found}


RECORDS = [
    record("WiFi很慢，房间大", ("WiFi", "慢", "negative"), ("房间", "大", "positive")),
    record("wifi快，房间", ("wifi", "快", "positive"), alone="房间"),
    record("ＷＩＦＩ慢又贵", ("ＷＩＦＩ", "慢", "negative"), (None, "贵", "negative")),
    record("没说什么"),
]


def test_counts_shares_and_typical_opinions_by_hand():
    summary = summarise(RECORDS)
    assert (summary.n_reviews, summary.polarities) == (4, ["positive", "negative"])
    assert summary.aspects == [
        AspectSummary("WiFi", 3, {"negative": 2, "positive": 1}, [("慢", 2), ("快", 1)]),
        AspectSummary("房间", 2, {"positive": 1}, [("大", 1)]),
        AspectSummary(None, 1, {"negative": 1}, [("贵", 1)]),
    ]
    assert [aspect.share("negative") for aspect in summary.aspects] == [pytest.approx(2 / 3), 0, 1]


def test_without_pairs_aspects_are_counted():
    plain = [{key: value for key, value in one.items() if key != "triplets"} for one in RECORDS]
    summary = summarise(plain)
    assert [(aspect.name, aspect.mentions) for aspect in summary.aspects] == [("WiFi", 3), ("房间", 2)]
    assert summary.polarities == []
    assert summary.aspects[0].share("positive") == 0


def test_nothing_found_is_said():
    with pytest.raises(DataError, match="nothing to summarise: no aspect and no opinion was found in 2 texts"):
        summarise([record("甲"), record("乙")])


# ---- the chart


def texts(path) -> list[str]:
    return [element.text or "" for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_an_svg_holds_the_names_as_texts(tmp_path):
    assert draw(summarise(RECORDS), tmp_path / "a.svg")
    assert {"WiFi", "房间", IMPLICIT, "positive", "negative"} <= set(texts(tmp_path / "a.svg"))
    assert draw(summarise(RECORDS), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_name_is_no_formula_and_no_markup(tmp_path):
    odd = [AspectSummary(name, 2, {}, []) for name in ("$x^2$<b>&", "a$", "甲\n乙")]
    assert draw(Summary(1, odd, []), tmp_path / "a.svg")
    assert {"$x^2$<b>&", "a$", "甲 乙", "mentions"} <= set(texts(tmp_path / "a.svg"))


def test_a_png_has_names_in_a_font_that_has_them(tmp_path):
    latin = Summary(1, [AspectSummary("WiFi", 2, {"positive": 1}, [])], ["positive"])
    assert draw(latin, tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[1] == 1200


def test_a_png_without_a_font_has_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "find_font", lambda _text: None)
    seen = []
    original = opinion_chart._bars
    monkeypatch.setattr(opinion_chart, "_bars", lambda *args: (seen.extend(args[2]), original(*args)))
    assert not draw(summarise(RECORDS), tmp_path / "a.png")
    assert seen == ["1", "2", "3"]
    assert imread(tmp_path / "a.png")[:, :, :3].min() < 0.9


def test_the_first_bars_alone_are_drawn(tmp_path):
    many = Summary(1, [AspectSummary(f"a{number}", 1, {}, []) for number in range(40)], [])
    draw(many, tmp_path / "a.svg")
    assert [name for name in texts(tmp_path / "a.svg") if name.startswith("a")] == [
        f"a{number}" for number in range(15)
    ]


# ---- doccano


def test_what_was_found_comes_back_from_doccano(tmp_path):
    write_pre_annotated(tmp_path / "a.jsonl", RECORDS)
    found = load_opinions("train", str(tmp_path / "a.jsonl"), OpinionLayout()).examples
    assert [(e.text, e.spans, e.pairs) for e in found] == [(e.text, e.spans, e.pairs) for e in map(example_of, RECORDS)]
    assert found[2].pairs == (
        Pair(Span(0, 4, "aspect"), Span(4, 5, "opinion"), "negative"),
        Pair(None, Span(6, 7, "opinion"), "negative"),
    )
    first = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["relations"][0]["type"] == "negative"


def test_of_a_model_without_pairs_doccano_gets_entities_alone(tmp_path):
    write_pre_annotated(tmp_path / "a.jsonl", [{"input": "甲乙", "spans": [span("甲乙", "乙", "aspect")]}])
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8")) == {
        "text": "甲乙",
        "entities": [{"id": 0, "start_offset": 1, "end_offset": 2, "label": "aspect"}],
    }
