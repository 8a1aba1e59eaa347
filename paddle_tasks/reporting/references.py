"""Published scores with the data they were measured on, and the check whether a run can be compared to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt

from paddle_tasks import config as configuration
from paddle_tasks.config import Section
from paddle_tasks.language import _, in_context, join, mark
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.reporting.entries import Entry, ScoredSplit

FILE = Path(__file__).with_name("references.yaml")
COURSE_NOTES = mark("course notes")
"""The source of scores that stand in the notes of the course, which have no address."""


class DataSetFile(Section):
    """One split of a data set, under the publisher's name, and what identifies its rows.

    Attributes:
        rows: the number of rows.
        labels: the number of labels, which identifies the rows when no hash is known.
        sha256: hashes of the files that hold these rows, in any of their published layouts.
        texts: the `fingerprint` of the rows' texts.
    """

    split: str
    rows: PositiveInt
    labels: PositiveInt | None = None
    sha256: tuple[str, ...] = ()
    texts: str | None = None


class PublishedScores(Section):
    """The scores that one source gives for one split, in percent, by model.

    Attributes:
        source: an address, or `COURSE_NOTES`.
        note: how the scores were obtained.
    """

    source: str
    split: str
    train_rows: PositiveInt
    metric: str
    note: str = ""
    percent: dict[str, PositiveFloat]


class DataSet(Section):
    """A data set whose rows are known, with its published scores."""

    name: str
    files: tuple[DataSetFile, ...]
    published: tuple[PublishedScores, ...]

    def n_rows(self, split: str) -> int:
        """Return the number of rows of one of the publisher's splits."""
        return next(file.rows for file in self.files if file.split == split)


class References(Section):
    """The content of references.yaml: data sets by key."""

    data_sets: dict[str, DataSet]


@dataclass(frozen=True)
class KnownSplit:
    """One of the publisher's splits of a known data set; ``key`` names the data set in references.yaml."""

    key: str
    data_set: DataSet
    split: str


@cache
def load_shipped_references() -> References:
    """Return the references of the file that ships with the package."""
    return load_references(FILE)


def load_references(file: Path) -> References:
    """Return the references of a file.

    Raises:
        ConfigError: the file has mistakes; the message lists all of them.
    """
    return configuration.validate(configuration.read(file), References, str(file))


def find_known_split(split: ScoredSplit, references: References | None = None) -> KnownSplit | None:
    """Return the published split that has the same rows, or None. The path of the data is not considered.

    Args:
        split: the scored rows.
        references: the data sets to search; by default those that ship with the package.
    """
    for key, data_set in (references or load_shipped_references()).data_sets.items():
        name = match_split(data_set, split)
        if name:
            return KnownSplit(key, data_set, name)
    return None


def match_split(data_set: DataSet, split: ScoredSplit) -> str | None:
    """Return the publisher's name of the split of a data set that has the same rows, or None."""
    return next((file.split for file in data_set.files if _has_same_rows(split, file)), None)


def _has_same_rows(split: ScoredSplit, file: DataSetFile) -> bool:
    if split.sha256 in file.sha256:
        return True
    if split.rows != file.rows:  # checked before the texts are read
        return False
    if file.texts:
        return split.texts_fingerprint == file.texts
    return not file.sha256 and file.labels is not None and split.n_labels == file.labels


def comparison_obstacles(published: PublishedScores, data_set: DataSet, entry: Entry) -> Iterator[str]:
    """Yield each reason why the scores of an entry cannot be compared to published ones; none if they can."""
    expected = _("{split} of {rows:,} rows").format(split=published.split, rows=data_set.n_rows(published.split))
    matches = {name: match_split(data_set, split) for name, split in entry.splits.items()}
    same = [name for name, match in matches.items() if match == published.split]
    if not same:
        here = join(
            [
                _("{split} of {rows:,}").format(split=match or name, rows=entry.splits[name].rows)
                for name, match in matches.items()
            ]
        )
        yield _("another split ({expected}; here {found})").format(expected=expected, found=here or _("no score"))
    elif not any(published.metric in entry.splits[name].scores for name in same):
        yield _("another metric ({metric})").format(metric=metric_name(published.metric))
    if entry.train.rows != published.train_rows:
        yield _("other train data ({expected:,} rows; here {found})").format(
            expected=published.train_rows, found=_format_count(entry.train.rows)
        )


def _format_count(rows: int | None) -> str:
    return in_context("count", "unknown") if rows is None else f"{rows:,}"
