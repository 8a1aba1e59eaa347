"""Repaired copies of all logs below a folder, for VisualDL's server to read; they follow runs while they train.

The server must never see an incomplete log. It continues reading where it stopped, so half a record, or a log that
training has cut back to continue from a checkpoint, would confuse it until it is restarted. So it reads copies that
only grow, by whole records, and the runs' own files are left to training.
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
from paddle_tasks.language import _
from paddle_tasks.reporting.vdl.log import META, LogRecord, encode_log, make_meta, parse_log, read_log, tag_key
from paddle_tasks.reporting.vdl.repair import find_shown_log, metrics_path, repair_records, run_folder
from paddle_tasks.reporting.vdl.scalars import read_metrics_file

_FOLDERS_WITHOUT_LOGS = ("checkpoints", "model", "predictions")  # of a run; training removes some of them

COPY_NAME, GRAPH_NAME = "vdlrecords.log", "vdlgraph.log"

FileStamps = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Source:
    """The files of one run that are shown.

    Attributes:
        folder: the folder of the log, or the folder it would be in.
        log: the VisualDL log; a run without one is shown from its metrics.jsonl.
        graph: the model graph.
    """

    folder: Path
    log: Path | None
    graph: Path | None

    @property
    def metrics(self) -> Path:
        """The path of metrics.jsonl; the file may be missing."""
        return metrics_path(self.log or self.folder / COPY_NAME)

    def stamps(self) -> FileStamps:
        """Return size and modification time of each file, which change when a file does."""
        return tuple(_size_and_time(path) for path in (self.log, self.metrics, self.graph) if path)


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def find_sources(logdir: Path) -> dict[str, Source]:
    """Return the runs in a folder and below it, by the name under which each is shown.

    The name is the path of the run folder below ``logdir``; a second run of a name gets `` (2)``.
    """
    sources = {source.folder: source for source in _walk(logdir)}
    by_name: dict[str, Source] = {}
    for folder, source in sources.items():
        run = run_folder(folder / COPY_NAME)
        shown = folder if run in sources else run
        is_below = shown != logdir and logdir in shown.parents
        name = shown.relative_to(logdir).as_posix() if is_below else shown.resolve().name or "run"
        numbered = (f"{name} ({number})" for number in count(2))
        by_name[next(each for each in chain([name], numbered) if each not in by_name)] = source
    return by_name


def _walk(logdir: Path) -> Iterator[Source]:
    seen: set[str] = set()
    for path, folders, files in os.walk(logdir, followlinks=True):
        real_path = os.path.realpath(path)
        if real_path in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add(real_path)
        skipped = _FOLDERS_WITHOUT_LOGS if "metrics.jsonl" in files else ()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in skipped)
        folder = Path(path)
        log, graph = find_shown_log(folder), _find_shown_graph(folder)
        if log or graph:
            yield Source(folder, log, graph)
        elif "metrics.jsonl" in files and not ("vdl" in folders and find_shown_log(folder / "vdl")):
            yield Source(folder / "vdl", None, None)


def _find_shown_graph(folder: Path) -> Path | None:
    return max((path for path in folder.glob("vdlgraph*") if path.is_file()), default=None)


@dataclass
class _CopyState:
    """The copy of one run. The server keeps what it has read, so a copy only grows.

    Attributes:
        stamps: those of the source when it was last copied.
        data: the content of the copied log.
        counts: the number of records in it, by kind and tag.
    """

    source: Source
    stamps: FileStamps = ()
    data: bytes = b""
    counts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))


class LiveCopy:
    """Copies of all runs below ``logdir``, in ``folder``.

    Attributes:
        unreadable: files that could not be copied, with the reason.
    """

    def __init__(self, logdir: Path, folder: Path) -> None:
        self._logdir, self._folder = logdir, folder
        self._copies: dict[str, _CopyState] = {}
        self.unreadable: dict[Path, str] = {}

    def update(self) -> bool:
        """Copy what is new, and return True.

        Return False when a run is gone or was started anew. Then the copies must be made anew too.
        """
        sources = find_sources(self._logdir)
        for name, copy in self._copies.items():
            if name not in sources or (copy.source.log and copy.source.log != sources[name].log):
                return False
        for name, source in sources.items():
            copy = self._copies.setdefault(name, _CopyState(source))
            copy.source = source
            if (stamps := source.stamps()) != copy.stamps:
                copy.stamps = stamps
                try:
                    self._copy_new(name, copy)
                except OSError as error:
                    self.unreadable[source.log or source.folder] = str(error)
        return True

    @property
    def n_runs(self) -> int:
        """The number of runs."""
        return len(self._copies)

    def _copy_new(self, name: str, copy: _CopyState) -> None:
        target = self._folder / name
        target.mkdir(parents=True, exist_ok=True)
        if new := list(_count_new(_read_records(copy.source, name), copy.counts)):
            copy.data += encode_log(new)
            with atomic_file(target / COPY_NAME) as temporary:  # the server must not see half of it
                temporary.write_bytes(copy.data)
        if copy.source.graph:
            self._copy_graph(copy.source.graph, target / GRAPH_NAME)

    def _copy_graph(self, graph: Path, target: Path) -> None:
        """Copy a graph that VisualDL can show; for any other one its server would show an empty page."""
        data = graph.read_bytes()
        if fault := _find_graph_fault(data):
            self.unreadable[graph] = _("the model graph cannot be read ({fault})").format(fault=fault)
            return
        with atomic_file(target) as temporary:
            temporary.write_bytes(data)


def _read_records(source: Source, name: str) -> Iterator[LogRecord]:
    """Yield the records of a run, the first with the name under which the server shows it."""
    log = read_log(source.log) if source.log and source.log.exists() else parse_log(b"")
    records = repair_records(log, read_metrics_file(source.metrics)).records
    yield make_meta(name, records[0].time if records else 0)
    yield from (record for record in records if record.kind != META)


def _count_new(records: Iterable[LogRecord], counts: dict[tuple[str, str], int]) -> Iterator[LogRecord]:
    """Yield the records that are not counted yet, and count them.

    The n-th record of a kind and tag is new when fewer than n were counted. A run that continues from a checkpoint has
    its log cut back and writes the same records again; these are counted already.
    """
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for record in records:
        key = record.kind, tag_key(record.tag)
        seen[key] += 1
        if seen[key] > counts[key]:
            counts[key] = seen[key]
            yield record


def _find_graph_fault(data: bytes) -> str | None:
    """Return the error that VisualDL raises when it reads a graph, or None."""
    from visualdl.component.graph import Model

    try:
        Model(json.loads(data)).make_graph()
    except Exception as error:  # VisualDL does not check the data: any error may occur
        return f"{type(error).__name__}: {error}"
    return None
