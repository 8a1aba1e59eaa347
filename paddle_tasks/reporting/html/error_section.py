"""The worst errors of a run with what is wrong in them marked, and the texts that a model wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from paddle_tasks.errors import UserError
from paddle_tasks.files import read_json_lines
from paddle_tasks.language import _, in_context, plural
from paddle_tasks.metrics.names import split_name
from paddle_tasks.reporting.entries import ScoredSplitName
from paddle_tasks.reporting.html.blocks import Figure, Figures, Paragraph, Shown, ShownList
from paddle_tasks.reporting.html.charts import bar_chart
from paddle_tasks.reporting.html.runs import StudiedRun
from paddle_tasks.reporting.html.study import MAX_SAMPLES, Study
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.record_view import MAX_CHARACTERS, RecordView, clip, plain
from paddle_tasks.training.run_folder import RunFolder

_MAX_KINDS = 20
_LONGEST_EXPLAINED = 1000
"""Longer texts are not explained, since that takes long."""


def error_blocks(run: StudiedRun, study: Study) -> Iterator[Any]:
    """Yield the number of errors, their kinds and the worst ones."""
    if not study.n_errors:
        yield Paragraph(_("No errors in {split}.").format(split=split_name(study.split)))
        return
    message = _("{errors} in {split}; the {shown} with the highest loss follow.")
    errors = plural("{count} error", "{count} errors", study.n_errors)
    yield Paragraph(message.format(errors=errors, split=split_name(study.split), shown=len(study.errors)))
    yield from _kinds(study)
    explanations = explain(run, study)
    if explanations:
        note = _(
            "Coloured characters count for the wrong answer (green) or against it (orange), by integrated gradients."
        )
        yield Paragraph(note, is_note=True)
    yield ShownList([Shown(_show(study.view, record, explanations), _source(record)) for record in study.errors])


def _show(view: RecordView, record: Mapping[str, Any], explanations: Mapping[str, Any]) -> Sequence[Line]:
    """Return an error as its task shows it; one that was edited by hand as any other record."""
    try:
        return view.show(record, explanations.get(view.input(record)))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        return RecordView().show(record)


def _kinds(study: Study) -> Iterator[Figures]:
    counts = study.kinds.most_common(_MAX_KINDS)
    if counts:
        title = _("Errors by kind")
        names, values = [name for name, _count in counts], [count for _name, count in counts]
        described = _("The most frequent kind is {kind}, {count:,} times.").format(kind=names[0], count=values[0])
        yield Figures([Figure(bar_chart(names, values, title, described), title)])


def _source(record: Mapping[str, Any]) -> str:
    loss = record.get("loss")
    place = _short(str(record.get("where") or _("row {row}").format(row=record.get("row", "?"))))
    return place if not isinstance(loss, int | float) else _("{place}, loss {loss:.3f}").format(place=place, loss=loss)


def _short(where: str) -> str:
    """Return a place without the folders of its file: ``/home/me/data/test.tsv:3`` → ``test.tsv:3``."""
    return PurePath(where).name


def explain(run: StudiedRun, study: Study) -> dict[str, Any]:
    """Return the explained records of the errors by their input; empty if the model does not explain, or is gone."""
    folder = RunFolder(run.folder).model
    if run.task is None or not study.view.explains or "explain" not in run.task.PREDICT_OPTIONS or not folder.is_dir():
        return {}
    inputs = list(dict.fromkeys(map(study.view.input, study.errors)))
    texts = [text for text in inputs if text and len(text) <= _LONGEST_EXPLAINED]
    try:
        task, model = run.task.load(folder)
        records = task.predict(model, texts, explain=True)
    except (UserError, OSError, ValueError):  # the folder is damaged, or of another version
        return {}
    return dict(zip(texts, records, strict=True))


# ---- what models wrote


def sample_blocks(run: StudiedRun, study: Study | None, split: ScoredSplitName) -> Iterator[Any]:
    """Yield the texts that a model wrote: after fixed inputs, and beside references."""
    path = run.folder / "predictions" / "samples.jsonl"
    records = [record for record in read_json_lines(path) if record.get("split") == split]
    if records and run.task is not None:
        yield Paragraph(_("After fixed inputs; what the model wrote is marked."))
        yield ShownList([Shown(_clipped(run.task.display(record))) for record in records[:MAX_SAMPLES]])
    if study and study.samples and study.view.has_references:
        yield Paragraph(_("The first rows of {split} beside their references.").format(split=split_name(split)))
        yield ShownList([Shown(_beside(record), _short(str(record.get("where", "")))) for record in study.samples])


def _beside(record: Mapping[str, Any]) -> Sequence[Line]:
    headings = {
        "text": in_context("of a translation", "source"),
        "gold": _("reference"),
        "predicted": _("translation"),
    }
    return [
        [Segment(f"{heading}: "), Segment(clip(plain(record[key])), tone="new" if key == "predicted" else "")]
        for key, heading in headings.items()
    ]


def _clipped(lines: Sequence[Line]) -> list[Line]:
    """Return lines whose segments are not too long."""
    return [
        [Segment(clip(one.text, 2 * MAX_CHARACTERS), one.label, one.strength, one.tone, one.change) for one in line]
        for line in lines
    ]
