"""Each run gives the figures that its files allow."""

from __future__ import annotations

import json

from matplotlib.image import imread

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


def test_missing_glyphs_are_noted_once(tmp_path, no_font):
    run = write_run(tmp_path / "a")
    lines(run / "metrics.jsonl", loss(1))
    lines(run / "predictions" / "dev.jsonl", [classified("体", "体"), classified("财", "体")])
    _, notes = written(tmp_path / "png", run)
    (note,) = notes
    assert "no installed font has all characters" in note
