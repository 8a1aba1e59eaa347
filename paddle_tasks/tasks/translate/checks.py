"""The data check of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.data.parallel.leaks import SIDES, exact_leaks, near_leaks
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.data.parallel.section import PairLayout
from paddle_tasks.data.parallel.splits import read_pairs, select_books
from paddle_tasks.data.tables import checks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.language import _

MAX_CHARACTERS = 200
"""A side with more characters is overlong: hardly a sentence."""


class PairDataCheck:
    """The data check of pairs, whose texts are their sources; empty sides are bad rows.

    Besides the keys of every report, it has for each split ``identical_pairs`` (both sides are equal) and
    ``overlong_pairs`` (a side has more than 200 characters), ``duplicate_pairs`` of train, for dev and test
    ``leaked_targets`` and, by side, ``near_leaks``: the pairs whose side is exactly or nearly in train; and
    ``remarks``, what these numbers mean.
    """

    layout_section = PairLayout

    def check(self, sources: Mapping[SplitName, str], layout: PairLayout) -> dict[str, Any]:
        """Return the data report of the files of each split."""
        splits = {
            name: select_books(read_pairs(layout, name, source), layout.held_out_books)
            for name, source in sources.items()
        }
        report = checks.check({name: _as_labelled(split) for name, split in splits.items()})
        del report["labels"]
        found = {**report, **_pair_findings({name: split.examples for name, split in splits.items()})}
        return {**found, "remarks": list(_remarks(found))}

    def lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        """Yield the report as lines of text."""
        yield from (checks.rows_line(report, split) for split in report["rows"])
        yield from checks.finding_lines(report, contradiction=_("with more than one translation"))
        yield _("duplicate pairs        {count:,} (train rows that repeat an earlier one on both sides)").format(
            count=report["duplicate_pairs"]
        )
        for split in report["rows"]:
            line = _("{split:6} {identical:,} pairs whose sides are equal, {overlong:,} with over {limit} characters")
            counts = {"identical": report["identical_pairs"][split], "overlong": report["overlong_pairs"][split]}
            yield line.format(split=split, **counts, limit=MAX_CHARACTERS)
        for split, near in report["near_leaks"].items():
            line = _("{split:6} {exact:,} translations are in train too; {source:,} sources and {target:,} nearly are")
            yield line.format(split=split, exact=report["leaked_targets"][split], **near)
        yield from (_("remark: {remark}").format(remark=remark) for remark in report["remarks"])


def _pair_findings(pairs: Mapping[SplitName, Sequence[Pair]]) -> dict[str, Any]:
    """Return the numbers of a report that need both sides."""
    train, others = pairs["train"], {name: rows for name, rows in pairs.items() if name != "train"}
    leaks = {name: near_leaks(train, rows) for name, rows in others.items()}
    return {
        "duplicate_pairs": len(train) - len({(pair.source, pair.target) for pair in train}),
        "identical_pairs": {name: _count_identical(rows) for name, rows in pairs.items()},
        "overlong_pairs": {name: _count_overlong(rows) for name, rows in pairs.items()},
        "leaked_targets": {name: int(exact_leaks(train, rows)["target"].sum()) for name, rows in others.items()},
        "near_leaks": {name: {side: int(leaks[name][side].sum()) for side in SIDES} for name in others},
    }


def _remarks(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the numbers of a report mean, for those that are not 0."""
    if report["identical_pairs"]["train"]:
        share = report["identical_pairs"]["train"] / report["rows"]["train"]
        message = _("{share:.1%} of the train pairs teach a model to copy, since their sides are equal")
        yield message.format(share=share)
    if report["overlong_pairs"]["train"]:
        yield _("long pairs take the most memory; data.max_length leaves them out of train")
    if report["duplicate_pairs"]:
        yield _("a pair that train has several times counts as often")
    for split, near in report["near_leaks"].items():
        if any(near.values()):
            message = _(
                "{split}: a side of some pairs is exactly or nearly in train (a Jaccard index of character 5-grams of "
                "at least 0.8); scores called deduplicated leave out the exact ones"
            )
            yield message.format(split=split)


def _as_labelled(split: Split[Pair]) -> Split[LabelledText]:
    examples = [LabelledText(pair.source, pair.target, pair.where) for pair in split.examples]
    return Split(split.name, split.path, split.sha256, examples, split.bad_rows)


def _count_identical(pairs: Sequence[Pair]) -> int:
    return sum(pair.source == pair.target for pair in pairs)


def _count_overlong(pairs: Sequence[Pair]) -> int:
    return sum(max(len(pair.source), len(pair.target)) > MAX_CHARACTERS for pair in pairs)
