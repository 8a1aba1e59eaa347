"""A terminal of 80 columns for tests: commands in a process of their own, and texts as they are read there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

from paddle_tasks.wrapping import width_of

WIDTH = 80
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(*arguments: object, language: str = "en", **environment: str) -> tuple[int, str]:
    """Run ``paddle-tasks`` in a pseudo-terminal; return its exit code and what it showed, without colours."""
    shown, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    variables |= {"TERM": "xterm-256color", "PADDLE_TASKS_LANGUAGE": language, **environment}
    command = [sys.executable, "-m", "paddle_tasks", *map(str, arguments)]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=variables) as child:
        os.close(inner)
        output = b"".join(_read(shown))
    os.close(shown)
    return child.returncode, _CONTROL.sub("", output.decode("utf-8")).replace("\r\n", "\n")


def _read(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # the child has ended
            return
        if not part:
            return
        yield part


def too_wide(text: str) -> list[str]:
    """Return the lines that a terminal would break; a bar returns to the beginning of its line."""
    return [part for line in text.splitlines() for part in line.split("\r") if width_of(part) > WIDTH]
