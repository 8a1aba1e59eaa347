"""The results of runs and sweeps as one text, beside published scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks.errors import DataError
from paddle_tasks.reporting.entries import Broken, Entry, read_entries
from paddle_tasks.reporting.table import markdown


@dataclass(frozen=True)
class Report:
    """What was found, and the table of it in Markdown."""

    markdown: str
    entries: tuple[Entry, ...]
    broken: tuple[Broken, ...]


def report(folders: Sequence[str | Path]) -> Report:
    """Return the table of the folders of runs and sweeps, or of folders of these, in their order.

    What is unfinished is a row that says so; what cannot be read is named with the reason.

    Raises:
        DataError: no such folder, or none of them holds a run or a sweep.
    """
    paths = list(dict.fromkeys(Path(folder) for folder in folders))  # a name and a pattern may say the same
    found = list(read_entries(paths))
    entries = tuple(one for one in found if isinstance(one, Entry))
    broken = tuple(one for one in found if isinstance(one, Broken))
    if not entries:
        listing = "\n".join(f"  {one.name}: {one.reason}" for one in broken)
        raise DataError(f"report: nothing to show; no folder holds a run or a sweep\n{listing}".rstrip())
    return Report(markdown(entries, broken), entries, broken)
