"""What a service accepts, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LISTED = 20
"""Problems that an answer lists of one request."""


@dataclass(frozen=True)
class Limits:
    """What a service accepts, and how long it waits.

    Attributes:
        text_length: characters of a text.
        n_texts: texts of a request.
        body_bytes: bytes of a request's body.
        n_queued: texts of a model that wait; more are refused.
        n_written: characters that a request may ask a model to write: texts times outputs times length.
        n_streams: texts that are written as streams at the same time.
        n_connections: open connections.
        seconds: from a request to its answer.
        stream_seconds: from a request to the end of its stream.
        receive_seconds: for the head of a request, and again for its body.
    """

    text_length: int = 2_000
    n_texts: int = 64
    body_bytes: int = 1 << 20
    n_queued: int = 256
    n_written: int = 4_000
    n_streams: int = 4
    n_connections: int = 512
    seconds: float = 30.0
    stream_seconds: float = 300.0
    receive_seconds: float = 10.0
