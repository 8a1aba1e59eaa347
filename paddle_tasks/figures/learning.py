"""Learning curves of one run, and of several runs for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import (
    COLOURS,
    display_names,
    line_style,
    new_figure,
    printable_title,
    style,
    text_width,
)
from paddle_tasks.figures.fonts import caption, legible
from paddle_tasks.metrics.names import metric_name, score_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Iterable[Mapping[str, Any]]
Points = tuple[Array, Array]
"""Steps ``<int64>[points]`` and values ``<float64>[points]``."""

TRAIN, LOSS, RATE, DEV = "train/", "train/loss", "train/learning_rate", "dev/"
_MAX_METRICS = 6
_MAX_RUN_NAME = 64
_WIDTH, _HEIGHT = 4.2, 3.4  # of a chart, in inches
_LEGEND_SIZE, _HANDLE = 8, 0.7
"""Of the common legend: the font size in points, and the width in inches of a line with its gaps."""


def learning_curves(records: Records, title: str = "", metrics: Sequence[str] = ()) -> Figure:
    """Draw the losses, the dev metrics and the learning rate of one run by optimiser step.

    The train loss is drawn faintly, and its moving mean in full colour.

    Args:
        records: the records of metrics.jsonl, with ``step``, ``tag`` and ``value``.
        title: the title of the figure.
        metrics: the dev metrics to show; if the run has none of these, the first six.
    """
    points, title = read_points(records), printable_title(title)
    dev_metrics = [tag.removeprefix(DEV) for tag in points if tag.startswith(DEV) and not tag.endswith("loss")]
    shown = [name for name in metrics if name in dev_metrics] or dev_metrics[:_MAX_METRICS]
    rates = [tag for tag in points if tag.startswith(RATE)]
    loss, scores, rate = caption("loss"), caption("dev metrics"), caption("learning rate")
    with style(title, loss, scores, rate, *points, *map(metric_name, shown), *_captions()):
        figure, axes = _charts([loss, *[scores] * bool(shown), *[rate] * bool(rates)], title)
        _draw_losses(axes[loss], points)
        for index, name in enumerate(shown):
            label = legible(metric_name(name), name)
            axes[scores].plot(*points[DEV + name], marker="o", markersize=4, **line_style(index), label=label)
        for index, tag in enumerate(rates):
            axes[rate].plot(*points[tag], **line_style(index), label=tag.removeprefix(RATE).lstrip("/"))
        if rates:
            axes[rate].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        _add_legends(axes.values())
    return figure


def _draw_losses(axes: Axes, points: Mapping[str, Points]) -> None:
    if LOSS in points:
        steps, values = points[LOSS]
        train, mean = _captions()[:2]
        axes.plot(steps, values, color=COLOURS[0], alpha=0.3, linewidth=0.8, label=train)
        axes.plot(steps, moving_mean(values), color=COLOURS[0], linewidth=2, label=mean)
    if f"{DEV}loss" in points:
        axes.plot(*points[f"{DEV}loss"], "o-", color=COLOURS[1], label=caption("dev"))


def _captions() -> tuple[str, ...]:
    """Return the texts that every chart may have."""
    return caption("train"), caption("train, moving mean"), caption("dev"), caption("optimiser step")


def comparison(runs: Mapping[str, Records], metric: str = "accuracy", title: str = "") -> Figure:
    """Draw the train losses (moving means), the dev losses and a dev metric of several runs.

    The score of a baseline, which has no steps, is drawn as a level.

    Args:
        runs: the records of metrics.jsonl by run name.
        metric: the dev metric; runs without it are left out of its chart.
        title: the title of the figure.
    """
    names, title = display_names(list(runs), "run", _MAX_RUN_NAME), printable_title(title)
    points_of_runs = [read_points(records) for records in runs.values()]
    score = legible(score_name("dev", metric), f"dev {metric}")
    tags = {
        caption("train loss, moving mean"): LOSS,
        legible(score_name("dev", "loss"), "dev loss"): f"{DEV}loss",
        score: DEV + metric,
    }
    charts = {chart: tag for chart, tag in tags.items() if any(tag in points for points in points_of_runs)}
    with style(title, *tags, *names, *_captions()):
        figure, axes = _charts(list(charts) or list(tags)[:1], title)
        lines: dict[str, Any] = {}
        for chart, tag in charts.items():
            for index, (name, points) in enumerate(zip(names, points_of_runs, strict=True)):
                if tag in points:
                    lines[name] = _draw_run(axes[chart], points, tag, index)
        if lines:
            drawn = [name for name in names if name in lines]
            _add_common_legend(figure, [lines[name] for name in drawn], drawn)
    return figure


def _draw_run(axes: Axes, points: Mapping[str, Points], tag: str, index: int) -> Any:
    """Draw one curve, or the level of a baseline, and return its line."""
    steps, values = points[tag]
    if is_baseline(points):
        return axes.axhline(float(values[-1]), **line_style(index))
    markers: dict[str, Any] = {} if tag == LOSS else {"marker": "o", "markersize": 4}
    (line,) = axes.plot(steps, moving_mean(values) if tag == LOSS else values, **line_style(index), **markers)
    return line


def _add_common_legend(figure: Figure, lines: Sequence[Any], names: Sequence[str]) -> None:
    """Add the legend of all charts, in as many columns as fit into the width of the figure."""
    fitting = int(figure.get_figwidth() / (text_width(names, _LEGEND_SIZE) + _HANDLE))
    columns = max(1, min(4, fitting, len(names)))
    figure.legend(lines, names, loc="outside lower center", ncols=columns, fontsize=_LEGEND_SIZE)


def is_baseline(tags: Iterable[str]) -> bool:
    """Return whether a run with these tags was fitted at once: it has scores, but nothing of training steps."""
    return not any(tag.startswith(TRAIN) for tag in tags)


def read_points(records: Records) -> dict[str, Points]:
    """Return the finite points of each tag, sorted by step; if a step is repeated, its last record counts."""
    values_by_step: dict[str, dict[int, float]] = {}
    for record in records:
        value, tag, step = (record.get(name) for name in ("value", "tag", "step"))
        if isinstance(value, (int, float)) and np.isfinite(value) and isinstance(tag, str) and isinstance(step, int):
            values_by_step.setdefault(tag, {})[step] = value
    return {tag: _sort_by_step(values) for tag, values in values_by_step.items()}


def _sort_by_step(values: Mapping[int, float]) -> Points:
    steps = sorted(values)
    return np.array(steps, dtype=np.int64), np.array([values[step] for step in steps], dtype=np.float64)


def moving_mean(values: Array) -> Array:
    """Return the centred moving mean ``<float64>[points]`` over a twenty-fifth of the points."""
    width = 2 * (len(values) // 50) + 1
    # At both ends the mean is over fewer points.
    counts = np.convolve(np.ones(len(values)), np.ones(width), "same")
    return np.asarray(np.convolve(values, np.ones(width), "same") / counts)


def _charts(names: Sequence[str], title: str) -> tuple[Figure, dict[str, Axes]]:
    figure = new_figure(_WIDTH * len(names), _HEIGHT + 0.3 * bool(title))
    row = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(row, names, strict=True):
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(caption("optimiser step"))
        axes.grid()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, dict(zip(names, row, strict=True))


def _add_legends(charts: Iterable[Axes]) -> None:
    for axes in charts:
        handles, texts = axes.get_legend_handles_labels()
        if any(texts):
            axes.legend(handles, texts, fontsize=8)
