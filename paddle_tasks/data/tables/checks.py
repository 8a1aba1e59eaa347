"""The data report: duplicate, contradictory and leaked texts, label counts and lengths."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.section import LayoutSection
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.data.tables.splits import LabelledText, Split, load_split
from paddle_tasks.errors import DataError
from paddle_tasks.language import _, join, label_name

MAX_EXAMPLES = 20
"""A report names at most this many examples of each kind of problem."""
_LABELS_PRINTED = 20


def check(splits: Mapping[SplitName, Split[LabelledText]]) -> dict[str, Any]:
    """Return the data report.

    Texts are compared character by character, without any normalisation:

    * ``duplicate_texts``: train rows minus distinct train texts.
    * ``contradictory_texts``: distinct train texts that occur with more than one label.
    * ``leaked_texts``: for dev and test, the distinct texts that also occur in train.
    """
    train = splits["train"].examples
    bad_rows = [bad for split in splits.values() for bad in split.bad_rows]
    contradictory = _contradictory(train)
    others = {name: split.examples for name, split in splits.items() if name != "train"}
    leaked = {name: sorted(_texts(train) & _texts(examples)) for name, examples in others.items()}
    return {
        "rows": {name: len(split.examples) for name, split in splits.items()},
        "bad_rows": len(bad_rows),
        "labels": {name: count_names([example.label for example in split.examples]) for name, split in splits.items()},
        "characters": {name: summarize_lengths(split.examples) for name, split in splits.items()},
        "duplicate_texts": len(train) - len(_texts(train)),
        "contradictory_texts": len(contradictory),
        "leaked_texts": {name: len(texts) for name, texts in leaked.items()},
        "examples": {
            "bad_rows": [str(bad) for bad in bad_rows[:MAX_EXAMPLES]],
            "contradictory_texts": contradictory[:MAX_EXAMPLES],
            "leaked_texts": {name: texts[:MAX_EXAMPLES] for name, texts in leaked.items()},
        },
    }


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report that `check` returned."""
    for split in report["rows"]:
        yield from split_lines(report, split)
    yield from finding_lines(report, contradiction=_("with more than one label"))


def split_lines(report: Mapping[str, Any], split: str) -> Iterator[str]:
    """Yield a split's row count and text lengths, and its label counts."""
    yield rows_line(report, split)
    counts = list(report["labels"][split].items())
    n_more = len(counts) - _LABELS_PRINTED
    more = _(" … and {count} more").format(count=n_more) if n_more > 0 else ""
    shown = join([count_line(label, count) for label, count in counts[:_LABELS_PRINTED]])
    yield _("       labels {labels}{more}").format(labels=shown, more=more)


def count_line(label: str, count: int) -> str:
    """Return a label and its number of rows: ``positive: 3``."""
    return _("{label}: {count:,}").format(label=label_name(label), count=count)


def rows_line(report: Mapping[str, Any], split: str) -> str:
    """Return a split's row count and text lengths as a line."""
    count, lengths = report["rows"][split], describe_lengths(report, split)
    return _("{split:6} {count:,} rows, {lengths}").format(split=split, count=count, lengths=lengths)


def describe_lengths(report: Mapping[str, Any], split: str) -> str:
    """Return the lengths of a split's texts as words."""
    lengths = report["characters"][split]
    return _("{mean} characters on average, 95 % have at most {p95:.0f}, the longest {max:,}").format(**lengths)


def finding_lines(report: Mapping[str, Any], *, contradiction: str) -> Iterator[str]:
    """Yield the numbers of bad rows and of duplicate, contradictory and leaked texts.

    Args:
        report: the data report.
        contradiction: what makes a text contradictory, as the end of "distinct train texts …".
    """
    yield _("bad rows               {count:,}").format(count=report["bad_rows"])
    yield from (f"  {bad}" for bad in report["examples"]["bad_rows"])
    repeated = _("duplicate texts        {count:,} (train rows that repeat the text of an earlier row)")
    yield repeated.format(count=report["duplicate_texts"])
    contradictory = _("contradictory texts    {count:,} (distinct train texts {contradiction})")
    yield contradictory.format(count=report["contradictory_texts"], contradiction=contradiction)
    for split, count in report["leaked_texts"].items():
        yield _("leaked into {split:10} {count:,} (distinct texts that are also in train)").format(
            split=split, count=count
        )


class TextDataCheck:
    """The data check of rows with the field ``text`` and no label."""

    layout_section = LayoutSection

    def check(self, sources: Mapping[SplitName, str], layout: LayoutSection) -> dict[str, Any]:
        """Return the data report of the files of each split."""
        splits = {name: load_texts(name, source, layout) for name, source in sources.items()}
        report = check(splits)
        del report["labels"]
        return report

    def lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        """Yield the report as lines of text."""
        yield from (rows_line(report, split) for split in report["rows"])
        yield from finding_lines(report, contradiction=_("with more than one label"))


def load_texts(name: SplitName, source: str | Source, layout: LayoutSection) -> Split[LabelledText]:
    """Read a file with the field ``text`` into examples whose label is empty."""
    return load_split(name, source, layout.layout, ("text",), _parse_text)


def _parse_text(row: Row) -> LabelledText:
    if not row.fields["text"].strip():
        raise DataError(_("empty text"))
    return LabelledText(row.fields["text"], "", row.where)


class _HasText(Protocol):
    @property
    def text(self) -> str:
        """The text."""


def leaked_rows(train: Sequence[_HasText], other: Sequence[_HasText]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return <bool>[rows]: whether the text of each row of ``other`` also occurs in ``train``."""
    known = _texts(train)
    return np.array([example.text in known for example in other], dtype=bool)


def count_names(names: Sequence[str]) -> dict[str, int]:
    """Return the number of occurrences of each name, the most frequent first."""
    return dict(Counter(names).most_common())


def _texts(examples: Sequence[_HasText]) -> set[str]:
    return {example.text for example in examples}


def _contradictory(examples: Sequence[LabelledText]) -> list[str]:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for example in examples:
        labels[example.text].add(example.label)
    return sorted(text for text, distinct in labels.items() if len(distinct) > 1)


def summarize_lengths(examples: Sequence[_HasText]) -> dict[str, float]:
    """Return the mean, 95th percentile and maximum number of characters of the texts, as ``mean``, ``p95``, ``max``."""
    lengths = [len(example.text) for example in examples] or [0]
    mean, p95 = float(np.mean(lengths)), float(np.percentile(lengths, 95))
    return {"mean": round(mean, 1), "p95": round(p95, 1), "max": max(lengths)}
