"""Figures show what scikit-learn computes; names do not overlap; equal input gives equal files."""

from __future__ import annotations

import itertools
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from paddle_tasks import figures
from paddle_tasks.figures import fonts
from paddle_tasks.figures.learning import moving_mean, read_points

LABELS = ("a", "b", "c")
RNG = np.random.default_rng(7)
GOLD = RNG.integers(0, 3, 60)
PROBS = (lambda raw: raw / raw.sum(axis=1, keepdims=True))(RNG.random((60, 3)) + np.eye(3)[GOLD] * 0.4)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def overlaps(labels) -> int:
    """Return how many neighbouring tick labels overlap when drawn."""
    boxes = [label.get_window_extent() for label in labels if label.get_text() and label.get_visible()]
    return sum(first.overlaps(second) for first, second in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    ("draw", "area", "oracle"),
    [(figures.pr_curves, "AP", average_precision_score), (figures.roc_curves, "AUC", roc_auc_score)],
)
def test_areas_are_those_of_scikit_learn(draw, area, oracle):
    is_gold = np.eye(3, dtype=int)[GOLD]
    each = [oracle(is_gold[:, index], PROBS[:, index]) for index in range(3)]
    assert legend(draw(GOLD, PROBS, LABELS)) == [
        *(f"{name}  {area} {size:.4f}" for name, size in zip(LABELS, each, strict=True)),
        f"macro mean  {area} {oracle(is_gold, PROBS, average='macro'):.4f}",
        f"micro average  {area} {oracle(is_gold, PROBS, average='micro'):.4f}",
    ]


def test_a_class_without_rows_has_no_curve_and_at_most_ten_are_drawn():
    assert [line.split()[0] for line in legend(figures.pr_curves(GOLD % 2, PROBS, LABELS))] == [
        "a",
        "b",
        "macro",
        "micro",
    ]
    gold = np.repeat(np.arange(12), np.arange(1, 13))
    shown = legend(figures.roc_curves(gold, np.eye(12)[gold], [f"l{n}" for n in range(12)]))
    assert [line.split()[0] for line in shown] == [*(f"l{n}" for n in range(2, 12)), "macro", "micro"]
    figures.to_image(figures.roc_curves(np.zeros(3, int), np.ones((3, 2)), ["a", "b"]))


@pytest.mark.parametrize("n_labels", [2, 41, *(pytest.param(n, marks=pytest.mark.long) for n in (20, 21, 40, 119))])
@pytest.mark.parametrize("name", ["{}", "a rather long label {}", "类别的名称{}"])
def test_names_do_not_overlap(n_labels, name):
    labels = [name.format(number) for number in range(n_labels)]
    figure = figures.confusion_matrix(np.ones((n_labels, n_labels), dtype=int), labels, "$title")
    pixels = figures.to_image(figure, dpi=60)
    assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)
    for axes in figure.axes:
        axis_labels = [axes.get_xticklabels(), axes.get_yticklabels()]
        assert [overlaps(labels) for labels in axis_labels] == [0, 0]
    drawn, whole, two_pixels = figure.get_tightbbox(), figure.get_size_inches(), 2 / 60
    assert drawn.min.min() > -two_pixels, "nothing is cut off"
    assert (drawn.max < whole + two_pixels).all()


@pytest.mark.parametrize("labels", [("aspect", "opinion", "(none)"), ("a", "b")])
def test_the_axis_labels_are_not_cut_off(labels):
    pixels = figures.to_image(figures.confusion_matrix(np.ones((len(labels), len(labels)), dtype=int), labels))
    assert (pixels[:, :2] > 250).all(), "something touches the left edge"
    assert (pixels[-2:] > 250).all()


def test_the_matrix_shows_rows_as_shares():
    figure = figures.confusion_matrix(np.array([[3, 1], [0, 0]]), ["x", "y"])
    assert figure.axes[0].images[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "1", "", ""]
    signed = figures.matrix(np.array([[-np.inf, 2.0], [-1.0, 0.5]]), ["x", "y"], ["x", "y"])
    assert [text.get_text() for text in signed.axes[0].texts] == ["", "2.00", "-1.00", "0.50"]
    assert signed.axes[0].images[0].get_clim() == (-2, 2)


def test_the_most_confused_labels_are_listed_beside_a_large_matrix():
    counts = np.eye(50, dtype=int) * 9
    counts[4, 7], counts[7, 4] = 3, 5
    beside = figures.confusion_matrix(counts, [f"l{n}" for n in range(50)]).axes[1]
    assert [text.get_text() for text in beside.get_yticklabels()] == ["l7 → l4", "l4 → l7"]


def test_the_title_has_the_calibration_error():
    figure = figures.calibration_curve(np.array([0.55, 0.6, 0.95, 0.95]), np.array([1, 0, 1, 1], dtype=bool), "t")
    # (2 * |0.5 - 0.575| + 2 * |1 - 0.95|) / 4
    assert figure.axes[0].get_title() == "t  ECE 0.0625"


def records(tag: str, *values: float) -> list[dict]:
    return [{"step": 10 * step, "tag": tag, "value": value} for step, value in enumerate(values, 1)]


def test_learning_curves_have_a_chart_for_each_kind_of_record():
    full = [*records("train/loss", 3, 2, float("nan")), *records("dev/accuracy", 0.5), *records("dev/loss", 1.0)]
    full += records("train/learning_rate", 0.1)
    panels = [axes.get_title() for axes in figures.learning_curves(full, "run").axes]
    assert panels == ["loss", "dev metrics", "learning rate"]
    assert [axes.get_title() for axes in figures.learning_curves([]).axes] == ["loss"]
    assert read_points(full)["train/loss"][1].tolist() == [3, 2]
    both = figures.comparison({"one": full, "two": records("train/loss", 5, 4)})
    assert [len(axes.lines) for axes in both.axes] == [2, 1, 1]
    assert legend(both) == ["one", "two"]


def test_the_moving_mean_of_a_constant_is_the_constant():
    assert moving_mean(np.full(120, 3.0)) == pytest.approx(np.full(120, 3.0))
    assert moving_mean(np.arange(100.0))[50] == pytest.approx(50)


def test_bars_have_numbers_and_deviations():
    figure = figures.bars(["one", "two"], {"dev": [0.5, None], "test": [0.25, 0.75]}, deviations={"dev": [0.1, None]})
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.5000 ± 0.1000", "0.2500", "0.7500"]


LONG = "a-run-with-a-name-of-about-fifty-characters,seed=1"


def is_inside(figure, text) -> bool:
    """Return whether a text lies within the figure when it is drawn."""
    figures.to_image(figure, dpi=figure.dpi)
    box, whole = text.get_window_extent(), figure.bbox
    return whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1 and whole.y0 - 1 <= box.y0 and box.y1 <= whole.y1 + 1


def test_names_of_runs_are_neither_cut_nor_shortened():
    bars = figures.bars([LONG, "b"], {"dev": [0.9, 0.5]}, deviations={"dev": [0.05, None]})
    name, number = bars.axes[0].get_yticklabels()[0], bars.axes[0].texts[0]
    assert name.get_text() == LONG
    assert is_inside(bars, name)
    assert is_inside(bars, number)
    compared = figures.comparison({f"{LONG}{index}": records("train/loss", 2, 1) for index in range(5)})
    assert legend(compared) == [f"{LONG}{index}" for index in range(5)]
    assert all(is_inside(compared, text) for text in compared.legends[0].get_texts())


def test_a_number_is_behind_the_line_of_its_deviation():
    axes = figures.bars(["a"], {"dev": [0.5]}, deviations={"dev": [0.2]}).axes[0]
    assert axes.texts[0].xy[0] == pytest.approx(0.7)


def test_a_baseline_is_drawn_as_a_level():
    trained = [*records("train/loss", 3, 2), *records("dev/accuracy", 0.5, 0.6)]
    figure = figures.comparison({"run": trained, "run-baseline": records("dev/accuracy", 0.75)})
    curve, level = figure.axes[1].lines
    assert list(curve.get_xdata()) == [10, 20]
    assert (list(level.get_xdata()), list(level.get_ydata())) == ([0, 1], [0.75, 0.75])  # of the width of the axes
    assert figures.is_baseline(["dev/accuracy", "test/loss"])
    assert not figures.is_baseline(["dev/accuracy", "train/loss"])


def test_equal_input_makes_equal_files_and_settings_stay(tmp_path):
    before = dict(mpl.rcParams)
    for name in ("a", "b"):
        figures.to_png(figures.roc_curves(GOLD, PROBS, LABELS, "t"), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert dict(mpl.rcParams) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_names_that_no_font_has_are_numbered_with_a_warning(no_font):
    with pytest.warns(figures.MissingGlyphs, match="some classes are shown by their numbers from 0"):
        figure = figures.confusion_matrix(np.eye(3, dtype=int), ["sport", "体育", "财经"], "体育 run")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["sport", "class 1", "class 2"]
    assert figure.axes[0].get_title() == " run"


def test_names_that_a_font_has_stay(any_font):
    with warnings.catch_warnings():
        warnings.simplefilter("error", figures.MissingGlyphs)
        figure = figures.bars(["体育\n新闻", "$x$"], {"dev": [1.0, 0.5]})
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["体育 新闻", "$x$"]


# ---- in Chinese


@pytest.fixture
def any_font(monkeypatch):
    """Let there be a font for all characters, whether or not one is installed."""
    monkeypatch.setattr(fonts, "find_font", lambda _text: "DejaVu Sans")
    fonts.families.cache_clear()
    yield
    fonts.families.cache_clear()


def axis_labels(axes) -> tuple[str, str]:
    return axes.get_xlabel(), axes.get_ylabel()


def test_axes_legends_and_labels_are_in_chinese(in_chinese, any_font):
    confusion = figures.confusion_matrix(np.eye(2, dtype=int), ["realty", "other"])
    assert axis_labels(confusion.axes[0]) == ("预测", "标注")
    assert [label.get_text() for label in confusion.axes[0].get_yticklabels()] == ["房产 (realty)", "other"]
    curves = figures.pr_curves(GOLD, PROBS, LABELS)
    assert axis_labels(curves.axes[0]) == ("召回率", "精确率")
    assert [line.split()[0] for line in legend(curves)[-2:]] == ["宏平均", "微平均"]
    assert axis_labels(figures.roc_curves(GOLD, PROBS, LABELS).axes[0]) == ("假正率", "真正率")
    calibration = figures.calibration_curve(np.array([0.6, 0.9]), np.array([True, False]))
    assert axis_labels(calibration.axes[1]) == ("预测标签的置信度", "行数")


def test_curves_are_in_chinese(in_chinese, any_font):
    run = [*records("train/loss", 3, 2), *records("dev/macro_f1", 0.5), *records("train/learning_rate", 0.1)]
    learning = figures.learning_curves(run, metrics=["macro_f1"])
    assert [axes.get_title() for axes in learning.axes] == ["损失", "验证集指标", "学习率"]
    assert learning.axes[1].get_legend().get_texts()[0].get_text() == "宏平均 F1"
    both = figures.comparison({"one": run, "two": run}, "macro_f1")
    assert [axes.get_title() for axes in both.axes] == ["训练集损失（滑动平均）", "验证集宏平均 F1"]


def test_without_a_font_figures_are_in_english_with_a_warning(in_chinese, no_font):
    with pytest.warns(figures.MissingGlyphs, match="no installed font has all characters of '预测'"):
        figure = figures.confusion_matrix(np.eye(2, dtype=int), ["realty", "other"])
    assert axis_labels(figure.axes[0]) == ("predicted", "gold")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["realty", "other"]
