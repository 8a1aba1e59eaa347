"""Metrics of spans against seqeval's strict mode and by hand; triplets, partial overlap and kinds of errors."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2

from paddle_tasks.metrics.spans import ERROR_KINDS, SpanMetrics, TripletMetrics, find_errors
from paddle_tasks.text.spans import Pair, Span, decode, tag_names

LABELS = ("aspect", "opinion")
some_spans = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 4), st.sampled_from(LABELS)).map(
        lambda s: Span(s[0], s[0] + s[1], s[2])
    )
)


def a(start: int, end: int) -> Span:
    return Span(start, end, "aspect")


def o(start: int, end: int) -> Span:
    return Span(start, end, "opinion")


def scores(gold, predicted, labels=LABELS) -> dict:
    metrics = SpanMetrics(labels)
    metrics.update(gold, predicted)
    return metrics.result()


# ---- exact


def random_tags(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return tags of which most are well-formed and some are not."""
    return rng.choice(5, size=n, p=[0.4, 0.15, 0.15, 0.15, 0.15])


def test_a_thousand_random_predictions_score_as_seqeval_scores_them():
    rng = np.random.default_rng(7)
    n_malformed = 0
    for _ in range(100):
        gold = [random_tags(rng, n) for n in rng.integers(1, 15, size=10)]
        # Near enough to the gold tags that many spans are right.
        predicted = [np.where(rng.random(len(tags)) < 0.3, random_tags(rng, len(tags)), tags) for tags in gold]
        found = scores(as_spans(gold), as_spans(predicted))
        names = [[[tag_names(LABELS)[tag] for tag in tags] for tags in texts] for texts in (gold, predicted)]
        report = classification_report(*names, output_dict=True, mode="strict", scheme=IOB2, zero_division=0)
        for expected, own in ((report["micro avg"], found), *((report[n], found["per_label"][n]) for n in LABELS)):
            keys = ("precision", "recall", "f1-score")
            assert [expected[key] for key in keys] == pytest.approx([own[key.removesuffix("-score")] for key in keys])
        assert found["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"])
        assert [found["per_label"][name]["spans"] for name in LABELS] == [report[name]["support"] for name in LABELS]
        n_malformed += f1_score(*names, zero_division=0) != pytest.approx(found["f1"])
    assert n_malformed > 90  # else the strict mode has not been tried


def as_spans(texts) -> list[list[Span]]:
    places = [np.stack([np.arange(len(tags)), np.arange(len(tags)) + 1], axis=1).astype(np.int32) for tags in texts]
    return [decode(tags, place, LABELS) for tags, place in zip(texts, places, strict=True)]


def test_exact_scores_by_hand():
    found = scores([[a(0, 2), o(3, 5)], [o(0, 1)]], [[a(0, 2), o(3, 4), o(6, 7)], []])
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found["per_label"]["aspect"]["f1"] == 1
    assert found["per_label"]["opinion"]["f1"] == 0
    assert found["macro_f1"] == 0.5
    assert found["per_label"]["opinion"]["spans"] == 2


def test_an_absent_label_is_in_no_average():
    found = scores([[a(0, 2)]], [[a(0, 2)]])
    assert (found["macro_f1"], found["opinion_f1"], found["per_label"]["opinion"]["spans"]) == (1, 0, 0)
    assert scores([[a(0, 2)]], [[a(0, 2), o(3, 5)]])["macro_f1"] == 0.5, "a label that is only predicted counts"
    assert scores([[]], [[]])["macro_f1"] == 0


def test_overlapping_gold_spans_all_count():
    found = scores([[a(0, 2), o(1, 4), o(0, 2)]], [[o(1, 4)]])
    assert (found["precision"], found["recall"]) == (1, pytest.approx(1 / 3))


def test_metrics_without_gold_or_predicted_spans_are_zero():
    for gold, predicted in (([], []), ([[]], [[]]), ([[a(0, 1)]], [[]]), ([[]], [[a(0, 1)]])):
        found = scores(gold, predicted)
        assert (found["precision"], found["recall"], found["f1"], found["partial_f1"]) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="shorter"):
        scores([[], []], [[]])


def test_an_unlisted_label_counts_in_the_micro_average():
    found = scores([[Span(0, 1, "time")]], [[a(0, 1)]])
    assert (found["precision"], found["recall"]) == (0, 0)
    assert found["errors"]["type"] == 1
    assert scores([[Span(0, 1, "time"), a(2, 3)]], [[a(2, 3)]])["recall"] == 0.5


# ---- batches


@given(st.lists(st.tuples(some_spans, some_spans), min_size=1, max_size=6), st.data())
def test_batches_add_up_in_any_order(texts, data):
    gold, predicted = [text[0] for text in texts], [text[1] for text in texts]
    whole = scores(gold, predicted)
    cut = data.draw(st.integers(0, len(texts)))
    in_batches = SpanMetrics(LABELS)
    in_batches.update(gold[cut:], predicted[cut:])
    in_batches.update(gold[:cut], predicted[:cut])
    assert in_batches.result() == whole


@given(some_spans, some_spans)
def test_swapping_gold_and_predicted_swaps_precision_and_recall(one, other):
    found, swapped = scores([one], [other]), scores([other], [one])
    for name in ("", "partial_"):
        assert found[f"{name}precision"] == swapped[f"{name}recall"]
        assert found[f"{name}f1"] == pytest.approx(swapped[f"{name}f1"])
    assert found["errors"]["missed"] == swapped["errors"]["spurious"]


# ---- partial overlap


def test_partial_scores_by_hand():
    # Half of the gold opinion is covered, by a span that lies in it; spans of another label do not count.
    found = scores([[o(2, 6), a(0, 2)]], [[o(3, 5), o(0, 2), a(0, 2)]])
    assert found["partial_precision"] == pytest.approx((1 + 0 + 1) / 3)
    assert found["partial_recall"] == pytest.approx((0.5 + 1) / 2)
    assert found["per_label"]["opinion"]["partial_recall"] == 0.5
    assert found["per_label"]["aspect"]["partial_f1"] == 1
    twice = scores([[a(0, 4), a(2, 6)]], [[a(0, 6)]])
    assert (twice["partial_precision"], twice["partial_recall"]) == (1, 1)


@given(some_spans, some_spans)
def test_partial_scores_are_no_less_than_exact_ones(gold, predicted):
    found = scores([gold], [predicted])
    for name in ("precision", "recall", "f1"):
        assert 0 <= found[name] <= found[f"partial_{name}"] + 1e-12 <= 1 + 1e-9


def test_marking_everything_has_a_low_partial_precision():
    found = scores([[a(4, 6)]], [[a(0, 20)]])
    assert (found["partial_precision"], found["partial_recall"]) == (0.1, 1)


# ---- errors


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ([a(0, 2)], [a(0, 2)], []),
        ([a(0, 2)], [a(0, 3)], ["boundary"]),
        ([a(0, 2)], [o(0, 2)], ["type"]),
        ([a(0, 2)], [], ["missed"]),
        ([], [a(0, 2)], ["spurious"]),
        ([a(0, 2)], [o(1, 3)], ["missed", "spurious"]),
        ([a(0, 2)], [a(2, 4)], ["missed", "spurious"]),
        ([a(0, 4)], [a(0, 2), a(2, 4)], ["boundary", "spurious"]),
        ([a(0, 2), a(2, 4)], [a(0, 4)], ["boundary", "missed"]),
        ([a(0, 2), o(0, 2)], [a(0, 2)], ["missed"]),
        ([a(0, 2), o(1, 3)], [o(0, 2)], ["missed", "type"]),
        ([a(0, 4)], [o(0, 4), a(1, 4)], ["spurious", "type"]),
    ],
)
def test_errors_by_kind(gold, predicted, kinds):
    assert sorted(error.kind for error in find_errors(gold, predicted)) == kinds


def test_spans_with_the_largest_overlap_are_matched():
    found = find_errors([a(0, 6)], [a(0, 1), a(1, 6)])
    assert {(error.kind, error.predicted) for error in found} == {("boundary", a(1, 6)), ("spurious", a(0, 1))}


@given(some_spans, some_spans)
def test_each_wrong_span_is_in_one_error(gold, predicted):
    errors = find_errors(gold, predicted)
    assert Counter(e.gold for e in errors if e.gold) == Counter(set(gold) - set(predicted))
    assert Counter(e.predicted for e in errors if e.predicted) == Counter(set(predicted) - set(gold))
    assert errors == find_errors(gold[::-1], predicted[::-1])
    counted = scores([gold], [predicted])["errors"]
    assert counted == {kind: sum(error.kind == kind for error in errors) for kind in ERROR_KINDS}


def test_the_record_of_an_error_shows_the_characters():
    (error,) = find_errors([o(2, 5)], [o(3, 5)])
    assert error.record("味道非常好吃") == {
        "kind": "boundary",
        "gold": {"start": 2, "end": 5, "label": "opinion", "text": "非常好"},
        "predicted": {"start": 3, "end": 5, "label": "opinion", "text": "常好"},
    }
    (error,) = find_errors([], [a(0, 2)])
    assert set(error.record("味道非常好吃")) == {"kind", "predicted"}


# ---- triplets


def triplets(gold, predicted) -> dict:
    metrics = TripletMetrics()
    metrics.update(gold, predicted)
    return metrics.result()


def test_triplets_by_hand():
    gold = [Pair(a(0, 2), o(3, 5), "positive"), Pair(None, o(6, 8), "negative"), Pair(a(0, 2), o(9, 10), "neutral")]
    predicted = [
        Pair(a(0, 2), o(3, 5), "positive"),
        Pair(a(0, 2), o(6, 8), "negative"),  # the aspect is implicit
        Pair(a(0, 2), o(9, 10), "positive"),  # the polarity is wrong
        Pair(a(0, 1), o(3, 5), "positive"),  # the aspect is too short
    ]
    found = triplets([gold], [predicted])
    assert (found["triplet_precision"], found["triplet_recall"]) == (0.25, pytest.approx(1 / 3))
    assert found["triplet_f1"] == pytest.approx(2 / 7)
    assert found["pair_f1"] == pytest.approx(4 / 7)
    assert found["polarity_accuracy"] == 0.5
    assert triplets([gold], [gold[::-1]])["triplet_f1"] == 1
    assert triplets([gold], [[]])["triplet_f1"] == triplets([], [])["triplet_f1"] == 0


def test_triplets_of_one_text_are_none_of_another():
    pair = Pair(a(0, 2), o(3, 5), "positive")
    assert triplets([[pair], []], [[], [pair]])["triplet_f1"] == 0
    assert triplets([[pair], [pair]], [[pair], [pair, pair]])["triplet_precision"] == 1
