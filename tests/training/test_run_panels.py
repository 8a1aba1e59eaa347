"""What a run shows by `logging.detail`: every panel from every trainer, the same figures and weights at each detail."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from paddle_tasks.tasks import panels as _panels
from paddle_tasks.training.panels import Panels
from paddle_tasks.workflows.panels import is_due, settings_of
from paddle_tasks.workflows.train import load_config, train
from tests.training.reading import metrics_points, visualdl_panels, visualdl_points

from .snapshot import snapshot

KINDS = {"histogram", "text", "image", "pr_curve", "roc_curve", "embeddings", "hyper_parameters"}
SHORT = {
    "sentiment": {"training.epochs": 1, "training.max_steps": 4, "evaluation.every_steps": 2},
    "news": {"training.max_steps": 4, "evaluation.every_steps": 2},
    "opinion": {"training.max_steps": 3, "evaluation.every_steps": 2},
    "similarity": {"training.max_steps": 2},
    "long_text": {"training.max_steps": 2},
    "pretrain": {"training.max_steps": 2},
}


def quick(task, folder):
    return train(f"configs/quick/{task}.yaml", run_dir=str(folder / task), **SHORT[task]).folder


@pytest.fixture(scope="module")
def details(small_config, tmp_path_factory):
    """Return a run's folder for each detail, and what the random generator gave after it."""
    found = {}
    for detail in ("light", "normal", "full"):
        folder = tmp_path_factory.mktemp(detail)
        run = train(small_config(folder, logging={"every_steps": 1, "detail": detail}))
        found[detail] = run.folder, paddle.rand([4]).numpy().tolist()
    return found


def shown(run):
    return visualdl_panels(run / "vdl")


# ---- every panel from every trainer


@pytest.mark.parametrize("task", ["sentiment", "news", "opinion"])
def test_a_quick_run_fills_every_panel(tmp_path, task):
    run = quick(task, tmp_path)
    read = shown(run)
    assert set(read) == KINDS
    assert all(found for tags in read.values() for found in tags.values())
    assert len(list((run / "vdl").glob("vdlgraph.*.log"))) == 1
    assert {"dev/confusion", "dev/calibration", "test/confusion"} <= set(read["image"])
    assert ("dev/crf_transitions" in read["image"]) == (task == "opinion")
    assert visualdl_points(run / "vdl") == metrics_points(run / "metrics.jsonl")
    assert len(read["pr_curve"]) == len(read["roc_curve"]) == {"sentiment": 4, "news": 20, "opinion": 4}[task]
    (vectors,) = read["embeddings"].values()
    assert list(vectors[0][1].label_meta) == ["label", "result", "predicted", "text"]
    assert {point.label[1] for point in vectors[0][1].embeddings} <= {"right", "wrong"}


@pytest.mark.parametrize("task", ["similarity", "long_text", "pretrain"])
def test_other_trainers_fill_theirs(tmp_path, task):
    run = quick(task, tmp_path)
    curves = {"pr_curve", "roc_curve"} if task == "pretrain" else set()
    panels = shown(run)
    assert set(panels) == KINDS - curves
    assert ("dev/attention" in panels["image"]) == (task != "long_text"), "whose encoder is no Transformer"
    assert visualdl_points(run / "vdl") == metrics_points(run / "metrics.jsonl")


# ---- details


def test_detail_changes_neither_figures_nor_weights_nor_randomness(details):
    first, *others = [snapshot(run) for run, _ in details.values()]
    for other in others:
        for part in set(first) - {"panels", "graph", "system points"}:
            assert other[part] == first[part], part
    assert len({tuple(drawn) for _, drawn in details.values()}) == 1


def test_each_detail_adds_its_panels(details):
    light, normal, full = (shown(run) for run, _ in details.values())
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
    for tag, found in shown(run)["histogram"].items():
        if tag.startswith("gradients/head"):
            assert all(sum(part.hist) and part.bin_edges[0] < 0 < part.bin_edges[-1] for _, part in found)


def test_without_visualdl_no_panel_is_made(small_config, tmp_path, monkeypatch):
    def refuse(*_args):
        raise AssertionError("nobody looks at it")

    monkeypatch.setattr(_panels.Judged, "panels", refuse)
    monkeypatch.setattr(_panels, "described", refuse)
    plain = train(small_config(tmp_path / "a", logging={"visualdl": False, "detail": "full"}))
    train(small_config(tmp_path / "b", logging={"detail": "light"}))
    notes = []
    run = train(small_config(tmp_path / "c", logging={"detail": "normal"}), observe=notes.append)
    told = [note.text for note in notes if "nobody looks at it" in getattr(note, "text", "")]
    assert told
    assert told[0].startswith("VisualDL's log lacks something (show_progress): AssertionError")
    # Pictures end no training.
    assert run.result["status"] == "finished"
    assert run.result["dev"] == plain.result["dev"]


def test_rates_of_groups_are_logged_when_there_are_several(small_config, tmp_path):
    config = small_config(tmp_path, optimizer={"learning_rate": 0.02, "learning_rates": {"head.*": 0.05}})
    run = train(config, **{"training.max_steps": 2}).folder
    points = metrics_points(run / "metrics.jsonl")
    assert points == visualdl_points(run / "vdl")
    common, own, others = (points[f"train/learning_rate{tag}"] for tag in ("", "/head.*", "/others"))
    assert others == common
    assert [value for _, value in own] == pytest.approx([2.5 * value for _, value in common])


# ---- when


@pytest.mark.parametrize(
    ("every", "total", "epoch_steps", "due"),
    [
        (None, 30, 10, [10, 20, 30]),
        (10, 35, 7, [10, 20, 30, 35]),
        (1, 10, 5, list(range(1, 11))),
        (1, 11, 5, [2, 4, 6, 8, 10, 11]),
        (1, 25, 5, [3, 6, 9, 12, 15, 18, 21, 24, 25]),
    ],
)
def test_panels_are_due_ten_times_at_most_and_at_the_end(every, total, epoch_steps, due):
    def at(step):
        progress = SimpleNamespace(step=step)
        return SimpleNamespace(progress=progress, steps_per_epoch=epoch_steps, total_steps=total)

    steps = [step for step in range(1, total + 1) if step % (every or epoch_steps) == 0 or step == total]
    assert [step for step in steps if is_due(at(step), every)] == due


@pytest.mark.parametrize("n_evaluations", range(1, 130))
def test_no_more_than_visualdl_keeps(n_evaluations):
    loops = [
        SimpleNamespace(progress=SimpleNamespace(step=step), steps_per_epoch=1, total_steps=n_evaluations)
        for step in range(1, n_evaluations + 1)
    ]
    found = [is_due(loop, 1) for loop in loops]
    assert found[-1]
    assert sum(found) <= 10


def test_settings_are_those_that_bear_on_scores(small_config, tmp_path):
    found = settings_of(load_config(small_config(tmp_path)))
    assert found["optimizer.learning_rate"] == 0.02
    assert found["model.kernel_sizes"] == [2, 3]
    assert "training.max_steps" not in found  # which is null
    assert not [name for name in found if name.startswith(("logging", "run_dir"))]


# ---- what is drawn from


def test_curves_are_those_of_the_most_frequent_labels():
    gold = np.repeat(np.arange(14), [1, 9, 2, 8, 3, 7, 4, 6, 5, 5, 11, 12, 13, 0])
    judged = _panels.Judged(
        [f"l{k}" for k in range(14)], ["x"] * 14, gold, gold, np.eye(14)[gold], np.ones(len(gold), dtype=int)
    )
    assert _panels.frequent(gold) == [12, 11, 10, 1, 3, 5, 7, 8, 9, 6]
    curve = judged._curve(12)
    assert curve.is_positive.sum() == 13
    assert (curve.scores == curve.is_positive).all()


@pytest.mark.parametrize(("n_rows", "n_shown"), [(1, 1), (7, 7), (100, 100), (101, 100), (10_000, 100)])
def test_rows_with_vectors_are_from_all_parts_of_a_split(n_rows, n_shown):
    rows = _panels.shown_rows(n_rows)
    assert len(rows) == n_shown
    assert rows[0] == 0
    assert rows[-1] == n_rows - 1
    assert (np.diff(rows) > 0).all()


def test_tags_stand_under_their_split():
    assert Panels(texts={"a": "b"}).under("dev") == Panels(texts={"dev/a": "b"})
