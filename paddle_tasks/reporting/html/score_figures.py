"""Figures of runs: learning curves of all of them, and of one its confusion, its curves and its calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.learning import moving_mean
from paddle_tasks.language import _, join, label_name
from paddle_tasks.metrics.calibration import compute_calibration
from paddle_tasks.metrics.curves import area_under_roc, average_precision, exact_counts
from paddle_tasks.metrics.names import score_name
from paddle_tasks.reporting.html.blocks import Figure
from paddle_tasks.reporting.html.charts import Axes, Line, bar_chart, column_chart, line_chart, matrix_chart
from paddle_tasks.reporting.html.runs import StudiedRun
from paddle_tasks.reporting.html.study import Study

MAX_LINES = 8
"""Lines of a chart at most."""
_MAX_LABELS = 20
"""Labels of a matrix at most; of more, the pairs that are confused most often are listed."""
_MAX_CURVES = 4
_MAX_PAIRS = 20
_TRAIN_LOSS = "train/loss"


# ---- learning curves


def learning_figures(runs: Sequence[StudiedRun], metric: str) -> Iterator[Figure]:
    """Yield the curves of train loss, dev loss and the metric on dev of runs, by optimiser step."""
    charts = {
        _TRAIN_LOSS: _("train loss, moving mean"),
        "dev/loss": score_name("dev", "loss"),
        f"dev/{metric}": score_name("dev", metric),
    }
    for tag, title in charts.items():
        lines = [line for run in runs if (line := _curve(run, tag))][:MAX_LINES]
        if lines:
            axes = Axes(_("optimiser step"), "")
            yield Figure(line_chart(lines, axes, title, _describe_ends(lines)), title)


def _curve(run: StudiedRun, tag: str) -> Line | None:
    if tag not in run.curves:
        return None
    steps, values = run.curves[tag]
    if run.is_baseline:  # a level, drawn through one point
        return Line(run.name, steps[-1:], values[-1:])
    return Line(run.name, steps, moving_mean(values) if tag == _TRAIN_LOSS else values)


def _describe_ends(lines: Sequence[Line]) -> str:
    ends = [_("{name} ends at {value}").format(name=line.name, value=f"{float(line.y[-1]):.4g}") for line in lines]
    return join(ends)


# ---- one run


def split_figures(study: Study) -> Iterator[Figure]:
    """Yield the figures of a scored split that its records allow."""
    if study.confusion:
        yield _confusion(study)
    if study.candidates:
        yield from _threshold_figures(study)
    if study.confidence:
        yield from _calibration(study)


def _confusion(study: Study) -> Figure:
    labels = _labels(study)
    wrong = Counter({pair: count for pair, count in study.confusion.items() if pair[0] != pair[1]})
    if len(labels) > _MAX_LABELS:
        return _confused_pairs(study, wrong)
    index = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for (gold, predicted), count in study.confusion.items():
        counts[index[gold], index[predicted]] += count
    names = [_shown(study, label) for label in labels]
    title = _("Confusion matrix")
    chart = matrix_chart(counts, names, Axes(_("predicted"), _("gold")), title, _describe_pairs(study, wrong))
    return Figure(chart, title)


def _labels(study: Study) -> list[str]:
    """Return the labels in the order of the probabilities, then the others."""
    occurring = dict.fromkeys(label for pair in study.confusion for label in pair)
    first = [label for label in study.candidates if label in occurring]
    return [*first, *sorted(label for label in occurring if label not in first)]


def _shown(study: Study, label: str) -> str:
    return label_name(study.names.get(label, label))


def _confused_pairs(study: Study, wrong: Counter[tuple[str, str]]) -> Figure:
    pairs = wrong.most_common(_MAX_PAIRS)
    names = [" → ".join(_shown(study, label) for label in pair) for pair, _count in pairs]
    title = _("Confused most often: gold → predicted")
    return Figure(bar_chart(names, [count for _pair, count in pairs], title, _describe_pairs(study, wrong)), title)


def _describe_pairs(study: Study, wrong: Counter[tuple[str, str]]) -> str:
    if not wrong:
        return _("Nothing is confused.")
    (gold, predicted), count = wrong.most_common(1)[0]
    message = _("Most often confused: {gold} with {predicted}, {count:,} times.")
    return message.format(gold=_shown(study, gold), predicted=_shown(study, predicted), count=count)


# ---- thresholds


def _threshold_figures(study: Study) -> Iterator[Figure]:
    """Yield precision over recall, and the ROC curve if the candidates allow it, of the most frequent labels."""
    arrays = {label: candidates.arrays for label, candidates in study.candidates.items()}
    drawable = {
        label: pair
        for label, pair in arrays.items()
        if pair[0].any() and (not study.view.has_negatives or not pair[0].all())
    }
    frequent = sorted(drawable, key=lambda label: -int(drawable[label][0].sum()))[:_MAX_CURVES]
    if not frequent:
        return
    chosen = {_shown(study, label): drawable[label] for label in frequent}
    yield _pr_figure(chosen)
    if study.view.has_negatives:
        yield _roc_figure(chosen)


def _pr_figure(chosen: Mapping[str, tuple[Array, Array]]) -> Figure:
    lines = []
    for name, (is_gold, probs) in chosen.items():
        counts = exact_counts(is_gold, probs)
        lines.append(Line(f"{name} AP {average_precision(counts):.4f}", counts.recall, counts.precision))
    title = _("Precision and recall")
    axes = Axes(_("recall"), _("precision"), (0, 1), (0, 1))
    return Figure(line_chart(lines, axes, title, join([line.name for line in lines])), title)


def _roc_figure(chosen: Mapping[str, tuple[Array, Array]]) -> Figure:
    lines = []
    for name, (is_gold, probs) in chosen.items():
        counts = exact_counts(is_gold, probs)
        rates = (np.concatenate([[0.0], rate]) for rate in (counts.false_positive_rate, counts.recall))
        lines.append(Line(f"{name} AUC {area_under_roc(counts):.4f}", *rates))
    title = _("ROC curve")
    axes = Axes(_("false positive rate"), _("true positive rate"), (0, 1), (0, 1))
    return Figure(line_chart(lines, axes, title, join([line.name for line in lines]), diagonal=True), title)


# ---- calibration


def _calibration(study: Study) -> Iterator[Figure]:
    bins = compute_calibration(np.array(study.confidence), np.array(study.is_right) > 0)
    has_rows = bins.rows > 0
    line = Line(_("accuracy"), bins.confidence[has_rows], bins.accuracy[has_rows])
    title = _("Calibration, ECE {error}").format(error=f"{bins.expected_error:.4f}")
    confidence = _("confidence in the answer")
    axes = Axes(confidence, _("accuracy"), (0, 1), (0, 1))
    description = _("The mean gap between confidence and accuracy is {error}.").format(
        error=f"{bins.expected_error:.4f}"
    )
    yield Figure(line_chart([line], axes, title, description, diagonal=True), title)
    edges, title = np.linspace(0, 1, len(bins.rows) + 1), _("Answers by confidence")
    chart = column_chart(edges, bins.rows, Axes(confidence, _("answers")), title, _describe_mode(bins.rows, edges))
    yield Figure(chart, title)


def _describe_mode(rows: Array, edges: Array) -> str:
    most = int(rows.argmax())
    message = _("Most answers, {count:,}, have a confidence between {low} and {high}.")
    return message.format(count=int(rows[most]), low=f"{edges[most]:.1f}", high=f"{edges[most + 1]:.1f}")
