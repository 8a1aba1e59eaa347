"""The chapters of a report: one for each data set, with all sections about its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from paddle_tasks.language import _, in_context
from paddle_tasks.metrics.generated_text import GENERATED
from paddle_tasks.metrics.names import metric_name, split_name
from paddle_tasks.metrics.translation import GROUPED, LENGTHS
from paddle_tasks.reporting.entries import ScoredSplitName
from paddle_tasks.reporting.groups import Group
from paddle_tasks.reporting.html.blocks import Chapter, Details, Figures, Paragraph, Section
from paddle_tasks.reporting.html.data_section import data_blocks
from paddle_tasks.reporting.html.error_section import error_blocks, sample_blocks
from paddle_tasks.reporting.html.reproduction import difference_blocks, environment_blocks, reproduction_blocks
from paddle_tasks.reporting.html.runs import StudiedRun
from paddle_tasks.reporting.html.score_figures import learning_figures, split_figures
from paddle_tasks.reporting.html.slices import Studied, slice_blocks
from paddle_tasks.reporting.html.tables import is_breakdown, label_table, numbers, result_blocks
from paddle_tasks.reporting.html.verdict import Comparison, verdict

MAX_DETAILED = 3
"""Runs whose predictions a report shows; all runs are in its tables and curves."""
_PER_LABEL = "per_label"
_PARTS = {**GENERATED, **LENGTHS}
"""The names of parts that scores are given for."""


def chapter(group: Group, runs: Sequence[StudiedRun], key: str) -> Chapter:
    """Return the chapter about the runs of a group.

    Args:
        group: the entries of the results table.
        runs: the runs of these entries.
        key: the beginning of the addresses of its sections.
    """
    data_run = next((run for run in runs if run.loaded_task is not None), None)
    for run in runs:
        run.data_run = data_run
    comparison = Comparison(runs)
    detailed = comparison.detailed[:MAX_DETAILED]
    parts = {
        "verdict": (_("Verdict"), [verdict(comparison)]),
        "results": (_("Results"), list(result_blocks(group))),
        "curves": (_("Learning curves"), _curves(runs, comparison.metric)),
        "scores": (_("Scores in detail"), _per_run(detailed, comparison.split, _score_blocks)),
        "labels": (_("Scores by label and part"), _per_run(detailed, comparison.split, _breakdowns)),
        "texts": (_("What the models wrote"), _per_run(detailed, comparison.split, sample_blocks)),
        "errors": (_("Worst errors"), _per_run(detailed, comparison.split, _error_blocks)),
        "slices": (_("Slices"), _slices(detailed, comparison.split)),
        "data": (_("Data"), list(data_blocks(runs))),
        "settings": (_("Differences between the configurations"), list(difference_blocks(runs))),
        "environment": (_("Environment"), list(environment_blocks(runs))),
        "commands": (_("How to make it again"), list(reproduction_blocks(runs))),
    }
    sections = [Section(f"{key}-{name}", title, blocks) for name, (title, blocks) in parts.items() if blocks]
    return Chapter(key, group.name, sections)


def _curves(runs: Sequence[StudiedRun], metric: str) -> list[Any]:
    figures = list(learning_figures(runs, metric))
    return [Figures(figures)] if figures else [Paragraph(_("No run has a metrics.jsonl with records."))]


def _per_run(runs: Sequence[StudiedRun], split: ScoredSplitName, make: Any) -> list[Any]:
    """Return what ``make`` yields for each run, folded away but for the first one; nothing if it yields nothing."""
    made = [(run, list(make(run, run.study(split), split))) for run in runs]
    filled = [(run, blocks) for run, blocks in made if blocks]
    if len(filled) < 2:
        return [block for _run, blocks in filled for block in blocks]
    return [Details(run.name, blocks, is_open=number == 0) for number, (run, blocks) in enumerate(filled)]


def _score_blocks(run: StudiedRun, study: Any, split: ScoredSplitName) -> Iterator[Any]:
    if study is None:
        if split in run.entry.splits:
            yield Paragraph(
                _("{run} has no predictions of {split} that can be read.").format(run=run.name, split=split_name(split))
            )
        return
    figures = list(split_figures(study))
    if figures:
        yield Figures(figures)
    if not study.candidates:
        yield Paragraph(
            _(
                "There are no curves over thresholds and no calibration: the predictions of this task hold no "
                "probabilities."
            ),
            is_note=True,
        )
    elif not study.view.has_negatives:
        yield Paragraph(
            _(
                "Precision and recall are those of the predicted spans, the most probable ones first. There is no ROC "
                "curve, since nobody counts the spans that are rightly left out."
            ),
            is_note=True,
        )


def _breakdowns(run: StudiedRun, study: Any, split: ScoredSplitName) -> Iterator[Any]:
    """Yield the parts of result.json that are tables: scores by label, by length, by book, of generated texts."""
    scores = run.result.scores.get(split, {}) if run.result else {}
    names = study.names if study else {}
    yield numbers(
        [_("metric"), split_name(split)],
        [[metric_name(name), value] for name, value in scores.items() if isinstance(value, int | float)],
    )
    for name, value in scores.items():
        if is_breakdown(value):
            titles = {part: _(_PARTS[part]) for part in value if part in _PARTS}
            heading = _("label") if name == _PER_LABEL else _part_name(name)
            yield label_table(value, {**names, **titles}, heading)


def _part_name(name: str) -> str:
    return _(GROUPED[name]) if name in GROUPED else in_context("metric", name.replace("_", " "))


def _error_blocks(run: StudiedRun, study: Any, split: ScoredSplitName) -> Iterator[Any]:
    del split
    if study is not None:
        yield from error_blocks(run, study)


def _slices(runs: Sequence[StudiedRun], split: ScoredSplitName) -> list[Any]:
    studied: Studied = [(run, study) for run in runs if (study := run.study(split))]
    return list(slice_blocks(studied)) if studied else []
