"""Each run gives the figures that its files allow."""

from __future__ import annotations

import json

import pytest
from matplotlib.image import imread

from paddle_tasks import figures
from paddle_tasks.reporting.figure_files import write_figures
from paddle_tasks.reporting.report import report

from .folders import scored, write_run, write_sweep


def lines(path, records) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def classified(gold: str, predicted: str, **more) -> dict:
    probs = {"体": 0.3, "财": 0.3, predicted: 0.7}
    return {"gold": gold, "predicted": predicted, "probabilities": probs, **more}


def loss(*values: float) -> list[dict]:
    return [{"step": step, "epoch": 1, "tag": "train/loss", "value": value} for step, value in enumerate(values)]


def written(folder, *runs) -> tuple[set[str], tuple[str, ...]]:
    made = write_figures(report(runs).entries, folder)
    assert all(imread(path).shape[2] == 4 for path in made.files)
    assert {path.name for path in folder.iterdir()} == {path.name for path in made.files}
    return {path.stem for path in made.files}, made.notes


def test_a_classifier_has_all_figures_and_a_comparison(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "metrics.jsonl").write_text(json.dumps(loss(1.0)[0]) + '\n{"step": 2, "ta', encoding="utf-8")
    lines(run / "predictions" / "dev.jsonl", [classified("体", "体", name="sport"), classified("财", "体")])
    other = write_sweep(tmp_path / "b", {"": [0.8, 0.9]})
    names, notes = written(tmp_path / "deep" / "png", run, other)
    dev = {f"a-dev-{kind}" for kind in ("confusion", "pr", "roc", "calibration")}
    assert names == {"a-curves", *dev, "comparison-scores"}
    assert notes == ()


def test_opinions_have_scores_by_label_and_kinds_of_errors(tmp_path):
    scores = {"dev": {**scored(0.5), "per_label": {"aspect": {"precision": 0.5, "recall": 1.0, "f1": 0.6}}}}
    run = write_run(tmp_path / "a", scores, task="opinion")
    lines(run / "predictions" / "dev.jsonl", [{"gold": [], "predicted": []}])
    lines(run / "predictions" / "errors.jsonl", [{"split": "dev", "kind": "missed"}, {"split": "test", "kind": "x"}])
    names, notes = written(tmp_path / "png", run)
    assert names == {"a-dev-labels", "a-dev-errors"}
    assert notes == (f"{run}: has no metrics.jsonl with records, so there are no learning curves of it",)


def test_losses_are_compared_apart_from_scores(tmp_path):
    usual = write_run(tmp_path / "a")
    other = write_run(tmp_path / "b", {"dev": scored(0.1)}, config={"evaluation": {"metric": "loss"}})
    names, _ = written(tmp_path / "png", usual, other)
    assert names == {"comparison-scores", "comparison-losses"}


def test_an_unfinished_run_gives_its_curves_and_names_do_not_collide(tmp_path):
    runs = [write_run(tmp_path / name / "same") for name in ("one", "two")]
    for run in runs:
        (run / "result.json").unlink()
        lines(run / "metrics.jsonl", loss(3, 2, 1))
    names, _ = written(tmp_path / "png", *runs)
    assert names == {"same-curves", "same-2-curves", "comparison-curves"}


def test_no_figure_overwrites_another(tmp_path):
    runs = [write_run(tmp_path / name) for name in ("x/a", "y/a", "z/a-2", "comparison")]
    for run in runs:
        lines(run / "metrics.jsonl", [{"tag": 5}, {"value": 1.0}, *loss(3, 2, 1)])
    names, _ = written(tmp_path / "png", *runs)
    curves = {"a-curves", "a-2-curves", "a-2-2-curves", "comparison-2-curves", "comparison-curves"}
    assert {name for name in names if name.endswith("-curves")} == curves


def test_names_without_a_font_are_replaced_with_a_warning(tmp_path, no_font):
    run = write_run(tmp_path / "a")
    lines(run / "metrics.jsonl", loss(1))
    lines(run / "predictions" / "dev.jsonl", [classified("体", "体"), classified("财", "体")])
    with pytest.warns(figures.MissingGlyphs, match="no installed font has all characters"):
        written(tmp_path / "png", run)


def test_a_baseline_has_no_learning_curves_but_is_compared(tmp_path):
    runs = [write_run(tmp_path / name) for name in ("a", "a-baseline")]
    score = {"step": 1, "epoch": 1, "tag": "dev/accuracy", "value": 0.8}
    lines(runs[0] / "metrics.jsonl", [*loss(3, 2), score])
    lines(runs[1] / "metrics.jsonl", [score])
    names, notes = written(tmp_path / "png", *runs)
    assert names == {"a-curves", "comparison-curves", "comparison-scores"}
    assert notes == ()


def test_runs_are_compared_with_those_of_their_task(tmp_path):
    news = [write_run(tmp_path / name) for name in ("a", "b")]
    others = [write_run(tmp_path / name, task="sentiment") for name in ("c", "d")]
    alone = write_run(tmp_path / "e", task="opinion")
    for run in (*news, *others, alone):
        lines(run / "metrics.jsonl", loss(3, 2))
    names, _ = written(tmp_path / "png", news[0], others[0], alone, news[1], others[1])
    compared = {f"comparison-{task}-{kind}" for task in ("news", "sentiment") for kind in ("curves", "scores")}
    assert {name for name in names if name.startswith("comparison")} == compared
