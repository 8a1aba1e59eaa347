"""What libraries warn of, told in one plain sentence when the command has ended."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddle_tasks.cli.output import print_notice
from paddle_tasks.cli.verbosity import verbosity
from paddle_tasks.files import is_dir
from paddle_tasks.language import _, plural

_MISSING_GLYPHS = "MissingGlyphs"


class Notices(logging.Handler):
    """Collects warnings and log messages that nobody else handles, instead of showing them at once.

    Attributes:
        texts: what was said, without repetitions, in the order of its arrival.
        lacks_font: whether pictures lack characters.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: dict[str, None] = {}
        self.lacks_font = False

    def show_warning(self, message: Any, category: type[Warning], filename: str, lineno: int, *_others: Any) -> None:
        """Take a warning in place of `warnings.showwarning`."""
        if category.__name__ == _MISSING_GLYPHS:
            self.lacks_font = True
        else:
            self.texts[f"{category.__name__}: {' '.join(str(message).split())} ({filename}:{lineno})"] = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log message in place of `logging.lastResort`."""
        self.texts[f"{record.name}: {' '.join(record.getMessage().split())}"] = None

    def report(self, seconds: float) -> None:
        """Print the collected notes on stderr."""
        if verbosity.quiet:
            return
        if self.lacks_font:
            print_notice(missing_font())
        if verbosity.verbose:
            for text in self.texts:
                print_notice(_("warning of a library: {text}").format(text=text))
            print_notice(_describe_process(seconds))
        elif self.texts:
            print_notice(
                plural(
                    "note: {count} warning of a library left out; -v shows it",
                    "note: {count} warnings of libraries left out; -v shows them",
                    len(self.texts),
                )
            )


@contextlib.contextmanager
def collected() -> Iterator[None]:
    """Collect warnings within the block, and report them behind it."""
    notices, start = Notices(), time.monotonic()
    show, last_resort = warnings.showwarning, logging.lastResort
    warnings.showwarning, logging.lastResort = notices.show_warning, notices  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.showwarning, logging.lastResort = show, last_resort
        notices.report(time.monotonic() - start)


def note_interrupted(run: Path) -> None:
    """Say on stderr that the training of a run was interrupted, if it was; its best model so far is used."""
    from paddle_tasks.errors import DataError
    from paddle_tasks.training.result import RunResult

    try:
        result = RunResult.read(run) if is_dir(run) else None
    except (DataError, OSError):  # whoever needs the file reports it
        return
    if result is not None and result.status == "interrupted":
        message = _("note: {run} was interrupted after step {step}; this is its best model so far")
        print_notice(message.format(run=run, step=result.train.optimizer_steps))


def missing_font() -> str:
    """Return the note about a font that is missing, with the command that installs one here."""
    from paddle_tasks.doctor.fonts import font_install

    message = _("note: some pictures show numbers in place of Chinese words, for want of a font; install one: {advice}")
    return message.format(advice=font_install())


def _describe_process(seconds: float) -> str:
    """Return the time that a command took, and the device if it used Paddle."""
    paddle: Any = sys.modules.get("paddle")
    device = f", {paddle.device.get_device()}, paddle {paddle.__version__}" if hasattr(paddle, "device") else ""
    return _("took {seconds:.1f} s{device}").format(seconds=seconds, device=device)
