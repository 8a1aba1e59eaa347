"""What is printed when training has ended: how good, compared with what, where to look, what to try next."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddle_tasks.cli.output import print_lines, print_text
from paddle_tasks.language import _, mark
from paddle_tasks.metrics.names import heading, run_line, score_line, score_name, split_name
from paddle_tasks.wrapping import columns, pad, width_of

if TYPE_CHECKING:
    from paddle_tasks.data.tables.catalogue import SplitName
    from paddle_tasks.training.result import RunResult
    from paddle_tasks.training.settings import RunSection
    from paddle_tasks.workflows.train import Run

FEW_ROWS = 20_000
"""With fewer train rows, a linear model on n-grams is often ahead of a network that starts from random weights."""
_MAX_SAMPLE = 32
"""Columns of a text in an example command."""
_CLAUSE_END = re.compile(r"[\s，。！？：；、,.!?:;]")
_WHY_BEHIND = mark(
    "With {rows:,} train rows that is common: the baseline only weighs n-grams, while a network also has to learn what "
    "characters and words mean. More rows, more epochs or a pretrained encoder (model.encoder) help."
)

_OF_100 = {"bleu", "chrf"}
"""The metrics on a scale from 0 to 100."""


def print_scores(run: Run) -> None:
    """Print the scores and the folder of a run."""
    from paddle_tasks import tasks

    names = tasks.find(run.outcome.task).SUMMARY_METRICS
    hanging = " " * width_of(heading(""))
    for split, metrics in run.outcome.scores.items():
        print_lines(score_line(split, metrics, names), hanging)
    print_lines(run_line(run.folder), hanging)


def print_advice(run: Run, config: str, overrides: Sequence[str], merged: RunSection) -> None:
    """Print what the reader of the scores of a training run asks next.

    Args:
        run: the run that has ended.
        config: the configuration, as it was named on the command line.
        overrides: the settings on the command line.
        merged: the configuration of the run.
    """
    metric = _main_metric(run.outcome.task, str(merged.evaluation.metric).rpartition("/")[2])
    baseline = _baseline_command(config, overrides, merged.run_dir)
    _print_block(_("How good:"), _how_good(run.outcome, metric))
    _print_block(_("Compared with a baseline:"), _compared(run, metric, baseline))
    _print_block(_("Where to look:"), _in_two_columns(list(_where(run.folder, has_curves=merged.logging.visualdl))))
    _print_block(_("What to try next:"), _in_two_columns(list(_next(run))))


def print_baseline_advice(run: Run, config: str, overrides: Sequence[str]) -> None:
    """Print what the reader of the scores of a baseline asks next.

    Args:
        run: the baseline's run.
        config: the configuration, as it was named on the command line.
        overrides: the settings on the command line.
    """
    from paddle_tasks import tasks

    (first, *_others) = tasks.find(run.outcome.task).SUMMARY_METRICS
    metric = _main_metric(run.outcome.task, first)
    train = [command_name(), "train", config, *(item for item in overrides if not item.startswith("run_dir="))]
    following = [
        (_("train a network on the same data"), shlex.join(train)),
        (_("compare all runs"), shlex.join([command_name(), "report", str(run.folder.parent)])),
    ]
    _print_block(_("How good:"), _how_good(run.outcome, metric))
    _print_block(_("Where to look:"), _in_two_columns(list(_where(run.folder, has_curves=False))))
    _print_block(_("What to try next:"), _in_two_columns(following))


class _Command(str):
    """A line to be pasted, which is never wrapped."""

    __slots__ = ()


def _print_block(title: str, lines: Iterable[str]) -> None:
    indented = [_Command(f"  {line}") if isinstance(line, _Command) else f"  {line}" for line in lines]
    if indented:
        print_lines(f"\n{title}")
    for line in indented:
        if isinstance(line, _Command):
            print_text(line)
        else:
            print_lines(line, "  ")


# ---- how good


def _main_metric(task: str, metric: str) -> str:
    """Return the metric to speak of. The perplexity, which says the same as the loss, says it more plainly."""
    from paddle_tasks import tasks

    return "perplexity" if metric == "loss" and "perplexity" in tasks.find(task).SUMMARY_METRICS else metric


def _main_score(outcome: RunResult, metric: str) -> tuple[SplitName, str, float] | None:
    """Return split, metric and value of the score to speak of: on test, if it was scored."""
    scores = reversed(outcome.scores.items())  # test comes after dev
    return next(((split, metric, float(found[metric])) for split, found in scores if metric in found), None)


def _how_good(outcome: RunResult, metric: str) -> Iterator[str]:
    found = _main_score(outcome, metric)
    if found is None:
        return
    split, metric, value = found
    n_rows = outcome.data[split].rows
    if metric == "accuracy":
        message = _("{right:,} of {rows:,} {split} rows are right: {share:.1%}.")
        yield message.format(right=round(value * n_rows), rows=n_rows, split=split_name(split), share=value)
    elif metric == "perplexity":
        yield _(
            "{score} {value:.1f} per character; lower is better. The model is as unsure of each next character as if "
            "it had to guess among {count:,} equally probable ones."
        ).format(score=score_name(split, metric), value=value, count=round(value))
    elif _is_lower_better(outcome.task, metric):
        yield _("{score} {value:.4f} on {rows:,} rows; lower is better.").format(
            score=score_name(split, metric), value=value, rows=n_rows
        )
    elif metric in _OF_100:
        yield _("{score} {value:.2f} of 100 on {rows:,} rows.").format(
            score=score_name(split, metric), value=value, rows=n_rows
        )
    else:
        yield _("{score} {value:.4f} on {rows:,} rows; 1 is perfect.").format(
            score=score_name(split, metric), value=value, rows=n_rows
        )


def _is_lower_better(task: str, metric: str) -> bool:
    from paddle_tasks import tasks

    return metric in tasks.find(task).LOWER_IS_BETTER


# ---- compared with what


def _compared(run: Run, metric: str, command: str) -> Iterator[str]:
    from paddle_tasks import tasks

    outcome = run.outcome
    found = _main_score(outcome, metric)
    if found is None or tasks.find(outcome.task).BASELINE is None:
        return
    split, metric, ours = found
    other = run.baseline_of(split)
    theirs = other.scores[split].get(metric) if other else None
    if other is None or theirs is None:
        yield _("There is none on these data yet; it takes seconds:")
        yield _Command(f"  {command}")
        return
    lead = theirs - ours if _is_lower_better(outcome.task, metric) else ours - theirs
    values = {"name": other.model.encoder, "score": score_name(split, metric), "ours": ours, "theirs": theirs}
    yield _verdict(lead, values)
    n_rows = outcome.data["train"].rows
    if lead < 0 and n_rows < FEW_ROWS:
        yield _(_WHY_BEHIND).format(rows=n_rows)


def _verdict(lead: float, values: Mapping[str, Any]) -> str:
    if lead > 0:
        message = _("This run is ahead: {score} {ours:.4f}, {name} has {theirs:.4f}.")
    elif lead < 0:
        message = _("The baseline is ahead: {name} has {score} {theirs:.4f}, this run {ours:.4f}.")
    else:
        message = _("Level with {name}: {score} {ours:.4f}.")
    return message.format(**values)


def _baseline_command(config: str, overrides: Sequence[str], run_dir: str) -> str:
    """Return the command that fits the baseline on the data of a run, into the folder where it is looked for."""
    kept = [item for item in overrides if item.startswith(("data.", "seed="))]
    if any(item.startswith("run_dir=") for item in overrides):
        kept.append(f"run_dir={run_dir.rstrip('/')}-baseline")
    return shlex.join([command_name(), "baseline", config, *kept])


# ---- where to look, what to try next


def _where(folder: Path, *, has_curves: bool) -> Iterator[tuple[str, str]]:
    errors = folder / "predictions" / "errors.jsonl"
    if errors.is_file():
        yield _("what it gets wrong"), str(errors)
    if has_curves:
        yield _("curves and pictures"), shlex.join([command_name(), "dashboard", str(folder.parent)])


def _next(run: Run) -> Iterator[tuple[str, str]]:
    predict = [command_name(), "predict", str(run.folder)]
    yield _("use the model"), f"{shlex.join(predict)} {_sample(run)}{' --stream' * _streams(run.outcome.task)}"
    yield _("compare all runs"), shlex.join([command_name(), "report", str(run.folder.parent)])


def _sample(run: Run) -> str:
    """Return a short text that the run was scored on, in quotation marks; or a placeholder."""
    from paddle_tasks.files import read_json_lines

    for split in run.outcome.scores:
        for record in read_json_lines(run.folder / "predictions" / f"{split}.jsonl")[:200]:
            for text in [str(record["text"])] if "text" in record else _beginnings(record):
                if 6 <= width_of(text) <= _MAX_SAMPLE and text.isprintable() and not set(text) & set("\"'$`\\!\t"):
                    return f'"{text}"'
    return '"…"'


def _streams(task: str) -> bool:
    """Return whether the models of a task write texts."""
    from paddle_tasks import tasks
    from paddle_tasks.training.capabilities import StreamingTask

    return issubclass(tasks.find(task), StreamingTask)


def _beginnings(record: Mapping[str, Any]) -> Sequence[str]:
    """Return the first clause of the text that was predicted, behind its heading if it has one."""
    heading, _break, body = str(record.get("gold", "")).partition("\n")
    return _CLAUSE_END.split(body or heading)[:1]


def _in_two_columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return names and commands or files side by side; if they do not fit there, undivided below their names."""
    width = max((width_of(first) for first, _second in rows), default=0)
    lines = [f"{pad(first, width)}   {second}" for first, second in rows]
    if all(width_of(line) + 2 <= columns() for line in lines):
        return lines
    return [line for first, second in rows for line in (first, _Command(f"  {second}"))]


def command_name() -> str:
    """Return how to type this command here: with its path if its environment is not activated."""
    beside_python = Path(sys.executable).parent / "paddle-tasks"
    if shutil.which("paddle-tasks") or not beside_python.exists():
        return "paddle-tasks"
    return os.path.relpath(beside_python)
