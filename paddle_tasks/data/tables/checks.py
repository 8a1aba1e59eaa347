"""What to know of a data set before trusting a score on it: duplicates, contradictions, leaks, lengths."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from paddle_tasks.data.opinion.examples import OpinionSplit
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import LabelledText, Split

_SHOWN = 20


def check(splits: Mapping[SplitName, Split[LabelledText]]) -> dict[str, Any]:
    """Return the data report.

    ``duplicate_texts`` is the number of train rows less their distinct texts, ``contradictory_texts`` the number of
    distinct train texts with more than one label, ``leaked_texts`` the number of distinct texts of dev and test that
    stand in train too. Texts are compared as they are, to the letter.
    """
    train = splits["train"].examples
    bad_rows = [bad for split in splits.values() for bad in split.bad_rows]
    contradictory = _contradictory(train)
    others = {name: split.examples for name, split in splits.items() if name != "train"}
    leaked = {name: sorted(_texts(train) & _texts(examples)) for name, examples in others.items()}
    return {
        "rows": {name: len(split.examples) for name, split in splits.items()},
        "bad_rows": len(bad_rows),
        "labels": {name: _label_counts(split.examples) for name, split in splits.items()},
        "characters": {name: _lengths(split.examples) for name, split in splits.items()},
        "duplicate_texts": len(train) - len(_texts(train)),
        "contradictory_texts": len(contradictory),
        "leaked_texts": {name: len(texts) for name, texts in leaked.items()},
        "examples": {
            "bad_rows": [str(bad) for bad in bad_rows[:_SHOWN]],
            "contradictory_texts": contradictory[:_SHOWN],
            "leaked_texts": {name: texts[:_SHOWN] for name, texts in leaked.items()},
        },
    }


class _HasText(Protocol):
    @property
    def text(self) -> str:
        """The text."""


def check_opinions(splits: Mapping[SplitName, OpinionSplit]) -> dict[str, Any]:
    """Return the data report of `check` for reviews with spans and pairs.

    ``labels`` counts spans, ``polarities`` pairs; a text is contradictory whose rows do not have the same spans and
    pairs. ``overlapping_spans`` is the number of spans that overlap another one.
    """
    plain = {name: _labelled(split) for name, split in splits.items()}
    report = check(plain)
    report["labels"] = {name: _most_common(_span_labels(split)) for name, split in splits.items()}
    report["polarities"] = {name: _most_common(_polarities(split)) for name, split in splits.items()}
    report["overlapping_spans"] = {name: len(split.overlaps) for name, split in splits.items()}
    report["examples"]["overlapping_spans"] = {name: split.overlaps[:_SHOWN] for name, split in splits.items()}
    return report


def _labelled(split: OpinionSplit) -> Split[LabelledText]:
    """Return the split with what is said of each text as its label."""
    examples = [
        LabelledText(example.text, str((example.spans, sorted(map(str, example.pairs or ())))), example.where)
        for example in split.examples
    ]
    return Split(split.name, split.path, split.sha256, examples, split.bad_rows)


def _span_labels(split: OpinionSplit) -> list[str]:
    return [span.label for example in split.examples for span in example.spans]


def _polarities(split: OpinionSplit) -> list[str]:
    return [pair.polarity for example in split.examples for pair in example.pairs or ()]


def _most_common(names: Sequence[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def leaked_rows(train: Sequence[_HasText], other: Sequence[_HasText]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return <bool>[rows]: which rows of ``other`` have a text that stands in ``train``."""
    known = _texts(train)
    return np.array([example.text in known for example in other], dtype=bool)


def _texts(examples: Sequence[_HasText]) -> set[str]:
    return {example.text for example in examples}


def _contradictory(examples: Sequence[LabelledText]) -> list[str]:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for example in examples:
        labels[example.text].add(example.label)
    return sorted(text for text, found in labels.items() if len(found) > 1)


def _label_counts(examples: Sequence[LabelledText]) -> dict[str, int]:
    return _most_common([example.label for example in examples])


def _lengths(examples: Sequence[LabelledText]) -> dict[str, float]:
    lengths = [len(example.text) for example in examples] or [0]
    mean, p95 = float(np.mean(lengths)), float(np.percentile(lengths, 95))
    return {"mean": round(mean, 1), "p95": round(p95, 1), "max": max(lengths)}
