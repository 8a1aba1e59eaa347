"""The report on runs and sweeps: their results as one Markdown text, beside published scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks.errors import DataError
from paddle_tasks.reporting.entries import BrokenFolder, Entry, read_entries
from paddle_tasks.reporting.table import format_report


@dataclass(frozen=True)
class Report:
    """The Markdown text of a report, its entries, and the folders that could not be read."""

    markdown: str
    entries: tuple[Entry, ...]
    broken: tuple[BrokenFolder, ...]


def report(folders: Sequence[str | Path]) -> Report:
    """Return the report on the folders of runs and sweeps, or on folders that contain these, in their order.

    An unfinished run is a row that says so. A folder that cannot be read is listed with the reason.

    Args:
        folders: run folders, sweep folders, or folders that contain these.

    Raises:
        DataError: a folder does not exist, or none of them holds a run or a sweep.
    """
    paths = list(dict.fromkeys(Path(folder) for folder in folders))  # a name and a pattern may mean the same folder
    results = list(read_entries(paths))
    entries = tuple(result for result in results if isinstance(result, Entry))
    broken = tuple(result for result in results if isinstance(result, BrokenFolder))
    if not entries:
        listing = "\n".join(f"  {folder.name}: {folder.reason}" for folder in broken)
        raise DataError(f"report: nothing to show; no folder holds a run or a sweep\n{listing}".rstrip())
    return Report(format_report(entries, broken), entries, broken)
