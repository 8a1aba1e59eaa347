"""What VisualDL shows of a run besides its scalars, and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from paddle import nn

from paddle_tasks import config as configuration
from paddle_tasks.language import _
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.panels import Panels, weight_histograms, worst_errors
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.settings import RunSection
from paddle_tasks.training.tracking import Tracker

_MAX_TIMES = 10
"""VisualDL keeps no more than 10 images of a tag."""
_WITHOUT_EFFECT = ("run_dir", "logging.")
"""Settings that have no effect on scores."""


def without_failing(show: Callable[..., None], notify: Callable[[str], None]) -> Callable[..., None]:
    """Return a function that reports an error instead of raising it: a picture must not end a training run."""

    def show_or_notify(*arguments: Any) -> None:
        try:
            show(*arguments)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            notify(_("VisualDL's log is incomplete ({part}): {fault}").format(part=show.__name__, fault=fault))

    return show_or_notify


def show_run_info(tracker: Tracker, config: RunSection, splits: Iterable[str], model: nn.Layer) -> None:
    """Show the settings of a run with the tags of its scores, and the graph of its model."""
    if tracker.shows("normal"):
        metrics = dict.fromkeys((config.evaluation.metric, "loss"))  # distinct, in this order
        tags = [f"{name}/{metric}" for name in splits if name != "train" for metric in metrics]
        tracker.write_run_info(effective_settings(config), tags, model)


def effective_settings(config: RunSection) -> dict[str, Any]:
    """Return the settings that are set and may have an effect on scores, by dotted key."""
    # VisualDL cannot compare a key that is a number in one run and null in another; a missing key is no problem.
    values = configuration.flatten(config.model_dump(mode="json"))
    return {name: value for name, value in values if value is not None and not name.startswith(_WITHOUT_EFFECT)}


def shows_panels(loop: Loop, every_steps: int | None) -> bool:
    """Return whether panels are shown at this evaluation: at most ten times in a run, evenly spread, and at its end.

    Args:
        loop: the loop at the step of the evaluation.
        every_steps: the number of steps between evaluations; None is an epoch.
    """
    steps = every_steps or loop.steps_per_epoch
    number, last = math.ceil(loop.progress.step / steps), math.ceil(loop.total_steps / steps)
    return number == last or number % math.ceil(last / _MAX_TIMES) == 0


def show_progress(tracker: Tracker, loop: Loop, evaluation: Evaluation, every_steps: int | None) -> None:
    """Show an evaluation of the dev split, and the weights; `shows_panels` explains the arguments."""
    show_evaluation(tracker, loop.progress.step, "dev", evaluation, with_panels=shows_panels(loop, every_steps))
    show_weights(tracker, loop.progress.step, loop.model)


def show_evaluation(
    tracker: Tracker, step: int, split: str, evaluation: Evaluation, *, with_panels: bool = True
) -> None:
    """Show the texts of an evaluation, and its panels while the model has the weights that were scored."""
    tracker.write_texts(step, _under(split, evaluation.texts))
    if with_panels and tracker.shows("normal"):
        tracker.write_panels(step, Panels(texts=worst_errors(evaluation.error_records())).under(split))
        tracker.write_panels(step, evaluation.panels().under(split))


def show_vectors(
    tracker: Tracker, step: int, split: str, evaluation: Evaluation, autocast: Callable[[], AbstractContextManager[Any]]
) -> None:
    """Show the vectors of a split, computed under ``autocast``; VisualDL shows only the first ones of a tag."""
    if tracker.shows("normal"):
        with autocast():
            tracker.write_panels(step, evaluation.vectors().under(split))


def show_weights(tracker: Tracker, step: int, model: nn.Layer) -> None:
    """Show histograms of the weights."""
    if tracker.shows("full"):
        tracker.write_panels(step, weight_histograms(model))


def _under(split: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {f"{split}/{tag}": text for tag, text in texts.items()}
