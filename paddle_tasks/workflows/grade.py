"""Score files of predictions that somebody hands in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError, DataError, RecordError, UserError, did_you_mean, join_all
from paddle_tasks.files import exists, expand_user, sha256, write_text
from paddle_tasks.inference.model_folders import shipped_names
from paddle_tasks.inference.outputs import csv_table
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.inference.records import Record
from paddle_tasks.language import _, plural
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.training.display import Segment
from paddle_tasks.workflows.config import as_assignments, validate
from paddle_tasks.workflows.evaluate import parse_layout
from paddle_tasks.workflows.shipped_configs import find_config

_TEXT_KEYS = ("text", "input")
_MAX_SHOWN = 30


@dataclass(frozen=True)
class Submission:
    """The predictions of a file.

    Attributes:
        path: the file.
        records: a JSON object for each row of the right answers, in their order.
        lines: the line number of each record, from 1.
    """

    path: Path
    records: Sequence[Mapping[str, Any]]
    lines: Sequence[int]

    def place(self, row: int) -> str:
        """Return ``FILE:LINE`` of a record."""
        return f"{self.path}:{self.lines[row]}"


def grade(
    submission: str | Path,
    data: str | Path,
    *,
    task: str | Path | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
) -> Record:
    """Return ``{"submission", "sha256", "task", "data", "rows", "main_metric", "metrics"}`` of a file of predictions.

    A file has a JSON object on each line, one for each row of the right answers and in their order: what ``predict``
    prints, or predictions/SPLIT.jsonl of a run. A text in it must be that of its row.

    Args:
        submission: the file of predictions.
        data: the right answers, a file or the name of a data set.
        task: a task; or a run or shipped model, whose labels and layout are used. By default the run that the file of
            predictions belongs to, or every task that can read both files.
        settings: the layout of the right answers, as in `evaluate`.

    Raises:
        ConfigError: there is no such task, or no task reads both files.
        DataError: a line cannot be used, with the file and its number.
    """
    found, written = read_submission(expand_user(submission)), as_assignments(settings)
    name = str(task) if task is not None else _run_of(found.path)
    graded = {name: _grade(found, name, str(data), written)} if name else _try_tasks(found, str(data), written)
    first = next(iter(graded.values()))
    names = ", ".join(each["task"] for each in graded.values())
    return Record({**first, "task": names}, partial(display_grades, names=tuple(first["metrics"])))


def _run_of(path: Path) -> str:
    """Return the run folder that a file of predictions belongs to, or an empty string."""
    folder = path.parent.parent
    return str(folder) if path.parent.name == "predictions" and exists(folder / "config.yaml") else ""


def _try_tasks(submission: Submission, data: str, settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the scores by each task that reads both files; they must be the same.

    Raises:
        ConfigError: no task reads them, or their scores differ.
    """
    graded, reasons = dict[str, dict[str, Any]](), []
    for name in tasks.names():
        try:
            graded[name] = _grade(submission, name, data, settings)
        except UserError as error:
            reasons.append(f"  {name}: {error}")
    if not graded:
        message = _("{file}: no task reads it together with {data}; name the task (--task) that should:")
        raise DataError("\n".join([message.format(file=submission.path, data=data), *reasons]))
    if len({json.dumps(found["metrics"], sort_keys=True) for found in graded.values()}) > 1:
        message = _("{file}: {tasks} score it differently; name the task: --task {first}")
        raise ConfigError(message.format(file=submission.path, tasks=join_all(list(graded)), first=next(iter(graded))))
    return graded


def _grade(submission: Submission, name: str, data: str, settings: Sequence[str]) -> dict[str, Any]:
    grader = _grader(name, settings)
    split = grader.read_answers(data)
    _check_texts(submission, split.examples)
    try:
        metrics = grader.score_records(split, submission.records)
    except RecordError as error:
        raise DataError(f"{submission.place(error.row)}: {error.reason}") from None
    except DataError as error:
        raise DataError(f"{submission.path}: {error}") from None
    return {
        "submission": str(submission.path),
        "sha256": sha256(submission.path),
        "task": grader.config.task,
        "data": str(split.path),
        "rows": len(split.examples),
        "main_metric": next(metric for metric in (*grader.SUMMARY_METRICS, *metrics) if metric in metrics),
        "metrics": dict(metrics),
    }


def _grader(name: str, settings: Sequence[str]) -> Any:
    """Return a task without a model, or the task of a run or shipped model with its labels."""
    if name not in tasks.names():
        if not exists(expand_user(name)) and name not in shipped_names():
            known = [*tasks.names(), *shipped_names()]
            message = _("--task {name}: no task, run folder or shipped model{near} (one of {known})")
            near = did_you_mean(name, known)
            raise ConfigError(message.format(name=name, near=near, known=join_all(sorted(set(known)))))
        task = load_layer(name, device="cpu").task
        if settings:
            task.use_layout(parse_layout(task, settings))
        return task
    tree = configuration.read(find_config(f"quick/{name}"))
    return tasks.find(name)(validate(configuration.override(tree, settings), name))


# ---- the file


def read_submission(path: Path) -> Submission:
    """Read a file of predictions; empty lines are left out.

    Raises:
        DataError: the file cannot be read, or a line is no JSON object.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(_("{path}: cannot be read ({reason})").format(path=path, reason=error.strerror)) from None
    except UnicodeDecodeError as error:
        raise DataError(_("{file}: not UTF-8 text at byte {byte}").format(file=path, byte=error.start)) from None
    numbered = [(number, line) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    return Submission(path, [_parse(path, *pair) for pair in numbered], [number for number, _line in numbered])


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = _("{path}:{line}: not JSON ({reason}); expected an object such as {example}")
        reason, example = str(error).partition(":")[0], '{"label": "positive"}'
        raise DataError(message.format(path=path, line=number, reason=reason, example=example)) from None
    if not isinstance(value, dict):
        message = _("{path}:{line}: expected a JSON object, found {found!r}")
        raise DataError(message.format(path=path, line=number, found=_short(str(value))))
    return value


def _check_texts(submission: Submission, examples: Sequence[Any]) -> None:
    """Check that records with a text stand in the order of the right answers."""
    for row, (record, example) in enumerate(zip(submission.records, examples, strict=False)):
        given = next((record[key] for key in _TEXT_KEYS if key in record), None)
        text = getattr(example, "text", None)
        if isinstance(given, str) and isinstance(text, str) and given.split() != text.split():
            message = _("{place}: the text {found!r} is not that of row {row} of the answers, {expected!r}")
            raise DataError(
                message.format(place=submission.place(row), found=_short(given), row=row + 1, expected=_short(text))
            )


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


# ---- the results


def display_grades(found: Mapping[str, Any], names: Sequence[str]) -> list[list[Segment]]:
    """Return grades as lines for people: what was scored, and the metrics with these names."""
    rows = plural("{count} row", "{count} rows", found["rows"])
    heading = _("{file}: {task}, {rows} of {data}").format(
        file=found["submission"], task=found["task"], rows=rows, data=found["data"]
    )
    metrics = {name: found["metrics"][name] for name in names}
    scores = [f"  {metric_name(name)} {value:.4f}" for name, value in metrics.items() if isinstance(value, int | float)]
    return [[Segment(line)] for line in (heading, *scores)]


def write_leaderboard(path: Path, graded: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with a row for each submission, the best by its main metric first; equal ones share a rank."""
    scores = [_score(found) for found in graded]
    ordered = sorted(zip(scores, graded, strict=True), key=lambda pair: -pair[0])
    rows = [{"rank": 1 + sum(other > score for other in scores), **_row(found)} for score, found in ordered]
    write_text(path, csv_table(rows))


def _score(found: Mapping[str, Any]) -> float:
    """Return the main metric, negated if lower is better."""
    name = found["main_metric"]
    lower = any(name in tasks.find(task).LOWER_IS_BETTER for task in found["task"].split(", "))
    score = float(found["metrics"][name])
    return -score if lower else score


def _row(found: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: value for name, value in found["metrics"].items() if isinstance(value, int | float)}
    first = found["main_metric"]
    others = {name: value for name, value in numbers.items() if name != first}
    about = {name: found[name] for name in ("rows", "task", "sha256")}
    return {"submission": found["submission"], first: numbers[first], **others, **about}
