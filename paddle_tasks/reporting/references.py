"""Published scores, the data that they were measured on, and why a run's score may or may not be laid beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt

from paddle_tasks import config as configuration
from paddle_tasks.config import Section
from paddle_tasks.reporting.entries import Entry, ScoredSplit

FILE = Path(__file__).with_name("references.yaml")


class KnownRows(Section):
    """The rows of one of a data set's splits, as the publisher names it, and what they are recognised by."""

    split: str
    rows: PositiveInt
    labels: PositiveInt | None = None
    sha256: tuple[str, ...] = ()
    texts: str | None = None


class Published(Section):
    """Scores that one source gives for one split, in percent, by model."""

    source: str
    split: str
    train_rows: PositiveInt
    metric: str
    note: str = ""
    percent: dict[str, PositiveFloat]


class DataSet(Section):
    """A data set whose rows are known, and what was published about it."""

    name: str
    files: tuple[KnownRows, ...]
    published: tuple[Published, ...]

    def rows_of(self, split: str) -> int:
        """Return the number of rows of one of the publisher's splits."""
        return next(known.rows for known in self.files if known.split == split)


class References(Section):
    """All that references.yaml holds."""

    data_sets: dict[str, DataSet]


@dataclass(frozen=True)
class Place:
    """Where a run was scored: one of the publisher's splits of a known data set."""

    key: str
    data_set: DataSet
    split: str


@cache
def references() -> References:
    """Return what ships."""
    return load_references(FILE)


def load_references(file: Path) -> References:
    """Return the references of a file.

    Raises:
        ConfigError: every mistake in it.
    """
    return configuration.validate(configuration.read(file), References, str(file))


def place_of(split: ScoredSplit, known: References | None = None) -> Place | None:
    """Return which published rows a split's are, or None; its path has no say in it."""
    for key, data_set in (known or references()).data_sets.items():
        name = split_of(data_set, split)
        if name:
            return Place(key, data_set, name)
    return None


def split_of(data_set: DataSet, split: ScoredSplit) -> str | None:
    """Return which of a data set's splits the rows are, as the publisher names it, or None."""
    return next((rows.split for rows in data_set.files if _are_the_same(split, rows)), None)


def _are_the_same(split: ScoredSplit, known: KnownRows) -> bool:
    if split.sha256 in known.sha256:
        return True
    if split.rows != known.rows:  # before texts are read
        return False
    if known.texts:
        return split.texts == known.texts
    return not known.sha256 and known.labels is not None and split.n_labels == known.labels


def hindrances(published: Published, data_set: DataSet, entry: Entry) -> Iterator[str]:
    """Yield each reason why a run's score cannot be laid beside published ones; none when it can."""
    there = f"{published.split} of {data_set.rows_of(published.split):,} rows"
    found = {name: split_of(data_set, split) for name, split in entry.splits.items()}
    same = [name for name, place in found.items() if place == published.split]
    if not same:
        here = ", ".join(f"{place or name} of {entry.splits[name].rows:,}" for name, place in found.items())
        yield f"another split ({there}; here {here or 'no score'})"
    elif not any(published.metric in entry.splits[name].scores for name in same):
        yield f"another metric ({published.metric})"
    if entry.train.rows != published.train_rows:
        yield f"other train data ({published.train_rows:,} rows; here {_count(entry.train.rows)})"


def _count(rows: int | None) -> str:
    return "unknown" if rows is None else f"{rows:,}"
