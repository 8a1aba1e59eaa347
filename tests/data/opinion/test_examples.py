"""Splits of reviews: overlaps, folds, the export to doccano and back, the data report, and the public data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks import config as configuration
from paddle_tasks.data.opinion.checks import check_opinions
from paddle_tasks.data.opinion.examples import Draft, KnownNames, OpinionExample, OpinionLayout, build_example
from paddle_tasks.data.opinion.export import to_doccano, write_doccano
from paddle_tasks.data.opinion.readers import load_opinions, opinions_sha256, read_opinions
from paddle_tasks.data.opinion.section import OpinionDataSection
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.text.spans import Pair, Span
from paddle_tasks.training.result import describe_splits

from ...helpers import DATA, needs

OPINION = DATA / "opinion"
needs_opinion = needs(OPINION)


@st.composite
def examples(draw) -> OpinionExample:
    text = draw(st.text(st.sampled_from("味道很好😀a1 "), min_size=2, max_size=12).filter(str.strip))
    places = st.tuples(st.integers(0, len(text) - 1), st.integers(1, 4)).map(lambda p: (p[0], min(len(text), sum(p))))
    seen = places.filter(lambda place: text[place[0] : place[1]].strip())
    spans = draw(st.lists(st.builds(lambda p, label: Span(*p, label), seen, st.sampled_from(["aspect", "opinion"]))))
    sides = {label: [None, *(span for span in spans if span.label == label)] for label in ("aspect", "opinion")}
    drawn = draw(st.lists(st.tuples(st.sampled_from(sides["aspect"]), st.sampled_from(sides["opinion"]))))
    pairs = [Pair(*pair, draw(st.sampled_from(["positive", "negative"]))) for pair in {*drawn} - {(None, None)}]
    chosen = draw(st.sampled_from([pairs, None]))
    return build_example(Draft(text, spans, chosen), "a:1", KnownNames(), OpinionLayout())


def write_own(path: Path, examples: Iterable[OpinionExample]) -> None:
    """Write examples in the project's own format."""
    lines = []
    for example in examples:
        record: dict[str, Any] = {"text": example.text, "spans": [asdict(span) for span in example.spans]}
        if example.pairs is not None:
            terms = [{"aspect": pair.aspect, "opinion": pair.opinion} for pair in example.pairs]
            indices = [{role: span and example.spans.index(span) for role, span in roles.items()} for roles in terms]
            pairs = zip(indices, example.pairs, strict=True)
            record["pairs"] = [{**roles, "polarity": pair.polarity} for roles, pair in pairs]
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


@given(st.lists(examples(), min_size=1, max_size=4))
def test_round_trips_through_doccano_and_the_projects_own_lines(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("export")
    for name, write in (("doccano", write_doccano), ("own", write_own)):
        write(folder / name, drawn)
        found = list(read_opinions(folder / name, OpinionLayout()))
        assert [(e.text, e.spans, e.pairs) for e in found] == [(e.text, e.spans, e.pairs) for e in drawn]


def test_an_exported_example():
    taste, good = Span(0, 2, "aspect"), Span(2, 4, "opinion")
    example = OpinionExample(
        "味道很好", (taste, good), (Pair(taste, good, "positive"), Pair(None, good, "neutral")), ""
    )
    assert to_doccano(example, 10) == {
        "text": "味道很好",
        "entities": [
            {"id": 10, "start_offset": 0, "end_offset": 2, "label": "aspect"},
            {"id": 11, "start_offset": 2, "end_offset": 4, "label": "opinion"},
        ],
        "relations": [
            {"id": 10, "from_id": 10, "to_id": 11, "type": "positive"},
            {"id": 11, "from_id": 11, "to_id": 11, "type": "neutral"},
        ],
    }


def test_ids_are_unique_within_the_file(tmp_path):
    example = OpinionExample("味道很好", (Span(0, 2, "aspect"), Span(2, 4, "opinion")), (), "")
    write_doccano(tmp_path / "a.jsonl", [example, example])
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [entity["id"] for row in rows for entity in row["entities"]] == [0, 1, 2, 3]


# ---- splits


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.txt"
    lines = [
        "很 好 吃####[((0, 1), (1, 2), 'POS')]",
        *(f"菜 {c} 好####[((0, 0), (2, 2), 'NEG')]" for c in "真很太不也"),
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_overlaps_are_kept_and_reported_or_refused(path):
    split = load_opinions("train", str(path), OpinionLayout())
    assert split.examples[0].spans == (Span(0, 2, "aspect"), Span(1, 3, "opinion"))
    assert describe_splits({"train": split})["train"].model_dump()["overlapping_spans"] == 2
    assert split.counts == {"spans": 12, "overlapping_spans": 2, "pairs": 6}
    assert "2 of 12 spans overlap another one; all are kept" in split.remark
    assert f"{path}:1: '很好' (aspect) overlaps another span" in split.remark
    refused = load_opinions("train", str(path), OpinionLayout(overlaps="refuse"))
    assert (
        str(refused.bad_rows[0])
        == f"{path}:1: '很好' (aspect) overlaps '好吃' (opinion); data.overlaps=keep takes both"
    )
    assert (len(refused.examples), refused.remark) == (5, "")
    with pytest.raises(DataError, match=r"1 of 6 rows cannot be used"):
        require_good(refused, "stop")
    assert require_good(refused, "skip") is refused


def test_the_names_of_train_apply_to_the_other_splits(path):
    split = load_opinions("train", str(path), OpinionLayout())
    assert (split.labels, split.polarities) == (("aspect", "opinion"), ("negative", "positive"))
    found = load_opinions("dev", str(path), OpinionLayout(), KnownNames(split.labels, ("negative",)))
    assert [row.line for row in found.bad_rows] == [1]


def section(**data) -> OpinionDataSection:
    class Whole(configuration.Section):
        data: OpinionDataSection

    return configuration.validate({"data": data}, Whole, "x").data


def test_folds_divide_a_file_and_have_different_digests(path):
    data = section(train=str(path), folds=3, fold=1)
    parts = [load_opinions(name, data.source(name, 0), data.layout) for name in ("train", "dev")]
    texts = [{example.text for example in part.examples} for part in parts]
    assert (len(texts[0]), len(texts[1]), texts[0] & texts[1]) == (4, 2, set())
    assert parts[0].sha256 == opinions_sha256(data.source("train", 0), data.layout) != parts[1].sha256


def test_the_section_accepts_only_what_the_readers_support():
    data = section(train="a", dev="b", occurrences="first", overlaps="refuse", format="cote", on_bad_row="skip")
    assert data.layout == OpinionLayout("cote", "utf-8", "first", "refuse")
    assert (data.source("dev", 0).name, data.has("test")) == ("b", False)
    for wrong in ({"columns": {"text": 0}}, {"format": "tsv"}, {"occurrences": "last"}, {"labels": ["a", "a"]}):
        with pytest.raises(ConfigError):
            section(train="a", dev="b", **wrong)
    with pytest.raises(ConfigError, match=r"data.dev: expected a file, or data.folds"):
        section(train="a")


def test_the_data_report(path, tmp_path):
    other = tmp_path / "b.txt"
    other.write_text("菜 真 好####[((0, 0), (2, 2), 'NEG')]\n菜 真 好####[((0, 0), (2, 2), 'POS')]", encoding="utf-8")
    splits = {
        "train": load_opinions("train", str(other), OpinionLayout()),
        "dev": load_opinions("dev", str(path), OpinionLayout()),
    }
    report = check_opinions(splits)
    assert report["rows"] == {"train": 2, "dev": 6}
    assert report["labels"]["dev"] == {"aspect": 6, "opinion": 6}
    assert report["polarities"]["train"] == {"negative": 1, "positive": 1}
    assert (report["duplicate_texts"], report["contradictory_texts"], report["leaked_texts"]) == (1, 1, {"dev": 1})
    assert report["overlapping_spans"] == {"train": 0, "dev": 2}
    assert len(report["examples"]["overlapping_spans"]["dev"]) == 2
    json.dumps(report)


# ---- the public data


@needs_opinion
def test_restaurant_reviews():
    split = load_opinions("test", str(OPINION / "restaurant_aste" / "test.txt"), OpinionLayout())
    assert (len(split.examples), len(split.bad_rows)) == (5567, 0)
    assert split.polarities == ("negative", "neutral", "positive")
    assert split.counts["spans"] == 17706
    dev = load_opinions(
        "dev", str(OPINION / "restaurant_aste" / "dev.txt"), OpinionLayout(), KnownNames(split.labels, split.polarities)
    )
    assert dev.examples[0].text.startswith("菜色家常")
    assert [row.line for row in dev.bad_rows] == [316]


@needs_opinion
def test_targets_of_cote():
    split = load_opinions("test", str(OPINION / "cote_bd" / "test.txt"), OpinionLayout(occurrences="first"))
    assert (len(split.examples), split.counts["spans"], len(split.bad_rows)) == (3658, 3658, 0)


@needs_opinion
def test_wrong_offsets_of_makeup_reviews_are_reported():
    path = OPINION / "makeup_reviews" / "Train_makeup_reviews.csv"
    split = load_opinions("train", str(path), OpinionLayout())
    assert len(split.bad_rows) == 55
    assert len({(row.file, row.line) for row in split.bad_rows}) == 44
    assert str(split.bad_rows[0]).endswith("but the text there is '级好用哦'; it occurs at 11 to 15")
