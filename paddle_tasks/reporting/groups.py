"""Entries grouped by the data set that they were scored on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from paddle_tasks.language import _, join
from paddle_tasks.reporting.entries import Entry
from paddle_tasks.reporting.references import DataSet, KnownSplit, find_known_split


@dataclass
class Group:
    """The entries that were scored on one data set.

    Attributes:
        keys: identify the scored rows: the key of a data set in references.yaml, or the SHA-256 of the scored files.
        data_set: the published data set, when the rows are known.
    """

    entries: list[Entry] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    data_set: DataSet | None = None

    @property
    def name(self) -> str:
        """The heading of the group: the data set's name, or the sources of the train data when it is unknown."""
        tasks = join(list(dict.fromkeys(entry.task for entry in self.entries)))
        if self.data_set:
            return _("{data} ({tasks})").format(data=self.data_set.name, tasks=tasks)
        return _("{tasks}: {data}").format(tasks=tasks, data=self._train_sources)

    @property
    def _train_sources(self) -> str:
        return join(list(dict.fromkeys(entry.train.source for entry in self.entries))) or _("no data")


def group_entries(entries: Iterable[Entry]) -> list[Group]:
    """Return the groups in the order of their first entries; entries that share scored rows share a group.

    An entry without scores joins the entries of its task with the same train data.
    """
    groups: list[Group] = []
    unscored: list[Entry] = []
    for entry in entries:
        if entry.splits:
            _add(groups, entry, _row_keys(entry))
        else:
            unscored.append(entry)
    for entry in unscored:
        similar = [group for group in groups if any(_has_same_training(entry, other) for other in group.entries)]
        _add(groups, entry, similar[0].keys if similar else {f"{entry.task} {entry.train.source}"})
    return groups


def _add(groups: list[Group], entry: Entry, keys: set[str]) -> None:
    """Add an entry to the group that shares one of its keys; several such groups become one."""
    sharing = [group for group in groups if group.keys & keys]
    group = sharing[0] if sharing else Group()
    if not sharing:
        groups.append(group)
    for other in sharing[1:]:
        group.entries += other.entries
        group.keys |= other.keys
        group.data_set = group.data_set or other.data_set
        groups.remove(other)
    group.entries.append(entry)
    group.keys |= keys
    known = known_split_of_entry(entry)
    group.data_set = group.data_set or (known.data_set if known else None)


def _row_keys(entry: Entry) -> set[str]:
    known = known_split_of_entry(entry)
    return {known.key} if known else {split.sha256 for split in entry.splits.values()}


def known_split_of_entry(entry: Entry) -> KnownSplit | None:
    """Return the published split that an entry was scored on, its test split before its dev split; None if unknown."""
    splits = [entry.splits[name] for name in ("test", "dev") if name in entry.splits]
    return next(filter(None, map(find_known_split, splits)), None)


def _has_same_training(entry: Entry, other: Entry) -> bool:
    return (entry.task, entry.train.source) == (other.task, other.train.source)
