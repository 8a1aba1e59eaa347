"""Requests for a model wait in a bounded queue; what waits is computed together, in small batches.

All methods run in the event loop; only `compute` runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from paddle_tasks import language
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.service.languages import run_in_thread
from paddle_tasks.inference.service.problems import RequestProblem, field_problem, internal_problem
from paddle_tasks.language import _

Record = Mapping[str, Any]
Compute = Callable[[Sequence[str], Mapping[str, Any]], Sequence[Record]]
"""Returns a record for each text, with the given options."""

MAX_BATCH_SIZE = 32
_FIRST_BATCH_SIZE = 4
_BATCH_SECONDS = 0.4
"""A batch should not take longer, since later requests wait for its end."""
_logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Job:
    """The texts of a request.

    Attributes:
        texts: the texts.
        options: of the call.
        group: texts of the same group may be computed together.
        answer: the records, once all are known.
        language: of messages about it.
        n_taken: how many texts are or were in a batch.
        records: of the first texts.
    """

    texts: Sequence[str]
    options: Mapping[str, Any]
    group: str
    answer: asyncio.Future[list[Record]]
    language: str
    n_taken: int = 0
    records: list[Record] = field(default_factory=list)

    def take(self, n_most: int) -> Sequence[str]:
        """Return the next texts, at most ``n_most``."""
        part = self.texts[self.n_taken : self.n_taken + n_most]
        self.n_taken += len(part)
        return part

    @property
    def n_waiting(self) -> int:
        """How many texts were not taken yet."""
        return len(self.texts) - self.n_taken

    def add(self, records: Sequence[Record]) -> None:
        """Add the records of the texts taken last."""
        self.records.extend(records)
        if len(self.records) == len(self.texts) and not self.answer.done():
            self.answer.set_result(self.records)


_Batch = list[tuple[_Job, Sequence[str]]]


class _Pace:
    """How many texts a batch has, so that it takes a fraction of a second, and how long a text takes."""

    def __init__(self) -> None:
        self.batch_size, self.seconds_per_text = _FIRST_BATCH_SIZE, 0.05

    def learn(self, n_texts: int, seconds: float) -> None:
        """Learn from a batch."""
        self.seconds_per_text += 0.3 * (seconds / n_texts - self.seconds_per_text)
        if seconds > _BATCH_SECONDS:
            self.batch_size = max(1, min(self.batch_size, n_texts) // 2)
        elif n_texts >= self.batch_size and seconds < _BATCH_SECONDS / 2:
            self.batch_size = min(MAX_BATCH_SIZE, 2 * self.batch_size)


class Batcher:
    """Computes the records of requests in batches.

    Texts with the same options are computed together. Requests take turns: one with many texts does not keep the others
    waiting. A request that is cancelled leaves the queue at once, and what was not computed of it never is.

    Attributes:
        n_waiting: how many texts wait.
    """

    def __init__(self, compute: Compute, n_queued: int) -> None:
        """Take the function that computes records, and the number of texts that may wait."""
        self._compute, self._n_queued = compute, n_queued
        self._jobs: deque[_Job] = deque()
        self._paces: dict[tuple[str, ...], _Pace] = {}
        self._wake = asyncio.Event()
        self._executor = ThreadPoolExecutor(1)
        self.n_waiting = 0

    async def submit(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[Record]:
        """Return the record of each text.

        Raises:
            RequestProblem: the queue is full, the model cannot use a text or an option, or it fails.
        """
        if self.n_waiting + len(texts) > self._n_queued:
            raise self._busy()
        group = json.dumps(options, sort_keys=True)
        job = _Job(texts, options, group, asyncio.get_running_loop().create_future(), language.current())
        self._jobs.append(job)
        self.n_waiting += len(texts)
        self._wake.set()
        try:
            return await job.answer
        finally:
            self._forget(job)

    def _busy(self) -> RequestProblem:
        slowest = max((pace.seconds_per_text for pace in self._paces.values()), default=0.0)
        seconds = min(60, math.ceil(self.n_waiting * slowest) or 1)
        message = _("this model is busy, {count} texts are waiting; try again in {seconds} s")
        return RequestProblem("busy", message.format(count=self.n_waiting, seconds=seconds), retry_seconds=seconds)

    def _forget(self, job: _Job) -> None:
        """Remove what was not taken of a job, whose request may have been abandoned."""
        if job in self._jobs:
            self._jobs.remove(job)
        self.n_waiting -= job.n_waiting
        job.n_taken = len(job.texts)

    async def run(self) -> None:
        """Compute what waits until cancelled."""
        try:
            while True:
                await self._wake.wait()
                if batch := self._take():
                    await self._answer(batch)
                else:
                    self._wake.clear()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> _Batch:
        """Return the next batch: texts of the first job, then of others with the same options."""
        if not self._jobs:
            return []
        first = self._jobs[0]
        n_free, batch = self._pace(first.options).batch_size, []
        for job in [job for job in self._jobs if job.group == first.group]:
            part = job.take(n_free)
            batch.append((job, part))
            n_free -= len(part)
            self._jobs.remove(job)
            if job.n_waiting:
                self._jobs.append(job)  # behind the others
            if not n_free:
                break
        self.n_waiting -= sum(len(part) for _job, part in batch)
        return batch

    def _pace(self, options: Mapping[str, Any]) -> _Pace:
        return self._paces.setdefault(tuple(sorted(options)), _Pace())

    async def _answer(self, batch: _Batch) -> None:
        """Compute a batch; if that fails, compute its texts one by one, so that one does not fail other requests."""
        texts = [text for _job, part in batch for text in part]
        try:
            records = iter(await self._records(texts, batch[0][0]))
        except Exception as error:
            if len(texts) == 1:
                self._fail(batch[0][0], error)
                return
            for job, part in batch:
                for text in part:
                    if not job.answer.done():
                        await self._answer([(job, [text])])
            return
        for job, part in batch:
            job.add([next(records) for _text in part])

    def _fail(self, job: _Job, error: Exception) -> None:
        """Answer a request with the error of its next text."""
        self._forget(job)
        if not job.answer.done():
            with language.using(job.language):
                job.answer.set_exception(_for_client(error, len(job.records)))

    async def _records(self, texts: Sequence[str], job: _Job) -> Sequence[Record]:
        """Return the records of texts, with the options and the language of one of their requests."""
        begin = time.monotonic()
        with language.using(job.language):
            records: Sequence[Record] = await run_in_thread(self._executor, self._compute, texts, job.options)
        self._pace(job.options).learn(len(texts), time.monotonic() - begin)
        return records


def _for_client(error: Exception, row: int) -> RequestProblem:
    """Return the answer to a request whose text with this number failed; other errors may name files."""
    if isinstance(error, ConfigError):
        return field_problem("options", str(error))
    if isinstance(error, DataError):
        return field_problem(f"texts.{row}", str(error))
    _logger.error("a model failed", exc_info=error)
    return internal_problem()
