"""Scores of parts of the rows: by length, and by the groups that a column or the records name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.language import _, in_context
from paddle_tasks.metrics.names import metric_name, split_name
from paddle_tasks.reporting.html.blocks import Paragraph
from paddle_tasks.reporting.html.runs import StudiedRun
from paddle_tasks.reporting.html.study import Slice, Study
from paddle_tasks.reporting.html.tables import numbers
from paddle_tasks.training.record_view import RowScore

_N_BINS = 4
_MAX_GROUPS = 30
Studied = Sequence[tuple[StudiedRun, Study]]


def slice_blocks(studied: Studied) -> Iterator[Any]:
    """Yield a table for the lengths and for each kind of group; the rows are the groups, the columns the runs."""
    first = studied[0][1]
    metric, split = metric_name(first.view.score_name), split_name(first.split)
    message = _("{metric} of the rows of {split}, added up within each part. A part of few rows says little.")
    yield Paragraph(message.format(metric=metric, split=split), is_note=True)
    slices = [by_length(study) for _run, study in studied]
    yield from _table(_("length"), slices, studied)
    for kind in first.groups:
        found = [study.groups.get(kind, {}) for _run, study in studied]
        yield from _table(in_context("group", kind), found, studied)
    if not first.groups:
        yield Paragraph(_("No column names a group of the rows, such as domain or book."), is_note=True)


def by_length(study: Study) -> dict[str, Slice]:
    """Return four slices of about as many rows, the shortest inputs first; fewer if many have the same length."""
    lengths = np.array(study.lengths)
    edges = np.unique(np.percentile(lengths, np.linspace(0, 100, _N_BINS + 1)))
    bins = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, max(len(edges) - 2, 0))
    found: dict[str, Slice] = {}
    for number in np.unique(bins):
        rows = np.flatnonzero(bins == number)
        found[_range(lengths[rows])] = _sum(study, rows)
    return found


def _range(lengths: Array) -> str:
    """Return the shortest and the longest length; one number if they are equal."""
    low, high = f"{lengths.min():,.0f}", f"{lengths.max():,.0f}"
    return low if low == high else f"{low} – {high}"


def _sum(study: Study, rows: Array) -> Slice:
    part, scores, losses = Slice(), study.row_scores, np.array(study.losses)
    for score, loss in zip(scores[rows].tolist(), losses[rows].tolist(), strict=True):
        part.add(RowScore(*score), None if np.isnan(loss) else loss)
    return part


def _table(heading: str, slices: Sequence[Mapping[str, Slice]], studied: Studied) -> Iterator[Any]:
    groups = sorted(slices[0], key=lambda group: -slices[0][group].rows)[:_MAX_GROUPS]
    groups = [group for group in slices[0] if group in groups]
    if not groups:
        return
    names = [run.name for run, _study in studied]
    scale = studied[0][1].view.score_scale
    rows = [[group, slices[0][group].rows, *_scores(group, slices, scale)] for group in groups]
    losses = [slices[0][group].mean_loss for group in groups]
    if all(loss is not None for loss in losses):
        rows = [[*row, loss] for row, loss in zip(rows, losses, strict=True)]
        names.append(_("loss of a row, {run}").format(run=names[0]))
    yield numbers([heading, _("rows"), *names], rows)


def _scores(group: str, slices: Sequence[Mapping[str, Slice]], scale: float) -> list[float | None]:
    return [scale * found[group].score if group in found else None for found in slices]
