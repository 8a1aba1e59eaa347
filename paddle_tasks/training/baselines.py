"""The baseline beside a run: the folder with its name and the suffix ``-baseline``."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import NamedTuple

from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import DataError
from paddle_tasks.training.result import RunResult


class FoundBaseline(NamedTuple):
    """The run folder of a baseline, and its result."""

    folder: Path
    result: RunResult


def find_baseline(folder: Path, result: RunResult) -> FoundBaseline | None:
    """Return the baseline of the same train data beside a run; None without one.

    It is in the folder with the suffix ``-baseline``, or in that of another baseline, as in ``-baseline-lexicon``.

    Args:
        folder: the run folder.
        result: the result of the run.
    """
    first = folder.with_name(f"{folder.name}-baseline")
    others = sorted(first.parent.glob(f"{glob.escape(first.name)}-*"))
    for candidate in (first, *others):
        found = _read(candidate)
        if found is not None and have_same_rows(found, result, "train"):
            return FoundBaseline(candidate, found)
    return None


def _read(folder: Path) -> RunResult | None:
    try:
        return RunResult.read(folder)
    except (DataError, OSError):
        return None


def have_same_rows(first: RunResult, second: RunResult, split: SplitName) -> bool:
    """Return whether two runs have read the same rows as a split."""
    facts = first.data.get(split), second.data.get(split)
    return all(facts) and len({one.sha256 for one in facts if one}) == 1
