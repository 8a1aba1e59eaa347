"""How runs differ, what they ran on, and the commands that make them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.language import _
from paddle_tasks.reporting.entries import CONFIG_FILE
from paddle_tasks.reporting.html.blocks import Code, Details, Paragraph
from paddle_tasks.reporting.html.runs import StudiedRun
from paddle_tasks.reporting.html.tables import numbers
from paddle_tasks.training.record_view import clip

_MAX_VALUE = 120
_MAX_CONFIG = 20_000
_MISSING = "–"


def difference_blocks(runs: Sequence[StudiedRun]) -> Iterator[Any]:
    """Yield a table of the settings whose values differ between runs; baselines have few of them, and are left out."""
    trained = [run for run in runs if not run.is_baseline]
    known = [run for run in trained or runs if run.settings]
    keys = list(dict.fromkeys(key for run in known for key in run.settings if key != "run_dir"))
    changed = [key for key in keys if len({_value(run, key) for run in known}) > 1]
    if len(known) < 2:
        yield Paragraph(_("There is only one configuration."))
    elif not changed:
        yield Paragraph(_("The configurations are equal but for the run folder."))
    else:
        rows = [[key, *(_value(run, key) for run in known)] for key in changed]
        yield numbers([_("setting"), *(run.name for run in known)], rows)


def _value(run: StudiedRun, key: str) -> str:
    if key not in run.settings:
        return _MISSING
    return clip(configuration.dump_inline(run.settings[key]), _MAX_VALUE)


# ---- environment


def environment_blocks(runs: Sequence[StudiedRun]) -> Iterator[Any]:
    """Yield what runs ran on: what is equal for all of them, and what is not with a column for each run."""
    known = [run for run in runs if run.result and run.result.environment]
    if not known:
        yield Paragraph(_("No run says what it ran on."))
        return
    facts = {run.name: dict(configuration.flatten(run.result.environment)) for run in known if run.result}
    keys = list(dict.fromkeys(key for values in facts.values() for key in values))
    cells = {key: [str(values.get(key, _MISSING)) for values in facts.values()] for key in keys}
    shared = [[key, clip(values[0])] for key, values in cells.items() if len(set(values)) == 1]
    different = [[key, *map(clip, values)] for key, values in cells.items() if len(set(values)) > 1]
    for heading, rows in (([_("all runs")], shared), (list(facts), different)):
        if rows:
            yield numbers([_("what"), *heading], rows)
    yield _times(known)


def _times(runs: Sequence[StudiedRun]) -> Any:
    headings = [_("run"), _("epochs"), _("optimiser steps"), _("seconds"), _("peak memory, MB")]
    facts = [(run.name, run.result.train) for run in runs if run.result]
    rows = [
        [name, one.epochs, one.optimizer_steps, _rounded(one.seconds), _rounded(one.peak_memory_mb)]
        for name, one in facts
    ]
    return numbers(headings, rows)


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:,.1f}"


# ---- commands


def reproduction_blocks(runs: Sequence[StudiedRun]) -> Iterator[Any]:
    """Yield the commands that make runs again and check them, the digests of their data, and their configurations."""
    commands = [line for run in runs for line in _commands(run)]
    yield Code("\n".join(commands))
    yield from _digests(runs)
    for run in runs:
        if run.config:
            text = (run.folder / CONFIG_FILE).read_text(encoding="utf-8", errors="replace")
            title = _("{file}, which trains {run}").format(file=CONFIG_FILE, run=run.name)
            yield Details(title, [Code(clip(text, _MAX_CONFIG))])


def _commands(run: StudiedRun) -> Iterator[str]:
    commit = run.result.environment.get("git_commit") if run.result else None
    yield f"# {run.name}" + (f" (commit {commit})" if commit else "")
    again = Path(f"{run.folder}-again")
    verb = "baseline" if run.is_baseline else "train"
    yield shlex.join(["paddle-tasks", verb, str(run.folder / CONFIG_FILE), f"run_dir={again}"])
    if not run.is_baseline:
        yield shlex.join(["paddle-tasks", "verify", str(run.folder)])


def _digests(runs: Sequence[StudiedRun]) -> Iterator[Any]:
    found = {
        (name, facts.path, facts.sha256): facts.rows
        for run in runs
        if run.result
        for name, facts in run.result.data.items()
    }
    if found:
        rows = [[name, path, f"{count:,}", digest] for (name, path, digest), count in found.items()]
        yield numbers([_("split"), _("file"), _("rows"), "SHA-256"], rows)
