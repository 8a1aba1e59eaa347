"""What tests of several folders share: the command line in this process or in one of its own, and the public data."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from paddle_tasks import language
from paddle_tasks.cli import main
from paddle_tasks.onednn import library

Test = TypeVar("Test", bound=Callable[..., Any])
ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PADDLE_TASKS_DATA", ROOT.parent / "shared" / "data"))
CHNSENTICORP = DATA / "sentiment" / "chnsenticorp"
IMDB = DATA / "sentiment" / "imdb" / "aclImdb_labelled.tar.gz"

_DNN = library.get()
needs_bfloat16 = pytest.mark.skipif(
    _DNN is None or not _DNN.can_bfloat16, reason="oneDNN has no bfloat16 for this CPU, or cannot be used"
)
"""Marks a test of products in bfloat16, also where they are not faster than those in float32."""


def needs(path: Path) -> Callable[[Test], Test]:
    """Mark a test of real data: it is long, and it is skipped where the data is absent."""
    reason = f"no {path.relative_to(DATA)} in {DATA}; PADDLE_TASKS_DATA names the folder of the data sets"

    def mark(test: Test) -> Test:
        return pytest.mark.long(pytest.mark.skipif(not path.exists(), reason=reason)(test))

    return mark


needs_chnsenticorp = needs(CHNSENTICORP)
needs_imdb = needs(IMDB)


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    code: int
    stdout: str
    stderr: str


class CommandLine:
    """Runs commands in this process, where Paddle is loaded already."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Outcome:
        """Run ``paddle-tasks`` with these arguments, and with ``stdin`` as its standard input."""
        self.monkeypatch.setattr(sys, "argv", ["paddle-tasks", *map(str, arguments)])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        self.capsys.readouterr()
        before = {name: os.environ[name] for name in (language.VARIABLE,) if name in os.environ}
        with pytest.raises(SystemExit) as ended, language.using(language.current()):
            main()
        os.environ.pop(language.VARIABLE, None)  # --language lasts as long as the process, which is that of all tests
        os.environ.update(before)
        return Outcome(int(ended.value.code or 0), *self.capsys.readouterr())

    def fails(self, *arguments: object) -> str:
        """Run a command that has to end as the user's mistake, and return its one message."""
        outcome = self(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.stdout == ""
        assert outcome.stderr.count("paddle-tasks: ") == 1
        assert outcome.stderr.startswith("paddle-tasks: ") or "\npaddle-tasks: " in outcome.stderr
        assert "Traceback" not in outcome.stderr
        return outcome.stderr


def python(code: str, **environment: str | None) -> Outcome:
    """Run a piece of Python in a process of its own; a variable given as None is unset."""
    return run_process([sys.executable, "-c", code], **environment)


def run_process(command: Sequence[str], **environment: str | None) -> Outcome:
    """Run a command in a process of its own; a variable given as None is unset."""
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def table(path: Path, *rows: Sequence[str], separator: str = "\t") -> Path:
    """Write a table and return its path."""
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    return path
