"""The report on runs and sweeps: their results as one Markdown text, beside published scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks.errors import DataError, at
from paddle_tasks.language import _
from paddle_tasks.reporting.entries import BrokenFolder, Entry, read_entries
from paddle_tasks.reporting.table import format_report


@dataclass(frozen=True)
class Report:
    """The Markdown text of a report, its entries, and the folders that could not be read."""

    markdown: str
    entries: tuple[Entry, ...]
    broken: tuple[BrokenFolder, ...]

    def __repr__(self) -> str:
        return self.markdown

    def to_html(self, path: str | Path) -> None:
        """Write the whole report as one HTML file that opens offline: verdict, figures, errors, data, commands.

        The predictions of the three best runs on each data set are shown, whatever their size. Where the data files
        are found, they are checked; models that explain their answers do so for the worst errors.
        """
        from paddle_tasks.reporting.html.page import write_page

        write_page(self.entries, self.broken, Path(path))

    def _repr_markdown_(self) -> str:
        return self.markdown


def report(folders: str | Path | Sequence[str | Path]) -> Report:
    """Return the report on the folders of runs and sweeps, or on folders that contain these, in their order.

    A notebook shows it as a table; its text is in ``markdown``. An unfinished run is a row that says so. A folder that
    cannot be read is listed with the reason.

    >>> report("runs/first").entries[0].status
    'finished'

    Args:
        folders: a run folder, a sweep folder, a folder that contains these, or several of them.

    Raises:
        DataError: a folder does not exist, or none of them holds a run or a sweep.
    """
    folders = [folders] if isinstance(folders, str | Path) else folders
    paths = list(dict.fromkeys(Path(folder) for folder in folders))  # a name and a pattern may mean the same folder
    results = list(read_entries(paths))
    entries = tuple(result for result in results if isinstance(result, Entry))
    broken = tuple(result for result in results if isinstance(result, BrokenFolder))
    if not entries:
        listing = "\n".join("  " + at(folder.name, folder.reason) for folder in broken)
        problem = _("report: nothing to show; no folder holds a run or a sweep")
        raise DataError(f"{problem}\n{listing}".rstrip())
    return Report(format_report(entries, broken), entries, broken)
