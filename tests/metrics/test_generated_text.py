"""Metrics of generated text against counts by plain loops."""

from __future__ import annotations

import pytest

from paddle_tasks.metrics.generated_text import GeneratedTextMetrics, distinct_share, repeated_share
from paddle_tasks.text.copied_text import KnownTexts

TRAIN = ["从前有座山，山里有座庙，庙里有个老和尚。", "老和尚在讲故事，讲的是什么呢？讲的是从前有座山。"]
TEXTS = ["山里有座庙，山里有座庙，庙里没有和尚。", "老和尚在讲故事，讲的是什么呢？讲的是从前，有座塔。", "", "塔"]


def test_shares_of_ngrams_by_hand():
    assert distinct_share(["abab", "ab"], 2) == 2 / 4
    assert repeated_share(["abab", "ab"], 2) == 1 / 4
    assert distinct_share(["a", ""], 2) is None
    assert repeated_share([], 2) is None


def test_results_are_those_of_plain_loops():
    metrics = GeneratedTextMetrics(KnownTexts(TRAIN))
    metrics.update(TEXTS[:1])
    metrics.update(TEXTS[1:])
    grams = {size: [[text[i : i + size] for i in range(len(text) - size + 1)] for text in TEXTS] for size in range(21)}
    expected = {f"distinct_{size}": len(set().union(*grams[size])) / sum(map(len, grams[size])) for size in (1, 2, 3)}
    expected["repetition_4"] = sum(g in row[:i] for row in grams[4] for i, g in enumerate(row)) / sum(
        map(len, grams[4])
    )
    windows = [window for row in grams[20] for window in row]
    expected["copied_20"] = sum(any(window in text for text in TRAIN) for window in windows) / len(windows)
    expected |= {"longest_copy": 20, "long_copies": 0}
    assert metrics.result() == pytest.approx(expected)
    assert expected["copied_20"] == 1 / 6
    assert expected["repetition_4"] > 0


def test_a_run_of_more_than_twenty_characters_is_a_long_copy():
    metrics = GeneratedTextMetrics(KnownTexts(TRAIN))
    metrics.update([f"一{TRAIN[1][:20]}一", f"一{TRAIN[1][:21]}一", "一" * 30, "二" * 30])
    assert metrics.result()["long_copies"] == 0.25
    assert metrics.result()["longest_copy"] == 21


def test_metrics_that_cannot_be_counted_are_left_out():
    without_train = GeneratedTextMetrics()
    without_train.update(["一二三"])
    assert without_train.result() == {"distinct_1": 1, "distinct_2": 1, "distinct_3": 1}
    assert GeneratedTextMetrics(KnownTexts(TRAIN)).result() == {}
