"""A mended copy of all logs below a folder, for VisualDL's server to read, that follows runs while they train.

The server must never see a log that is not whole: it reads on from where it was, so half a record, or a log that
training has cut back to go on from a checkpoint, would confuse it for good. So it reads copies that only ever grow, by
whole records; and the runs' own files are left to training.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from paddle_tasks.files import atomic_file
from paddle_tasks.reporting.vdl.log import META, Entry, encode, meta, read_log, salvage, tag_key
from paddle_tasks.reporting.vdl.repair import mend, metrics_beside, run_of, shown_log
from paddle_tasks.reporting.vdl.scalars import read_truth

_WITHOUT_LOGS = ("checkpoints", "model", "predictions")  # of a run; training removes some of them

COPY_NAME, GRAPH_NAME = "vdlrecords.log", "vdlgraph.log"


@dataclass(frozen=True)
class Source:
    """The files of one run that are shown.

    Attributes:
        folder: where the log is, or would be.
        log: the VisualDL log; a run without one is shown from its metrics.jsonl.
        graph: the model graph.
    """

    folder: Path
    log: Path | None
    graph: Path | None

    @property
    def metrics(self) -> Path:
        """Where metrics.jsonl would be."""
        return metrics_beside(self.log or self.folder / COPY_NAME)

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Return what changes when one of the files does."""
        return tuple(_size_and_time(path) for path in (self.log, self.metrics, self.graph) if path)


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def sources(logdir: Path) -> dict[str, Source]:
    """Return the runs in a folder or below, each by the name under which it is shown."""
    found = {source.folder: source for source in _walk(logdir)}
    named: dict[str, Source] = {}
    for folder, source in found.items():
        run = run_of(folder / COPY_NAME)
        shown = folder if run in found else run
        below = shown != logdir and logdir in shown.parents
        name = shown.relative_to(logdir).as_posix() if below else shown.resolve().name or "run"
        others = (f"{name} ({number})" for number in count(2))
        named[next(filter(lambda one: one not in named, chain([name], others)))] = source
    return named


def _walk(logdir: Path) -> Iterator[Source]:
    seen: set[str] = set()
    for place, folders, files in os.walk(logdir, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add(real)
        own = _WITHOUT_LOGS if "metrics.jsonl" in files else ()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in own)
        folder = Path(place)
        log, graph = shown_log(folder), _shown_graph(folder)
        if log or graph:
            yield Source(folder, log, graph)
        elif "metrics.jsonl" in files and not ("vdl" in folders and shown_log(folder / "vdl")):
            yield Source(folder / "vdl", None, None)


def _shown_graph(folder: Path) -> Path | None:
    return max((path for path in folder.glob("vdlgraph*") if path.is_file()), default=None)


@dataclass
class _Copied:
    """What is in the copy of one run: the server keeps what it has read, so a copy only ever grows.

    Attributes:
        counts: how many records there are, by kind and tag.
    """

    source: Source
    stamp: tuple[tuple[int, int], ...] = ()
    data: bytes = b""
    counts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))


class LiveCopy:
    """The copies of all runs below a folder, in another folder."""

    def __init__(self, logdir: Path, folder: Path) -> None:
        self._logdir, self._folder = logdir, folder
        self._copied: dict[str, _Copied] = {}
        self.unreadable: dict[Path, str] = {}

    def update(self) -> bool:
        """Copy what is new; False when a run has gone or begun anew, so that the copies have to be made anew too."""
        found = sources(self._logdir)
        for name, copied in self._copied.items():
            if name not in found or (copied.source.log and copied.source.log != found[name].log):
                return False
        for name, source in found.items():
            copied = self._copied.setdefault(name, _Copied(source))
            copied.source = source
            if (stamp := source.stamp()) != copied.stamp:
                copied.stamp = stamp
                try:
                    self._grow(name, copied)
                except OSError as error:
                    self.unreadable[source.log or source.folder] = str(error)
        return True

    @property
    def n_runs(self) -> int:
        """How many runs there are."""
        return len(self._copied)

    def _grow(self, name: str, copied: _Copied) -> None:
        target = self._folder / name
        target.mkdir(parents=True, exist_ok=True)
        if new := list(_unseen(_records(copied.source, name), copied.counts)):
            copied.data += encode(new)
            with atomic_file(target / COPY_NAME) as temporary:  # or the server might see half of it
                temporary.write_bytes(copied.data)
        if copied.source.graph:
            self._copy_graph(copied.source.graph, target / GRAPH_NAME)

    def _copy_graph(self, graph: Path, target: Path) -> None:
        """Copy a graph that can be shown; the server would have a page for one that cannot, and nothing on it."""
        data = graph.read_bytes()
        if fault := _fault_of_graph(data):
            self.unreadable[graph] = f"the model graph cannot be read ({fault})"
            return
        with atomic_file(target) as temporary:
            temporary.write_bytes(data)


def _records(source: Source, name: str) -> Iterator[Entry]:
    """Yield the records of a run, first the one with the name under which the server shows it."""
    found = read_log(source.log) if source.log and source.log.exists() else salvage(b"")
    entries = mend(found, read_truth(source.metrics)).entries
    yield meta(name, entries[0].time if entries else 0)
    yield from (entry for entry in entries if entry.kind != META)


def _unseen(entries: Iterable[Entry], counts: dict[tuple[str, str], int]) -> Iterator[Entry]:
    """Yield the records beyond those that were counted, and count them.

    A run that goes on from a checkpoint has its log cut back and writes the same records again: these are counted.
    """
    here: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        key = entry.kind, tag_key(entry.tag)
        here[key] += 1
        if here[key] > counts[key]:
            counts[key] = here[key]
            yield entry


def _fault_of_graph(data: bytes) -> str | None:
    """Return what keeps VisualDL from showing a graph, by letting it."""
    from visualdl.component.graph import Model

    try:
        Model(json.loads(data)).make_graph()
    except Exception as error:  # whatever its code meets in data that is not as it expects
        return f"{type(error).__name__}: {error}"
    return None
