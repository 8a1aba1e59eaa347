"""Progress in a notebook: what is drawn, how often, and what an interrupt says."""

from __future__ import annotations

import signal
from html.parser import HTMLParser
from types import SimpleNamespace

import IPython.display
import pytest

from paddle_tasks.errors import DataError, Interrupted, RunStopped
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.session import CheckpointReport, EvaluationReport
from paddle_tasks.training.trainer import InputReport, Note
from paddle_tasks.workflows import notebook
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.curve import Series, draw
from paddle_tasks.workflows.sweep import sweep
from paddle_tasks.workflows.train import train


class Screen:
    """Stands in for IPython's display; keeps what it was given."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def __call__(self, data, *, raw, display_id):
        assert raw
        assert display_id
        self.update(data, raw=raw)
        return self

    def update(self, data, *, raw):
        assert raw
        self.shown.append(data)


@pytest.fixture
def screen(monkeypatch) -> Screen:
    """Let this process be the kernel of a notebook."""
    screen = Screen()
    monkeypatch.setattr(IPython.display, "display", screen)
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    return screen


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(notebook.time, "monotonic", lambda: clock.now)
    return clock


def step(number: int, loss: float = 0.5, total: int = 10, seconds: float = 2.0) -> StepReport:
    return StepReport(number, total, 1, loss, 0.1, 1.0, 100, seconds, ends_epoch=False)


def score(number: int, value: float) -> EvaluationReport:
    return EvaluationReport(number, 1, {"f1": value}, "f1", ("f1",), is_best=True)


def text_of(fragment: str) -> str:
    reader, found = HTMLParser(), []
    reader.handle_data = found.append  # type: ignore[method-assign]
    reader.feed(fragment)
    return "".join(found)


# ---- what is drawn


def test_loss_score_and_time_left(screen):
    display = notebook.ProgressDisplay()
    for event in (InputReport(("3 rows <a>",), ("odd & strange",)), Note("going on"), step(1), step(2), score(2, 0.25)):
        display.show(event)
    assert text_of(display.to_html()) == (
        "3 rows <a>remark: odd & strangegoing onepoch 1, step 2 of 10 · ● loss 0.5000 · ● dev f1 0.2500 · 16 s left"
    )
    assert "width:20.0%" in display.to_html()
    display.update()
    assert screen.shown[-1]["text/plain"] == "epoch 1, step 2 of 10 · loss 0.5000 · dev f1 0.2500 · 16 s left"


def test_the_loss_is_smoothed_and_nothing_is_left_at_the_end(screen):
    display = notebook.ProgressDisplay()
    display.show(step(9, loss=1.0))
    display.show(step(10, loss=0.0))
    assert text_of(display.to_html()).endswith("step 10 of 10 · ● loss 0.9000")


def test_updates_are_half_a_second_apart_and_the_end_is_shown(screen, clock):
    display = notebook.ProgressDisplay()
    for number in range(1, 11):
        display.show(step(number))
        clock.now += 0.125
    assert [data["text/plain"].split(" · ")[0] for data in screen.shown] == [
        f"epoch 1, step {number} of 10" for number in (1, 5, 9)
    ]
    display.update()
    assert "step 10 of 10" in screen.shown[-1]["text/plain"]


def test_the_next_run_of_a_sweep_starts_anew(screen):
    display = notebook.ProgressDisplay()
    for event in (step(9, loss=9.0), score(9, 0.5), Note("run 2"), step(1, loss=1.0)):
        display.show(event)
    shown = text_of(display.to_html())
    assert "step 1 of 10 · ● loss 1.0000" in shown
    assert "dev" not in shown


def test_a_sweep_shows_its_inputs_once_and_the_last_notes(screen):
    display = notebook.ProgressDisplay()
    for number in range(20):
        display.show(Note(f"run-{number};"))
        display.show(InputReport(("3 rows", "a model"), ("odd",)))
    shown = text_of(display.to_html())
    assert shown == "3 rowsa modelremark: odd" + "".join(f"run-{number};" for number in range(12, 20))


def test_checkpoints_are_not_mentioned(screen, tmp_path):
    display = notebook.ProgressDisplay()
    display.show(CheckpointReport(1, tmp_path))
    assert text_of(display.to_html()) == ""


# ---- the curve


def points(svg: str, element: str) -> list[str]:
    found = []
    reader = HTMLParser()
    reader.handle_starttag = lambda name, attributes: found.append((name, dict(attributes)))  # type: ignore[method-assign]
    reader.feed(svg)
    return [attributes for name, attributes in found if name == element]


def test_the_curve_goes_from_left_to_right_with_the_largest_value_at_the_top():
    svg = draw([(0, 3.0), (5, 1.0), (10, 2.0)], [(5, 0.5)], '"<loss>"')
    (line,) = points(svg, "polyline")
    assert line["points"] == "8.0,8.0 280.0,112.0 552.0,60.0"
    (dot,) = points(svg, "circle")
    assert (dot["cx"], dot["cy"]) == ("280.0", "60.0")
    (image,) = points(svg, "svg")
    assert image["aria-label"] == '"<loss>"'


def test_a_curve_without_points_or_with_one_can_be_drawn():
    assert not points(draw([], [], ""), "polyline")
    assert not points(draw([(1, 2.0)], [], ""), "polyline")


def test_a_series_keeps_its_last_point_and_little_else():
    series = Series()
    for number in range(5000):
        series.add(number, float(number))
    assert len(series.points) <= 400
    assert series.points[0][0] == 0
    assert series.points[-1] == (4999.0, 4999.0)
    assert series.points == sorted(series.points)


def test_what_is_not_finite_is_no_point():
    series = Series()
    series.add(1, float("nan"))
    series.add(2, float("inf"))
    assert series.points == []


# ---- in a kernel


def test_train_shows_progress_in_a_notebook_only(small_config, tmp_path, monkeypatch, screen):
    train(small_config(tmp_path / "a"))
    assert "step 10 of 10" in screen.shown[-1]["text/plain"] or " of " in screen.shown[-1]["text/plain"]
    n_shown = len(screen.shown)
    train(small_config(tmp_path / "b"), progress=False)
    train(small_config(tmp_path / "c"), observe=lambda event: None)
    monkeypatch.setattr(IPython, "get_ipython", SimpleNamespace)
    train(small_config(tmp_path / "d"))
    assert len(screen.shown) == n_shown


def test_baselines_and_sweeps_show_progress_too(small_config, tmp_path, screen):
    baseline(small_config(tmp_path))
    assert "tfidf-char-svm" in screen.shown[-1]["text/html"]
    sweep(small_config(tmp_path), seeds=[1, 2], training={"max_steps": 1})
    assert "run 2 of 2" in screen.shown[-1]["text/html"]


@pytest.mark.parametrize("error", [Interrupted("saved"), KeyboardInterrupt()])
def test_an_interrupt_is_one_sentence_in_a_notebook(screen, error):
    sentence = "runs/x: stopped; run this cell again to go on from here"
    with pytest.raises(Interrupted) as caught, notebook.observing(None, "runs/x", progress=True):
        raise error
    assert traceback_of(caught.value) == [sentence]
    assert screen.shown == []


def test_elsewhere_an_interrupt_is_what_it_was():
    with pytest.raises(KeyboardInterrupt), notebook.observing(None, "runs/x", progress=True):
        raise KeyboardInterrupt


def test_a_signal_stops_training_with_a_checkpoint(small_config, tmp_path, screen):
    def observe(event):
        if isinstance(event, StepReport) and event.step == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="run this cell again"):
        train(small_config(tmp_path), observe=observe)
    assert (tmp_path / "run" / "checkpoints" / "step-00000002").is_dir()


def traceback_of(error: BaseException) -> list[str]:
    """Return what IPython shows of an error."""
    return getattr(error, "_render_traceback_")()  # noqa: B009 - a private name of IPython's


def test_errors_of_users_have_no_traceback():
    assert traceback_of(DataError("a.tsv: missing")) == ["a.tsv: missing"]
    assert traceback_of(RunStopped("why")) == ["why"]
    assert not hasattr(ValueError("a defect"), "_render_traceback_")
