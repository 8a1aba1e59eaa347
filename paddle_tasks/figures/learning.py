"""Learning curves, of one run and of several side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import COLOURS, line_of, names_of, new_figure, style, title_of
from paddle_tasks.metrics import SHOWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Iterable[Mapping[str, Any]]
Points = tuple[Array, Array]
"""Steps <int64>[points] and values <float64>[points]."""

LOSS, RATE, DEV = "train/loss", "train/learning_rate", "dev/"
_MOST_METRICS = 6
_WIDTH, _HEIGHT = 4.2, 3.4


def learning_curves(records: Records, title: str = "", metrics: Sequence[str] = ()) -> Figure:
    """Draw one run: its losses, its dev metrics, and its learning rate, by optimiser step.

    The train loss is pale, and strong as a moving mean.

    Args:
        records: of metrics.jsonl, with ``step``, ``tag`` and ``value``.
        title: the run.
        metrics: of dev, those that are shown; the usual headlines when none are named, and without these the first six.
    """
    known, title = points_of(records), title_of(title)
    of_dev = [tag.removeprefix(DEV) for tag in known if tag.startswith(DEV) and not tag.endswith("loss")]
    shown = [name for name in metrics or SHOWN if name in of_dev] or of_dev[:_MOST_METRICS]
    rates = [tag for tag in known if tag.startswith(RATE)]
    with style(title, *known):
        panels = ["loss"] + ["dev metrics"] * bool(shown) + ["learning rate"] * bool(rates)
        figure, axes = _panels(panels, title)
        if LOSS in known:
            steps, values = known[LOSS]
            axes["loss"].plot(steps, values, color=COLOURS[0], alpha=0.3, linewidth=0.8, label="train")
            axes["loss"].plot(steps, smoothed(values), color=COLOURS[0], linewidth=2, label="train, moving mean")
        if f"{DEV}loss" in known:
            axes["loss"].plot(*known[f"{DEV}loss"], "o-", color=COLOURS[1], label="dev")
        for order, name in enumerate(shown):
            axes["dev metrics"].plot(*known[DEV + name], marker="o", markersize=4, **line_of(order), label=name)
        for order, tag in enumerate(rates):
            axes["learning rate"].plot(*known[tag], **line_of(order), label=tag.removeprefix(RATE).lstrip("/"))
        if rates:
            axes["learning rate"].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        _legends(axes.values())
    return figure


def comparison(runs: Mapping[str, Records], metric: str = "accuracy", title: str = "") -> Figure:
    """Draw several runs in the same panels: the moving mean of their train losses, their dev losses, a dev metric.

    Args:
        runs: the records of metrics.jsonl by the run's name.
        metric: of dev; runs without it are left out of its panel.
        title: what is compared.
    """
    names, title = names_of(list(runs), "run"), title_of(title)
    known = [points_of(records) for records in runs.values()]
    tags = {"train loss, moving mean": LOSS, "dev loss": f"{DEV}loss", f"dev {metric}": DEV + metric}
    there = {panel: tag for panel, tag in tags.items() if any(tag in points for points in known)}
    with style(title, metric, *names):
        figure, axes = _panels(list(there) or ["train loss"], title)
        drawn: dict[str, Any] = {}
        for panel, tag in there.items():
            for order, (name, points) in enumerate(zip(names, known, strict=True)):
                if tag in points:
                    steps, values = points[tag]
                    marks: dict[str, Any] = {} if tag == LOSS else {"marker": "o", "markersize": 4}
                    curve = smoothed(values) if tag == LOSS else values
                    (drawn[name],) = axes[panel].plot(steps, curve, **line_of(order), **marks)
        if drawn:
            ordered = [name for name in names if name in drawn]
            handles = [drawn[name] for name in ordered]
            figure.legend(handles, ordered, loc="outside lower center", ncols=min(4, len(ordered)), fontsize=8)
    return figure


def points_of(records: Records) -> dict[str, Points]:
    """Return the finite points of each tag, by step; of a step that is there twice the later record."""
    found: dict[str, dict[int, float]] = {}
    for record in records:
        value, tag, step = (record.get(name) for name in ("value", "tag", "step"))
        if isinstance(value, (int, float)) and np.isfinite(value) and isinstance(tag, str) and isinstance(step, int):
            found.setdefault(tag, {})[step] = value
    return {tag: _in_order(values) for tag, values in found.items()}


def _in_order(values: Mapping[int, float]) -> Points:
    steps = sorted(values)
    return np.array(steps, dtype=np.int64), np.array([values[step] for step in steps], dtype=np.float64)


def smoothed(values: Array) -> Array:
    """Return the mean <float64>[points] of each point and its neighbours, a twenty-fifth of all of them."""
    width = 2 * (len(values) // 50) + 1
    # Where there are fewer neighbours, at both ends, the mean is of these.
    counts = np.convolve(np.ones(len(values)), np.ones(width), "same")
    return np.asarray(np.convolve(values, np.ones(width), "same") / counts)


def _panels(names: Sequence[str], title: str) -> tuple[Figure, dict[str, Axes]]:
    figure = new_figure(_WIDTH * len(names), _HEIGHT + 0.3 * bool(title))
    row = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(row, names, strict=True):
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("optimiser step")
        axes.grid()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, dict(zip(names, row, strict=True))


def _legends(panels: Iterable[Axes]) -> None:
    for axes in panels:
        handles, texts = axes.get_legend_handles_labels()
        if any(texts):
            axes.legend(handles, texts, fontsize=8)
