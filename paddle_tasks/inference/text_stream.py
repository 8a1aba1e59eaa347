"""A text that a model writes, piece by piece, for callers that share the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle_tasks.generation.continuation import Continuation
    from paddle_tasks.generation.decoding import TextStream


class PipelineStream(Iterator[str]):
    """An iterator over the pieces of a text; the model is in use only while a piece is computed.

    Between two pieces other calls may use the model, and the same thread may call the pipeline.
    """

    def __init__(self, stream: TextStream, use_model: Callable[[], AbstractContextManager[None]]) -> None:
        self._stream, self._use_model = stream, use_model

    def __next__(self) -> str:
        """Return the next piece."""
        with self._use_model():
            return next(self._stream)

    @property
    def result(self) -> Continuation:
        """What was written so far, with the reason why it ends; see `TextStream.result`."""
        return self._stream.result
