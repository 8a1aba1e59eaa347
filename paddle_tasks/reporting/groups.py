"""The entries of one data set belong side by side: which these are, and what the set is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from paddle_tasks.reporting.entries import Entry
from paddle_tasks.reporting.references import DataSet, Place, place_of


@dataclass
class Group:
    """The entries that were scored on one data set.

    Attributes:
        key: what its rows are known by: the name in references.yaml, or the SHA-256 of the scored files.
        data_set: its published side, when the rows are known.
    """

    entries: list[Entry] = field(default_factory=list)
    key: set[str] = field(default_factory=set)
    data_set: DataSet | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        tasks = ", ".join(dict.fromkeys(entry.task for entry in self.entries))
        return f"{self.data_set.name} ({tasks})" if self.data_set else f"{tasks}: {self._source}"

    @property
    def _source(self) -> str:
        return ", ".join(dict.fromkeys(entry.train.source for entry in self.entries)) or "no data"


def grouped(entries: Iterable[Entry]) -> list[Group]:
    """Return the groups in the order of their first entries; entries that share scored rows share a group.

    An entry without scores joins the others of its task that learn from the same source.
    """
    groups: list[Group] = []
    waiting: list[Entry] = []
    for entry in entries:
        (_join(groups, entry, _key(entry)) if entry.splits else waiting.append(entry))
    for entry in waiting:
        same = [group for group in groups if any(_learn_alike(entry, other) for other in group.entries)]
        _join(groups, entry, same[0].key if same else {f"{entry.task} {entry.train.source}"})
    return groups


def _join(groups: list[Group], entry: Entry, key: set[str]) -> None:
    shared = [group for group in groups if group.key & key]
    group = shared[0] if shared else Group()
    if not shared:
        groups.append(group)
    for other in shared[1:]:  # which this entry ties together
        group.entries += other.entries
        group.key |= other.key
        group.data_set = group.data_set or other.data_set
        groups.remove(other)
    group.entries.append(entry)
    group.key |= key
    place = data_set_of(entry)
    group.data_set = group.data_set or (place.data_set if place else None)


def _key(entry: Entry) -> set[str]:
    place = data_set_of(entry)
    return {place.key} if place else {split.sha256 for split in entry.splits.values()}


def data_set_of(entry: Entry) -> Place | None:
    """Return the first known place that an entry was scored at: test before dev."""
    places: Sequence[Place | None] = [place_of(entry.splits[name]) for name in ("test", "dev") if name in entry.splits]
    return next((place for place in places if place), None)


def _learn_alike(entry: Entry, other: Entry) -> bool:
    return (entry.task, entry.train.source) == (other.task, other.train.source)
