"""The data report of reviews with spans and pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paddle_tasks.data.opinion.examples import KnownNames, OpinionSplit
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.data.opinion.section import OpinionLayoutSection
from paddle_tasks.data.tables import checks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.language import _, join

_OVERLAPS_PRINTED = 5


class OpinionDataCheck:
    """The data check of reviews with spans and pairs."""

    layout_section = OpinionLayoutSection

    def check(self, sources: Mapping[SplitName, str], layout: OpinionLayoutSection) -> dict[str, Any]:
        """Return the data report; names that are not given are those of train."""
        known = KnownNames(layout.labels, layout.polarities)
        splits: dict[SplitName, OpinionSplit] = {}
        for name, source in sources.items():
            split = splits[name] = load_opinions(name, source, layout.layout, known)
            known = KnownNames(known.labels or split.labels or None, known.polarities or split.polarities or None)
        return check_opinions(splits)

    def lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        """Yield the report as lines of text."""
        yield from report_lines(report)


def check_opinions(splits: Mapping[SplitName, OpinionSplit]) -> dict[str, Any]:
    """Return the data report of `paddle_tasks.data.tables.checks.check`, adapted to reviews.

    ``labels`` counts spans and ``polarities`` counts pairs. A text is contradictory if it occurs with different spans
    or pairs. ``overlapping_spans`` is the number of spans that overlap another one.
    """
    report = checks.check({name: _as_labelled(split) for name, split in splits.items()})
    report["labels"] = {name: checks.count_names(_span_labels(split)) for name, split in splits.items()}
    report["polarities"] = {name: checks.count_names(_polarities(split)) for name, split in splits.items()}
    report["overlapping_spans"] = {name: len(split.overlaps) for name, split in splits.items()}
    overlaps = {name: split.overlaps[: checks.MAX_EXAMPLES] for name, split in splits.items()}
    report["examples"]["overlapping_spans"] = overlaps
    return report


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report that `check_opinions` returned."""
    for split in report["rows"]:
        yield from checks.split_lines(report, split)
        yield from _pair_lines(report, split)
    yield from checks.finding_lines(report, contradiction=_("whose spans or pairs differ"))


def _pair_lines(report: Mapping[str, Any], split: str) -> Iterator[str]:
    polarities = join([checks.count_line(name, count) for name, count in report["polarities"][split].items()])
    yield _("       pairs  {polarities}").format(polarities=polarities or _("none"))
    if n_overlaps := report["overlapping_spans"][split]:
        overlapping = _("       {count:,} spans overlap another one; one layer of tags holds only some of them:")
        yield overlapping.format(count=n_overlaps)
        overlaps = report["examples"]["overlapping_spans"][split][:_OVERLAPS_PRINTED]
        yield from (f"         {overlap}" for overlap in overlaps)


def _as_labelled(split: OpinionSplit) -> Split[LabelledText]:
    """Return the split with each review's spans and pairs, as text, for its label."""
    examples = [
        LabelledText(example.text, str((example.spans, sorted(map(str, example.pairs or ())))), example.where)
        for example in split.examples
    ]
    return Split(split.name, split.path, split.sha256, examples, split.bad_rows)


def _span_labels(split: OpinionSplit) -> list[str]:
    return [span.label for example in split.examples for span in example.spans]


def _polarities(split: OpinionSplit) -> list[str]:
    return [pair.polarity for example in split.examples for pair in example.pairs or ()]
