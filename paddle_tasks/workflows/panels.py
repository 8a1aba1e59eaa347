"""What of a run is shown besides its figures, and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from paddle import nn

from paddle_tasks import config as configuration
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.panels import Panels, weight_histograms, worst
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.settings import RunSection
from paddle_tasks.training.tracking import Tracker

_MOST_TIMES = 10
_NO_SETTINGS = ("run_dir", "logging.")  # they have no bearing on scores


def safely(show: Callable[..., None], tell: Callable[[str], None]) -> Callable[..., None]:
    """Return what shows and tells what goes wrong: pictures end no training."""

    def shown(*what: Any) -> None:
        try:
            show(*what)
        except Exception as error:
            tell(f"VisualDL's log lacks something ({show.__name__}): {type(error).__name__}: {error}")

    return shown


def introduce(tracker: Tracker, config: RunSection, splits: Iterable[str], model: nn.Layer) -> None:
    """Show a run's settings, beside the scores of its splits, and its model."""
    if tracker.shows("normal"):
        metrics = dict.fromkeys((config.evaluation.metric, "loss"))  # once where they are the same
        scores = [f"{name}/{metric}" for name in splits if name != "train" for metric in metrics]
        tracker.introduce(settings_of(config), scores, model)


def settings_of(config: RunSection) -> dict[str, Any]:
    """Return what is set and may have a bearing on scores, by dotted keys."""
    # A key that is a number in one run and null in another would be neither for VisualDL, which may lack keys.
    values = configuration.flat(config.model_dump(mode="json"))
    return {name: value for name, value in values if value is not None and not name.startswith(_NO_SETTINGS)}


def is_due(loop: Loop, every_steps: int | None) -> bool:
    """Tell whether panels are shown at an evaluation: ten times in a run at most, equally far apart, and at its end.

    VisualDL keeps no more images of a tag.

    Args:
        loop: which stands where the evaluation is.
        every_steps: how far evaluations are apart; None is an epoch.
    """
    steps = every_steps or loop.steps_per_epoch
    place, last = math.ceil(loop.progress.step / steps), math.ceil(loop.total_steps / steps)
    return place == last or place % math.ceil(last / _MOST_TIMES) == 0


def show_progress(tracker: Tracker, loop: Loop, evaluation: Evaluation, every_steps: int | None) -> None:
    """Show what the dev split and the weights are like after a step; the arguments are those of `is_due`."""
    show_scored(tracker, loop.progress.step, "dev", evaluation, in_full=is_due(loop, every_steps))
    show_weights(tracker, loop.progress.step, loop.model)


def show_scored(tracker: Tracker, step: int, name: str, evaluation: Evaluation, *, in_full: bool = True) -> None:
    """Show what an evaluation gives to look at, or its texts alone; the model has the weights that were scored."""
    tracker.texts(step, _under(name, evaluation.texts))
    if in_full and tracker.shows("normal"):
        tracker.show(step, Panels(texts=worst(evaluation.wrong())).under(name))
        tracker.show(step, evaluation.panels().under(name))


def show_vectors(
    tracker: Tracker, step: int, name: str, evaluation: Evaluation, autocast: Callable[[], AbstractContextManager[Any]]
) -> None:
    """Show the vectors of a split, computed under ``autocast``; VisualDL looks at the first of a tag alone."""
    if tracker.shows("normal"):
        with autocast():
            tracker.show(step, evaluation.vectors().under(name))


def show_weights(tracker: Tracker, step: int, model: nn.Layer) -> None:
    """Show what the weights are like."""
    if tracker.shows("full"):
        tracker.show(step, weight_histograms(model))


def _under(name: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}/{tag}": text for tag, text in texts.items()}
