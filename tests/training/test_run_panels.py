"""What VisualDL shows of a run by `logging.detail`: all panels of each task; scores and weights do not depend on it."""

from __future__ import annotations

from types import SimpleNamespace

import paddle
import pytest

from paddle_tasks.tasks.classification import task as classification
from paddle_tasks.tasks.panels import LabelledPanels
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.run_panels import effective_settings, shows_panels
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train
from tests.workflows.snapshot import snapshot

from .reading import metrics_points, visualdl_panels, visualdl_points

KINDS = {"histogram", "text", "image", "pr_curve", "roc_curve", "embeddings", "hyper_parameters"}
SHORT = {
    "sentiment": {"training.epochs": 1, "training.max_steps": 4, "evaluation.every_steps": 2},
    "news": {"training.max_steps": 4, "evaluation.every_steps": 2},
    "opinion": {"training.max_steps": 3, "evaluation.every_steps": 2},
    "similarity": {"training.max_steps": 2},
    "long_text": {"training.max_steps": 2},
    "pretrain": {"training.max_steps": 2},
}


def train_quick(task, folder):
    """Return the run folder of a quick configuration."""
    return train(f"configs/quick/{task}.yaml", run_dir=str(folder / task), **SHORT[task]).folder


@pytest.fixture(scope="module")
def details(small_config, tmp_path_factory):
    """Return, for each detail, the folder of a run and random numbers that were drawn after it."""
    runs = {}
    for detail in ("light", "normal", "full"):
        folder = tmp_path_factory.mktemp(detail)
        run = train(small_config(folder, logging={"every_steps": 1, "detail": detail}))
        runs[detail] = run.folder, paddle.rand([4]).numpy().tolist()
    return runs


# ---- all panels of each task


@pytest.mark.parametrize(
    "task", ["opinion", *(pytest.param(name, marks=pytest.mark.long) for name in ("sentiment", "news"))]
)
def test_a_quick_run_has_every_kind_of_panel(tmp_path, task):
    run = train_quick(task, tmp_path)
    panels = visualdl_panels(run / "vdl")
    assert set(panels) == KINDS
    assert all(records for tags in panels.values() for records in tags.values())
    assert len(list((run / "vdl").glob("vdlgraph.*.log"))) == 1
    assert {"dev/confusion", "dev/calibration", "test/confusion"} <= set(panels["image"])
    assert ("dev/crf_transitions" in panels["image"]) == (task == "opinion")
    assert visualdl_points(run / "vdl") == metrics_points(run / "metrics.jsonl")
    assert len(panels["pr_curve"]) == len(panels["roc_curve"]) == {"sentiment": 4, "news": 20, "opinion": 4}[task]
    (vectors,) = panels["embeddings"].values()
    assert list(vectors[0][1].label_meta) == ["label", "result", "predicted", "text"]
    assert {point.label[1] for point in vectors[0][1].embeddings} <= {"right", "wrong"}


@pytest.mark.long
@pytest.mark.parametrize("task", ["similarity", "long_text", "pretrain"])
def test_a_quick_run_of_another_task_has_its_kinds_of_panels(tmp_path, task):
    run = train_quick(task, tmp_path)
    curves = {"pr_curve", "roc_curve"} if task == "pretrain" else set()
    panels = visualdl_panels(run / "vdl")
    assert set(panels) == KINDS - curves
    assert ("dev/attention" in panels["image"]) == (task != "long_text"), "its encoder has no attention"
    assert visualdl_points(run / "vdl") == metrics_points(run / "metrics.jsonl")


# ---- details


@pytest.mark.long
def test_the_detail_changes_neither_scores_nor_weights_nor_randomness(details):
    first, *others = [snapshot(run) for run, _ in details.values()]
    for other in others:
        for part in set(first) - {"panels", "graph", "system points"}:
            assert other[part] == first[part], part
    assert len({tuple(numbers) for _, numbers in details.values()}) == 1


def test_each_detail_adds_its_panels(details):
    light, normal, full = (visualdl_panels(run / "vdl") for run, _ in details.values())
    assert set(light) == {"text"}
    assert set(normal) == set(full) == KINDS
    more = set(full["histogram"]) - set(normal["histogram"])
    assert {tag.partition("/")[0] for tag in more} == {"weights", "gradients"}
    assert {"weights/encoder.embedding.weight", "gradients/encoder.embedding.weight"} <= more
    for tag in more:
        assert [step for step, _ in full["histogram"][tag]] == [6, 12]
    assert {**full, "histogram": {}} == {**normal, "histogram": {}}
    assert not list((details["light"][0] / "vdl").glob("vdlgraph.*"))


def test_gradients_are_shown_before_they_are_cleared(details):
    run, _ = details["full"]
    histograms = visualdl_panels(run / "vdl")["histogram"]
    of_head = [records for tag, records in histograms.items() if tag.startswith("gradients/head")]
    assert of_head
    for records in of_head:
        assert all(sum(part.hist) and part.bin_edges[0] < 0 < part.bin_edges[-1] for _, part in records)


def test_panels_are_computed_only_if_they_are_shown_and_their_errors_end_no_run(small_config, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("not to be computed")

    monkeypatch.setattr(LabelledPanels, "panels", refuse)
    monkeypatch.setattr(classification, "text_panels", refuse)
    plain = train(small_config(tmp_path / "a", logging={"visualdl": False, "detail": "full"}))
    train(small_config(tmp_path / "b", logging={"detail": "light"}))
    notes = []
    run = train(small_config(tmp_path / "c", logging={"detail": "normal"}), observe=notes.append)
    errors = [note.text for note in notes if "not to be computed" in getattr(note, "text", "")]
    assert errors[0].startswith("VisualDL's log is incomplete (show_progress): AssertionError")
    assert errors[-1].startswith("VisualDL's log is incomplete (show_evaluation): AssertionError")
    assert any("(show_vectors)" in error for error in errors)
    assert run.result["status"] == "finished"
    assert run.result["dev"] == plain.result["dev"]


def test_the_learning_rate_of_each_group_is_logged_when_there_are_several(small_config, tmp_path):
    config = small_config(tmp_path, optimizer={"learning_rate": 0.02, "learning_rates": {"head.*": 0.05}})
    run = train(config, **{"training.max_steps": 2}).folder
    points = metrics_points(run / "metrics.jsonl")
    assert points == visualdl_points(run / "vdl")
    common, head, others = (points[f"train/learning_rate{tag}"] for tag in ("", "/head.*", "/others"))
    assert others == common
    assert [value for _, value in head] == pytest.approx([2.5 * value for _, value in common])


# ---- when panels are shown


def loop_at(step, total_steps, steps_per_epoch):
    """Return what `shows_panels` needs of a loop."""
    progress = SimpleNamespace(step=step)
    return SimpleNamespace(progress=progress, steps_per_epoch=steps_per_epoch, total_steps=total_steps)


@pytest.mark.parametrize(
    ("every_steps", "total_steps", "steps_per_epoch", "expected"),
    [
        (None, 30, 10, [10, 20, 30]),
        (10, 35, 7, [10, 20, 30, 35]),
        (1, 10, 5, list(range(1, 11))),
        (1, 11, 5, [2, 4, 6, 8, 10, 11]),
        (1, 25, 5, [3, 6, 9, 12, 15, 18, 21, 24, 25]),
    ],
)
def test_panels_are_shown_at_most_ten_times_and_at_the_end(every_steps, total_steps, steps_per_epoch, expected):
    interval = every_steps or steps_per_epoch
    steps = [step for step in range(1, total_steps + 1) if step % interval == 0 or step == total_steps]
    assert [
        step for step in steps if shows_panels(loop_at(step, total_steps, steps_per_epoch), every_steps)
    ] == expected


@pytest.mark.parametrize("n_evaluations", range(1, 130))
def test_panels_are_shown_at_most_as_often_as_visualdl_keeps_them(n_evaluations):
    is_shown = [shows_panels(loop_at(step, n_evaluations, 1), 1) for step in range(1, n_evaluations + 1)]
    assert is_shown[-1]
    assert sum(is_shown) <= 10


def test_settings_without_effect_on_scores_are_not_shown(small_config, tmp_path):
    settings = effective_settings(load_config(small_config(tmp_path)))
    assert settings["optimizer.learning_rate"] == 0.02
    assert settings["model.kernel_sizes"] == [2, 3]
    assert "training.max_steps" not in settings  # it is null
    assert not [name for name in settings if name.startswith(("logging", "run_dir"))]


def test_panels_get_the_split_before_their_tags():
    assert Panels(texts={"a": "b"}).under("dev") == Panels(texts={"dev/a": "b"})
