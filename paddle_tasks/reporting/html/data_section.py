"""The data section: what the splits hold, and a checklist of what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paddle_tasks.errors import UserError
from paddle_tasks.language import _, join, label_name
from paddle_tasks.metrics.names import split_name
from paddle_tasks.reporting.html.blocks import Check, Checklist, Figure, Figures, Paragraph
from paddle_tasks.reporting.html.charts import Axes, bar_chart, column_chart
from paddle_tasks.reporting.html.runs import StudiedRun
from paddle_tasks.reporting.html.tables import numbers
from paddle_tasks.training.record_view import clip

_MAX_EXAMPLES = 5
_EXAMPLE_LENGTH = 80
_N_BINS = 20


def data_blocks(runs: Sequence[StudiedRun]) -> Iterator[Any]:
    """Yield the blocks about the data of runs, those of the first one whose files can be read."""
    report, problem = read_report(runs)
    facts = next((run for run in runs if run.result), None)
    if report is None:
        yield Paragraph(_("The data files could not be checked: {problem}").format(problem=problem))
        if facts:
            yield _facts_table(facts)
            yield Checklist([_check_skipped(facts), *_unknown_checks()])
        return
    yield _report_table(report)
    yield from _figures(report, facts)
    yield Checklist(list(_checks(report, facts)))


def read_report(runs: Sequence[StudiedRun]) -> tuple[Mapping[str, Any] | None, str]:
    """Return the data report of the first run whose files can be read, or None and why there is none."""
    problem = _("no run of this report says where they are")
    for run in runs:
        if run.loaded_task is None:
            continue
        try:
            report: Mapping[str, Any] = run.loaded_task.check_data()
        except (UserError, OSError) as error:
            problem = str(error).partition("\n")[0]
        else:
            return report, ""
    return None, problem


# ---- what there is


def _facts_table(run: StudiedRun) -> Any:
    data = run.result.data if run.result else {}
    rows = [[split_name(name), facts.rows, facts.skipped_rows, facts.path] for name, facts in data.items()]
    return numbers([_("split"), _("rows"), _("rows left out"), _("file")], rows)


def _report_table(report: Mapping[str, Any]) -> Any:
    lengths = report.get("characters", {})
    headings = [_("split"), _("rows"), _("mean characters"), _("95 % have at most"), _("longest")]
    rows = [
        [split_name(name), count, *(_length(lengths.get(name, {}).get(key)) for key in ("mean", "p95", "max"))]
        for name, count in report["rows"].items()
    ]
    return numbers(headings, rows)


def _length(value: float | None) -> str | None:
    return None if value is None else f"{value:,.1f}".removesuffix(".0")


def _figures(report: Mapping[str, Any], facts: StudiedRun | None) -> Iterator[Figures]:
    figures = [*_label_figures(report), *_length_figures(facts)]
    if figures:
        yield Figures(figures)


def _label_figures(report: Mapping[str, Any]) -> Iterator[Figure]:
    for name, counts in report.get("labels", {}).items():
        if len(counts) > 1:
            title = _("Labels of {split}").format(split=split_name(name))
            names = list(map(label_name, counts))
            described = join([f"{label} {count:,}" for label, count in list(zip(names, counts.values()))[:10]])  # noqa: B905
            yield Figure(bar_chart(names, list(counts.values()), title, described), title)


def _length_figures(run: StudiedRun | None) -> Iterator[Figure]:
    """Yield the histogram of the lengths of the scored inputs."""
    split = next((name for name in ("test", "dev") if run and name in run.entry.splits), None)
    study = run.study(split) if run and split else None  # type: ignore[arg-type]
    if study is None or len(set(study.lengths)) < 2:
        return
    lengths = np.array(study.lengths)
    limit = float(np.percentile(lengths, 99))
    counts, edges = np.histogram(np.minimum(lengths, limit), bins=min(_N_BINS, len(set(study.lengths))))
    title = _("Lengths in {split}; the longest 1 % are in the last column").format(split=split_name(str(split)))
    described = _("From {low:,.0f} to {high:,.0f}.").format(low=lengths.min(), high=lengths.max())
    yield Figure(column_chart(edges, counts, Axes(_("length"), _("rows")), title, described), title)


# ---- the checklist


def _checks(report: Mapping[str, Any], facts: StudiedRun | None) -> Iterator[Check]:
    examples = report.get("examples", {})
    yield _count(report["bad_rows"], _("no bad rows"), _("{count:,} bad rows"), examples.get("bad_rows", ()))
    if facts:
        yield _check_skipped(facts)
    yield _count(
        report["duplicate_texts"], _("no duplicate texts in train"), _("{count:,} rows of train repeat an earlier text")
    )
    yield _count(
        report["contradictory_texts"],
        _("no text of train has different labels"),
        _("{count:,} texts of train have different labels"),
        examples.get("contradictory_texts", ()),
    )
    for name, count in report["leaked_texts"].items():
        split = split_name(name)
        good, bad = _("no text of {split} is in train"), _("{count:,} texts of {split} are in train too")
        texts = examples.get("leaked_texts", {}).get(name, ())
        yield _count(count, good.format(split=split), bad.replace("{split}", split), texts)
    if not report["leaked_texts"]:
        yield Check("unknown", _("leaks: there is no other file of this kind to compare with train"))
    yield from (Check("fail", remark) for remark in report.get("remarks", ()))


def _check_skipped(run: StudiedRun) -> Check:
    data = run.result.data if run.result else {}
    count = sum(facts.skipped_rows for facts in data.values())
    return _count(count, _("the run left out no rows"), _("the run left out {count:,} bad rows"))


def _unknown_checks() -> list[Check]:
    names = (_("bad rows"), _("duplicate texts"), _("contradictory texts"), _("leaked texts"))
    return [Check("unknown", _("{what}: not checked").format(what=name)) for name in names]


def _count(count: int, good: str, bad: str, examples: Sequence[Any] = ()) -> Check:
    if not count:
        return Check("pass", good)
    shown = [clip(str(example), _EXAMPLE_LENGTH) for example in list(examples)[:_MAX_EXAMPLES]]
    return Check("fail", bad.format(count=count), shown)
