"""Learning curves of one run, and of several runs for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.canvas import COLOURS, display_names, line_style, new_figure, printable_title, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Iterable[Mapping[str, Any]]
Points = tuple[Array, Array]
"""Steps ``<int64>[points]`` and values ``<float64>[points]``."""

LOSS, RATE, DEV = "train/loss", "train/learning_rate", "dev/"
_MAX_METRICS = 6
_WIDTH, _HEIGHT = 4.2, 3.4  # of a chart, in inches


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
    with style(title, *points):
        names = ["loss"] + ["dev metrics"] * bool(shown) + ["learning rate"] * bool(rates)
        figure, axes = _charts(names, title)
        if LOSS in points:
            steps, values = points[LOSS]
            axes["loss"].plot(steps, values, color=COLOURS[0], alpha=0.3, linewidth=0.8, label="train")
            axes["loss"].plot(steps, moving_mean(values), color=COLOURS[0], linewidth=2, label="train, moving mean")
        if f"{DEV}loss" in points:
            axes["loss"].plot(*points[f"{DEV}loss"], "o-", color=COLOURS[1], label="dev")
        for index, name in enumerate(shown):
            axes["dev metrics"].plot(*points[DEV + name], marker="o", markersize=4, **line_style(index), label=name)
        for index, tag in enumerate(rates):
            axes["learning rate"].plot(*points[tag], **line_style(index), label=tag.removeprefix(RATE).lstrip("/"))
        if rates:
            axes["learning rate"].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        _add_legends(axes.values())
    return figure


def comparison(runs: Mapping[str, Records], metric: str = "accuracy", title: str = "") -> Figure:
    """Draw the train losses (moving means), the dev losses and a dev metric of several runs.

    Args:
        runs: the records of metrics.jsonl by run name.
        metric: the dev metric; runs without it are left out of its chart.
        title: the title of the figure.
    """
    names, title = display_names(list(runs), "run"), printable_title(title)
    points_of_runs = [read_points(records) for records in runs.values()]
    tags = {"train loss, moving mean": LOSS, "dev loss": f"{DEV}loss", f"dev {metric}": DEV + metric}
    charts = {chart: tag for chart, tag in tags.items() if any(tag in points for points in points_of_runs)}
    with style(title, metric, *names):
        figure, axes = _charts(list(charts) or ["train loss"], title)
        lines: dict[str, Any] = {}
        for chart, tag in charts.items():
            for index, (name, points) in enumerate(zip(names, points_of_runs, strict=True)):
                if tag in points:
                    steps, values = points[tag]
                    markers: dict[str, Any] = {} if tag == LOSS else {"marker": "o", "markersize": 4}
                    curve = moving_mean(values) if tag == LOSS else values
                    (lines[name],) = axes[chart].plot(steps, curve, **line_style(index), **markers)
        if lines:
            drawn = [name for name in names if name in lines]
            handles = [lines[name] for name in drawn]
            figure.legend(handles, drawn, loc="outside lower center", ncols=min(4, len(drawn)), fontsize=8)
    return figure


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
        axes.set_xlabel("optimiser step")
        axes.grid()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, dict(zip(names, row, strict=True))


def _add_legends(charts: Iterable[Axes]) -> None:
    for axes in charts:
        handles, texts = axes.get_legend_handles_labels()
        if any(texts):
            axes.legend(handles, texts, fontsize=8)
