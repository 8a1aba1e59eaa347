"""Progress of training in a notebook: a bar, loss, score, time left and a curve; and what an interrupt says."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddle_tasks.errors import Interrupted
from paddle_tasks.language import _
from paddle_tasks.metrics.names import score_name
from paddle_tasks.training.display_html import escape
from paddle_tasks.training.display_text import format_duration
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.session import CheckpointReport, EvaluationReport
from paddle_tasks.training.trainer import InputReport, Observer
from paddle_tasks.workflows.curve import LOSS_COLOUR, SCORE_COLOUR, Series, draw

_SECONDS_BETWEEN_UPDATES = 0.5
_SMOOTHING = 0.9
_MAX_NOTES = 8
"""The last notes are shown; a long sweep has many."""
_BAR = "height:.6em;border-radius:.3em;background:rgba(128,128,128,.25);max-width:560px;margin:.3em 0"
_SMALL = "font-size:.85em;opacity:.8;overflow-wrap:anywhere"


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@contextlib.contextmanager
def observing(observe: Observer | None, folder: str | Path, *, progress: bool) -> Iterator[Observer]:
    """Yield what observes a run: ``observe``, else in a notebook its progress, else nothing.

    Args:
        observe: is called with every event.
        folder: the folder of the run, for the message when it is interrupted.
        progress: whether a notebook shows progress.

    Raises:
        Interrupted: in a notebook, where Ctrl-C or the stop button has stopped the run; one sentence says how to go on.
    """
    if not in_notebook():
        yield observe or ignore_events
        return
    display = ProgressDisplay() if progress and observe is None else None
    try:
        yield observe or (display.show if display else ignore_events)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(
            _("{folder}: stopped; run this cell again to go on from here").format(folder=folder)
        ) from None
    finally:
        if display:
            display.finish()


def ignore_events(event: object) -> None:
    """Ignore an event of a run."""


class ProgressDisplay:
    """Shows the events of training runs, one run after another, in one place of a notebook."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown_at = -math.inf
        self._inputs: dict[str, None] = {}  # the runs of a sweep have the same
        self._notes: list[str] = []
        self._start()

    def _start(self) -> None:
        """Forget the steps of the run before."""
        self._step: StepReport | None = None
        self._loss = self._seconds = math.nan
        self._losses, self._scores, self._score = Series(), Series(), ""

    def show(self, event: Any) -> None:
        """Show an event; of many steps in a short time the last."""
        if isinstance(event, StepReport):
            self._add_step(event)
        elif isinstance(event, EvaluationReport):
            self._add_score(event)
        elif isinstance(event, InputReport):
            self._inputs |= dict.fromkeys(event.text.splitlines())
        elif not isinstance(event, CheckpointReport):
            self._notes.append(event.text)
        if time.monotonic() - self._shown_at >= _SECONDS_BETWEEN_UPDATES:
            self.update()

    def _add_step(self, report: StepReport) -> None:
        if self._step and report.step <= self._step.step:  # the next run of a sweep has begun
            self._start()
        self._step = report
        self._loss, self._seconds = _smooth(self._loss, report.loss), _smooth(self._seconds, report.seconds)
        self._losses.add(report.step, self._loss)

    def _add_score(self, report: EvaluationReport) -> None:
        value = float(report.metrics[report.metric])
        self._scores.add(report.step, value)
        self._score = f"{score_name('dev', report.metric)} {value:.4f}"

    def update(self) -> None:
        """Show what is known, now."""
        from IPython.display import display

        self._shown_at = time.monotonic()
        data = {"text/html": self.to_html(), "text/plain": self._status()}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(data, raw=True)

    def finish(self) -> None:
        """Show the last state, if there was any event."""
        if self._lines or self._step:
            self.update()

    # ---- drawing

    @property
    def _lines(self) -> list[str]:
        return [*self._inputs, *self._notes[-_MAX_NOTES:]]

    def to_html(self) -> str:
        """Return what is shown, as an HTML fragment."""
        lines = "".join(f'<div style="{_SMALL}">{escape(line)}</div>' for line in self._lines)
        if self._step is None:
            return f"<div>{lines}</div>"
        share = self._step.step / self._step.total_steps
        done = f"width:{100 * share:.1f}%;height:100%;border-radius:.3em;background:{LOSS_COLOUR}"
        bar = f'<div style="{_BAR}"><div style="{done}"></div></div>'
        curve = draw(self._losses.points, self._scores.points, self._status())
        return f"<div>{lines}{bar}<div>{self._legend()}</div>{curve}</div>"

    def _legend(self) -> str:
        """Return the status with the colours of the curves."""
        place, loss, score, left = map(escape, self._parts())
        parts = [place, f"{_dot(LOSS_COLOUR)}{loss}", score and f"{_dot(SCORE_COLOUR)}{score}", left]
        return " · ".join(filter(None, parts))

    def _status(self) -> str:
        return " · ".join(filter(None, self._parts())) if self._step else "\n".join(self._lines)

    def _parts(self) -> tuple[str, str, str, str]:
        """Return where training is, the loss, the score and the time left; empty if not known."""
        report = self._step
        if report is None:
            return "", "", "", ""
        place = _("epoch {epoch}, step {step:,} of {steps:,}").format(
            epoch=report.epoch, step=report.step, steps=report.total_steps
        )
        n_left = report.total_steps - report.step
        left = _("{time} left").format(time=format_duration(n_left * self._seconds)) if n_left else ""
        return place, _("loss {loss:.4f}").format(loss=self._loss), self._score, left


def _smooth(before: float, value: float) -> float:
    """Return a moving average, since single values change too fast to be read."""
    return value if math.isnan(before) else _SMOOTHING * before + (1 - _SMOOTHING) * value


def _dot(colour: str) -> str:
    return f'<span style="color:{colour}">●</span> '
