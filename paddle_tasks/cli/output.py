"""Print results to stdout."""

from __future__ import annotations

import codecs
import re
import sys
from typing import Any

from paddle_tasks.wrapping import columns, width_of, wrap

_INDENT = re.compile(" *")
_NOT_ASCII = re.compile("[^\x00-\x7f]")


def print_text(text: str) -> None:
    """Print a text and a line break."""
    sys.stdout.write(text + "\n")


def print_lines(text: str, hanging: str = "") -> None:
    """Print a text; on a terminal its lines are wrapped, and go on below their beginning and ``hanging``."""
    print_text(wrapped(text, hanging) if sys.stdout.isatty() else text)


def print_notice(text: str, hanging: str = "  ") -> None:
    """Print a message on stderr, wrapped if that is a terminal."""
    sys.stderr.write((wrapped(text, hanging) if sys.stderr.isatty() else text) + "\n")


def wrapped(text: str, hanging: str = "") -> str:
    """Return a text whose lines fit the terminal and keep their indents.

    Args:
        text: any number of lines.
        hanging: what the continued lines begin with behind the indent of their line.
    """
    return "\n".join(row for line in text.splitlines() for row in _wrapped_line(line, hanging))


def _wrapped_line(line: str, hanging: str) -> list[str]:
    if width_of(line) <= columns():
        return [line]
    indent = (_INDENT.match(line) or [""])[0]
    return wrap(line, columns(), indent, indent + hanging)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    from paddle_tasks.files import to_json

    write_json_text(to_json(value, indent=2) + "\n")


def write_json_text(text: str) -> None:
    """Write JSON to stdout; it is valid whatever the encoding of stdout.

    Readers of JSON expect UTF-8. If stdout has another encoding, every character that is not ASCII is escaped.
    """
    sys.stdout.write(text if _is_utf_8(sys.stdout.encoding) else _NOT_ASCII.sub(_escape, text))


def _is_utf_8(encoding: str | None) -> bool:
    try:
        return codecs.lookup(encoding or "utf-8").name == "utf-8"
    except LookupError:
        return False


def _escape(match: re.Match[str]) -> str:
    r"""Return a character as JSON escapes it: ``\ud83d\ude00`` for 😀."""
    units = match[0].encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))
