"""The longest text that is read: a tokenizer takes some hundred bytes for each character."""

from __future__ import annotations

from paddle_tasks.language import _

MAX_TEXT_LENGTH = 2_000_000
"""Characters; a long Chinese novel has about a million."""


def too_long(text: str) -> str:
    """Return why a text is not read; an empty string if it is not too long."""
    if len(text) <= MAX_TEXT_LENGTH:
        return ""
    message = _("a text of {count:,} characters, expected at most {limit:,}; split it into several")
    return message.format(count=len(text), limit=MAX_TEXT_LENGTH)
