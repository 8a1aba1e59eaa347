"""What is taken of the spans and triplets that a review may have: by hand, and against all other thresholds."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.tasks.opinion.choice import ALL, LEAST, LEAST_OF_TRIPLETS, WIDEST, Choice, best_choice
from paddle_tasks.tasks.opinion.panels import OpinionPanels
from paddle_tasks.tasks.opinion.reading import Finding
from paddle_tasks.tasks.opinion.rows import Names
from paddle_tasks.tasks.opinion.scores import Scored
from paddle_tasks.text.spans import Pair, Span

from ..conftest import fixture_of, read_task

FIXTURE = fixture_of("opinion")
NAMES = Names(("aspect", "opinion"), ("bad", "good"))
ROOM, TIDY, VERY_TIDY = Span(0, 2, "aspect"), Span(3, 5, "opinion"), Span(2, 5, "opinion")


def finding(spans: dict[Span, float], pairs: dict[Pair, float] | None = None) -> Finding:
    return Finding(tuple(spans.items()), tuple((pairs or {}).items()), {}, 1.0, 5)


def spans_of(found: Finding) -> list[Span]:
    return [span for span, _ in found.spans]


def test_by_hand():
    pairs = {Pair(ROOM, TIDY, "good"): 0.3, Pair(ROOM, VERY_TIDY, "good"): 0.25, Pair(None, TIDY, "bad"): 0.1}
    possible = finding({ROOM: 0.9, VERY_TIDY: 0.4, TIDY: 0.45}, pairs)
    every = Choice(spans=0.4, triplets=0.25, overlaps=True).of(possible)
    assert spans_of(every) == [ROOM, VERY_TIDY, TIDY], "the threshold itself is enough"
    assert [prob for _, prob in every.pairs] == [0.3, 0.25]
    assert every.possible == possible.spans
    assert spans_of(Choice(spans=0.45).of(possible)) == [ROOM, TIDY]
    apart = Choice(spans=0.6).of(possible)
    assert [span for span, _ in apart.possible] == [ROOM, TIDY], "which no threshold takes is on no curve"
    assert [pair for pair, _ in Choice(spans=0.45, triplets=0.1).of(possible).pairs] == [
        Pair(ROOM, TIDY, "good"),
        Pair(None, TIDY, "bad"),
    ]
    assert not Choice(spans=0.95).of(possible).pairs, "whose spans are not taken"
    unsure = finding({ROOM: 0.2, TIDY: 0.9}, {Pair(ROOM, TIDY, "good"): 0.5, Pair(None, TIDY, "good"): 0.4})
    assert [pair for pair, _ in Choice(spans=0.3).of(unsure).pairs] == [Pair(None, TIDY, "good")]


def test_of_spans_that_overlap_the_most_probable_are_taken():
    spans = {
        Span(1, 5, "aspect"): 0.5,
        Span(4, 6, "opinion"): 0.3,
        Span(5, 7, "aspect"): 0.4,
        Span(7, 8, "opinion"): 0.2,
    }
    pairs = {Pair(Span(1, 5, "aspect"), one, "good"): 0.3 for one in spans if one.label == "opinion"}
    found = Choice(spans=0.2, overlaps=False).of(finding(spans, pairs))
    assert [(span.start, span.end) for span in spans_of(found)] == [(1, 5), (5, 7), (7, 8)], "(4, 6) displaces nothing"
    assert [pair.opinion for pair, _ in found.pairs] == [Span(7, 8, "opinion")]
    assert Choice(spans=0.2, overlaps=True).of(finding(spans, pairs)).spans == tuple(spans.items())


def reviews(seed: int) -> tuple[list[OpinionExample], list[Finding]]:
    """Return reviews with spans and pairs at random, annotated more often the more probable they are."""
    generator = np.random.default_rng(seed)
    examples, findings = [], []
    for _ in range(12):
        places = [(start, start + size) for start in range(0, 9, 2) for size in (1, 2, 3)]
        spans = {Span(*place, generator.choice(NAMES.labels)): generator.uniform(0.1, 0.9) for place in places}
        sides = [[span for span in spans if span.label == label] for label in NAMES.labels]
        pairs = {Pair(a, o, "good"): spans[o] * generator.uniform(0, 1) for a in [None, *sides[0]] for o in sides[1]}
        gold = (Span(11, 12, "aspect"), *(span for span, prob in spans.items() if generator.uniform() < prob))
        paired = tuple(pair for pair, prob in pairs.items() if generator.uniform() < prob)
        kept = {"annotated": paired, "none": (), "unknown": None}[generator.choice(["annotated", "none", "unknown"])]
        examples.append(OpinionExample("字" * 12, gold, kept, ""))
        findings.append(finding(spans, pairs))
    return examples, findings


@pytest.mark.parametrize("seed", range(8))
def test_no_other_threshold_scores_better(seed):
    examples, possible = reviews(seed)

    def score(choice: Choice, name: str) -> float:
        return Scored(examples, [choice.of(one) for one in possible], NAMES).metrics()[name]

    best = best_choice(examples, possible)
    others = [replace(best, spans=other, overlaps=way) for other in np.linspace(LEAST, 1, 91) for way in (False, True)]
    assert score(best, "f1") >= max(score(other, "f1") for other in others) - 1e-9
    others = np.linspace(LEAST_OF_TRIPLETS, 1, 100)
    rest = [score(replace(best, triplets=other), "triplet_f1") for other in others]
    assert score(best, "triplet_f1") >= max(rest) - 1e-9
    assert score(best, "f1") > score(Choice(), "f1") or best.spans == 0.5
    plain, overlapping = (best_choice(examples, possible, overlaps=way) for way in (False, True))
    assert (plain.overlaps, overlapping.overlaps) == (False, True)
    assert best == (overlapping if score(overlapping, "f1") > score(plain, "f1") else plain)


def test_spans_overlap_only_where_some_are_annotated_so():
    """Of two that overlap one at most is right then, whatever dev's F1 says."""
    sure = finding({ROOM: 0.9, VERY_TIDY: 0.6})
    either = finding({VERY_TIDY: 0.8, TIDY: 0.7})  # of which the less probable one is right
    examples = [OpinionExample("房间很干净", spans, None, "") for spans in ((ROOM, VERY_TIDY), (TIDY,), (TIDY,))]
    findings = [sure, either, either]
    assert not best_choice(examples, findings).overlaps
    assert best_choice(examples, findings, overlaps=True).overlaps
    both = OpinionExample("房间很干净", (ROOM, TIDY, VERY_TIDY), None, "")
    assert best_choice([both, *examples], [sure, *findings]).overlaps


@pytest.mark.parametrize("overlaps", ["null", "true", "false"])
def test_whether_spans_overlap_is_for_dev_to_choose_unless_it_is_told(overlaps, monkeypatch):
    task, asked = read_task("opinion", FIXTURE, f"model.overlaps={overlaps}"), []
    assert task.choice == Choice(overlaps=overlaps == "true"), "before there was any dev"
    monkeypatch.setattr(
        "paddle_tasks.tasks.opinion.task.best_choice", lambda *_, **told: asked.append(told) or Choice()
    )
    task.evaluate(task.build_model(), task.splits["dev"], lambda: None)
    assert asked == [{"overlaps": json.loads(overlaps)}]


def test_dev_alone_chooses_and_a_loaded_model_keeps_it(tmp_path, monkeypatch):
    task = read_task("opinion", FIXTURE)
    model = task.build_model()
    monkeypatch.setattr("paddle_tasks.tasks.opinion.task.best_choice", lambda *_, **__: Choice(0.3, 0.2))
    assert task.evaluate(model, task.load_split("test", str(FIXTURE)), lambda: None).metrics["threshold"] == 0.5
    dev = task.evaluate(model, task.splits["dev"], lambda: None).metrics
    assert task.choice == Choice(0.3, 0.2)
    assert (dev["threshold"], dev["triplet_threshold"], dev["overlaps"]) == (0.3, 0.2, 0.0)
    task.save_model(model, tmp_path)
    loaded, again = type(task).load(tmp_path)
    assert loaded.choice == task.choice
    task.choice = Choice()
    task.load_weights(model, tmp_path)
    assert task.choice == loaded.choice, "as a run that is resumed would have gone on"
    monkeypatch.setattr("paddle_tasks.tasks.opinion.task.best_choice", None)
    metrics = loaded.evaluate(again, task.splits["dev"], lambda: None).metrics
    assert {name: metrics[name] for name in task.METRICS} == pytest.approx({name: dev[name] for name in task.METRICS})


@pytest.mark.parametrize(("kept", "overlaps"), [({}, False), ({"spans": 0.4}, True), ({"overlaps": False}, True)])
def test_older_folders_have_a_part_of_the_choice_or_none(kept, overlaps):
    found = Choice.of_settings({"config": {"model": {"overlaps": overlaps}}, "choice": kept})
    assert found == Choice(**{"overlaps": overlaps, **kept})
    assert Choice.of_settings({"config": {"model": {}}}) == Choice()


def test_curves_are_over_all_that_is_possible_or_annotated():
    example = OpinionExample("房间很干净", (ROOM, Span(4, 5, "aspect")), None, "")
    found = Choice(spans=0.5).of(finding({ROOM: 0.9, Span(2, 3, "aspect"): 0.2, TIDY: 0.3}))
    curves = OpinionPanels([example], [found], NAMES, SimpleNamespace()).panels().curves
    assert set(curves) == {"aspect"}
    assert sorted(zip(curves["aspect"].scores, curves["aspect"].is_positive, strict=True)) == [
        (-1.0, True), (0.2, False), (0.9, True)
    ]  # fmt: skip


def test_the_best_path_has_no_thresholds():
    task = read_task("opinion", FIXTURE, "model.decoding=viterbi")
    metrics = task.evaluate(task.build_model(), task.splits["dev"], lambda: None).metrics
    assert task.choice == ALL
    assert not [name for name in metrics if "threshold" in name or "overlaps" in name]


def test_spans_of_the_best_path_are_all_taken_but_one_character_has_one():
    """Two tokens may stand for it, which the path may label in two ways."""
    twice = finding({ROOM: 0.01, Span(3, 4, "aspect"): 0.2, Span(3, 4, "opinion"): 0.1})
    assert spans_of(ALL.of(twice)) == [ROOM, Span(3, 4, "aspect")]


def test_without_anything_to_choose_from_it_stays_at_one_half():
    examples = [OpinionExample("房间很干净", (ROOM,), None, "")]
    assert best_choice(examples, [finding({})]) == Choice(0.5, 0.25)
    assert best_choice(examples, [finding({ROOM: 0.7}, {Pair(None, ROOM, "bad"): 0.1})]) == Choice(0.5, 0.25)


def test_what_never_helps_is_not_looked_at():
    """Though dev would take it: below these there is nothing to choose from."""
    example = OpinionExample("房间很干净", (ROOM,), (Pair(None, ROOM, "bad"),), "")
    assert best_choice([example], [finding({ROOM: 0.11}, {Pair(None, ROOM, "bad"): 0.011})]) == WIDEST
