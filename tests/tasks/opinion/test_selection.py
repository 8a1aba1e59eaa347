"""Which candidate spans and triplets are predicted: by hand, and compared with all other thresholds."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.tasks.opinion.panels import OpinionPanels
from paddle_tasks.tasks.opinion.prediction import OpinionNames, Prediction
from paddle_tasks.tasks.opinion.scoring import ScoredReviews
from paddle_tasks.tasks.opinion.selection import (
    CANDIDATES,
    EVERYTHING,
    MIN_SPAN_PROB,
    MIN_TRIPLET_PROB,
    Selection,
    best_selection,
)
from paddle_tasks.text.spans import Pair, Span

from ..conftest import fixture_of, read_task

FIXTURE = fixture_of("opinion")
NAMES = OpinionNames(("aspect", "opinion"), ("bad", "good"))
ROOM, TIDY, VERY_TIDY = Span(0, 2, "aspect"), Span(3, 5, "opinion"), Span(2, 5, "opinion")


def predict(spans: dict[Span, float], pairs: dict[Pair, float] | None = None) -> Prediction:
    return Prediction(tuple(spans.items()), tuple((pairs or {}).items()), {}, 1.0, 5)


def spans_of(prediction: Prediction) -> list[Span]:
    return [span for span, _ in prediction.spans]


def test_a_selection_by_hand():
    pairs = {Pair(ROOM, TIDY, "good"): 0.3, Pair(ROOM, VERY_TIDY, "good"): 0.25, Pair(None, TIDY, "bad"): 0.1}
    possible = predict({ROOM: 0.9, VERY_TIDY: 0.4, TIDY: 0.45}, pairs)
    every = Selection(spans=0.4, triplets=0.25, overlaps=True).apply(possible)
    assert spans_of(every) == [ROOM, VERY_TIDY, TIDY], "the threshold itself is enough"
    assert [prob for _, prob in every.pairs] == [0.3, 0.25]
    assert every.candidates == possible.spans
    assert spans_of(Selection(spans=0.45).apply(possible)) == [ROOM, TIDY]
    apart = Selection(spans=0.6).apply(possible)
    assert [span for span, _ in apart.candidates] == [ROOM, TIDY], "an overlapping span is no candidate"
    assert [pair for pair, _ in Selection(spans=0.45, triplets=0.1).apply(possible).pairs] == [
        Pair(ROOM, TIDY, "good"),
        Pair(None, TIDY, "bad"),
    ]
    assert not Selection(spans=0.95).apply(possible).pairs, "without their spans, pairs are not predicted"
    unsure = predict({ROOM: 0.2, TIDY: 0.9}, {Pair(ROOM, TIDY, "good"): 0.5, Pair(None, TIDY, "good"): 0.4})
    assert [pair for pair, _ in Selection(spans=0.3).apply(unsure).pairs] == [Pair(None, TIDY, "good")]


def test_of_overlapping_spans_the_most_probable_one_is_predicted():
    spans = {
        Span(1, 5, "aspect"): 0.5,
        Span(4, 6, "opinion"): 0.3,
        Span(5, 7, "aspect"): 0.4,
        Span(7, 8, "opinion"): 0.2,
    }
    pairs = {Pair(Span(1, 5, "aspect"), opinion, "good"): 0.3 for opinion in spans if opinion.label == "opinion"}
    selected = Selection(spans=0.2, overlaps=False).apply(predict(spans, pairs))
    assert [(span.start, span.end) for span in spans_of(selected)] == [(1, 5), (5, 7), (7, 8)], (
        "(4, 6) displaces nothing"
    )
    assert [pair.opinion for pair, _ in selected.pairs] == [Span(7, 8, "opinion")]
    assert Selection(spans=0.2, overlaps=True).apply(predict(spans, pairs)).spans == tuple(spans.items())


def reviews(seed: int) -> tuple[list[OpinionExample], list[Prediction]]:
    """Return reviews with random spans and pairs; the more probable one is, the more often it is annotated."""
    generator = np.random.default_rng(seed)
    examples, predictions = [], []
    for _ in range(12):
        ranges = [(start, start + size) for start in range(0, 9, 2) for size in (1, 2, 3)]
        spans = {Span(*ends, generator.choice(NAMES.labels)): generator.uniform(0.1, 0.9) for ends in ranges}
        sides = [[span for span in spans if span.label == label] for label in NAMES.labels]
        pairs = {Pair(a, o, "good"): spans[o] * generator.uniform(0, 1) for a in [None, *sides[0]] for o in sides[1]}
        gold = (Span(11, 12, "aspect"), *(span for span, prob in spans.items() if generator.uniform() < prob))
        paired = tuple(pair for pair, prob in pairs.items() if generator.uniform() < prob)
        kept = {"annotated": paired, "none": (), "unknown": None}[generator.choice(["annotated", "none", "unknown"])]
        examples.append(OpinionExample("字" * 12, gold, kept, ""))
        predictions.append(predict(spans, pairs))
    return examples, predictions


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.long
def test_no_other_threshold_scores_better(seed):
    examples, possible = reviews(seed)

    def score(selection: Selection, name: str) -> float:
        return ScoredReviews(examples, [selection.apply(candidates) for candidates in possible], NAMES).metrics()[name]

    best = best_selection(examples, possible)
    others = [
        replace(best, spans=other, overlaps=option)
        for other in np.linspace(MIN_SPAN_PROB, 1, 91)
        for option in (False, True)
    ]
    assert score(best, "f1") >= max(score(other, "f1") for other in others) - 1e-9
    others = np.linspace(MIN_TRIPLET_PROB, 1, 100)
    rest = [score(replace(best, triplets=other), "triplet_f1") for other in others]
    assert score(best, "triplet_f1") >= max(rest) - 1e-9
    assert score(best, "f1") > score(Selection(), "f1") or best.spans == 0.5
    plain, overlapping = (best_selection(examples, possible, overlaps=option) for option in (False, True))
    assert (plain.overlaps, overlapping.overlaps) == (False, True)
    assert best == (overlapping if score(overlapping, "f1") > score(plain, "f1") else plain)


def test_spans_overlap_only_if_some_annotated_ones_do():
    """Otherwise at most one of two overlapping spans is right, whatever the F1 of dev."""
    certain = predict({ROOM: 0.9, VERY_TIDY: 0.6})
    either = predict({VERY_TIDY: 0.8, TIDY: 0.7})  # the less probable one is right
    examples = [OpinionExample("房间很干净", spans, None, "") for spans in ((ROOM, VERY_TIDY), (TIDY,), (TIDY,))]
    predictions = [certain, either, either]
    assert not best_selection(examples, predictions).overlaps
    assert best_selection(examples, predictions, overlaps=True).overlaps
    both = OpinionExample("房间很干净", (ROOM, TIDY, VERY_TIDY), None, "")
    assert best_selection([both, *examples], [certain, *predictions]).overlaps


@pytest.mark.parametrize("overlaps", ["null", "true", "false"])
def test_dev_chooses_whether_spans_overlap_unless_it_is_set(overlaps, monkeypatch):
    task, options = read_task("opinion", FIXTURE, f"model.overlaps={overlaps}"), []
    assert task.selection == Selection(overlaps=overlaps == "true"), "before dev is scored"
    monkeypatch.setattr(
        "paddle_tasks.tasks.opinion.task.best_selection", lambda *_, **given: options.append(given) or Selection()
    )
    task.evaluate(task.build_model(), task.splits["dev"], lambda: None)
    assert options == [{"overlaps": json.loads(overlaps)}]


def test_only_dev_chooses_and_a_loaded_model_keeps_the_selection(tmp_path, monkeypatch):
    task = read_task("opinion", FIXTURE)
    model = task.build_model()
    monkeypatch.setattr("paddle_tasks.tasks.opinion.task.best_selection", lambda *_, **__: Selection(0.3, 0.2))
    assert task.evaluate(model, task.load_split("test", str(FIXTURE)), lambda: None).metrics["threshold"] == 0.5
    dev = task.evaluate(model, task.splits["dev"], lambda: None).metrics
    assert task.selection == Selection(0.3, 0.2)
    assert (dev["threshold"], dev["triplet_threshold"], dev["overlaps"]) == (0.3, 0.2, 0.0)
    task.save_model(model, tmp_path)
    loaded, again = type(task).load(tmp_path)
    assert loaded.selection == task.selection
    task.selection = Selection()
    task.load_weights(model, tmp_path)
    assert task.selection == loaded.selection, "as in a run that is resumed"
    monkeypatch.setattr("paddle_tasks.tasks.opinion.task.best_selection", None)
    metrics = loaded.evaluate(again, task.splits["dev"], lambda: None).metrics
    assert {name: metrics[name] for name in task.METRICS} == pytest.approx({name: dev[name] for name in task.METRICS})


@pytest.mark.parametrize(("kept", "overlaps"), [({}, False), ({"spans": 0.4}, True), ({"overlaps": False}, True)])
def test_older_folders_hold_a_part_of_the_selection_or_none(kept, overlaps):
    selection = Selection.from_settings({"config": {"model": {"overlaps": overlaps}}, "choice": kept})
    assert selection == Selection(**{"overlaps": overlaps, **kept})
    assert Selection.from_settings({"config": {"model": {}}}) == Selection()


def test_curves_are_over_candidates_and_annotated_spans():
    example = OpinionExample("房间很干净", (ROOM, Span(4, 5, "aspect")), None, "")
    prediction = Selection(spans=0.5).apply(predict({ROOM: 0.9, Span(2, 3, "aspect"): 0.2, TIDY: 0.3}))
    curves = OpinionPanels([example], [prediction], NAMES, SimpleNamespace()).panels().curves
    assert set(curves) == {"aspect"}
    assert sorted(zip(curves["aspect"].scores, curves["aspect"].is_positive, strict=True)) == [
        (-1.0, True), (0.2, False), (0.9, True)
    ]  # fmt: skip


def test_the_best_path_has_no_thresholds():
    task = read_task("opinion", FIXTURE, "model.decoding=viterbi")
    metrics = task.evaluate(task.build_model(), task.splits["dev"], lambda: None).metrics
    assert task.selection == EVERYTHING
    assert not [name for name in metrics if "threshold" in name or "overlaps" in name]


def test_all_spans_of_the_best_path_are_predicted_but_one_for_a_character():
    """Two tokens of one character may have different labels on the path."""
    twice = predict({ROOM: 0.01, Span(3, 4, "aspect"): 0.2, Span(3, 4, "opinion"): 0.1})
    assert spans_of(EVERYTHING.apply(twice)) == [ROOM, Span(3, 4, "aspect")]


def test_without_candidates_the_thresholds_are_the_defaults():
    examples = [OpinionExample("房间很干净", (ROOM,), None, "")]
    assert best_selection(examples, [predict({})]) == Selection(0.5, 0.25)
    assert best_selection(examples, [predict({ROOM: 0.7}, {Pair(None, ROOM, "bad"): 0.1})]) == Selection(0.5, 0.25)


def test_a_threshold_is_not_below_that_of_candidates():
    """Though a lower one would be as good on dev."""
    example = OpinionExample("房间很干净", (ROOM,), (Pair(None, ROOM, "bad"),), "")
    assert best_selection([example], [predict({ROOM: 0.11}, {Pair(None, ROOM, "bad"): 0.011})]) == CANDIDATES
