"""The language of a request: that of its Accept-Language header, also in the threads that compute for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any

from starlette.datastructures import Headers

from paddle_tasks import language


def in_language_of(headers: Headers) -> AbstractContextManager[None]:
    """Write messages within a block in the language that a request asks for, by default in that of the service."""
    return language.using(_preferred(headers.get("accept-language", "")) or language.current())


def _preferred(header: str) -> str | None:
    """Return the first language of a header that messages exist in; browsers name the preferred one first."""
    names = (part.strip().lower()[:2] for part in header.split(","))
    return next((name for name in names if name in language.LANGUAGES), None)


async def run_in_thread(executor: Executor, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a thread, where messages are in the language of this task."""
    chosen = language.current()

    def run() -> Any:
        with language.using(chosen):
            return function(*arguments)

    return await asyncio.get_running_loop().run_in_executor(executor, run)
