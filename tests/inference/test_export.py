"""Exported models: rounded weights, and a card whose numbers are those of the runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from paddle_tasks import load
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference.export import export_float16
from paddle_tasks.inference.model_card import CARDS, NOTES, cards
from paddle_tasks.inference.stages import STAGES, portable_config
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.tasks import SETTINGS
from tests.conftest import FIXTURES


@pytest.fixture(scope="module")
def finished(run) -> Path:
    """Return the folder of a finished run, which no test may change."""
    return run.folder


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory) -> Path:
    """Return the folder of its exported model, which no test may change."""
    return export_float16(finished, tmp_path_factory.mktemp("exported") / "small")


def test_the_weights_are_the_trained_ones_rounded(finished, exported):
    trained, written = load_file(finished / "model" / WEIGHTS), load_file(exported / WEIGHTS)
    assert trained.keys() == written.keys()
    for name, array in trained.items():
        assert written[name].dtype == np.float16
        assert written[name].tobytes() == array.astype(np.float16).tobytes()
    assert (exported / WEIGHTS).stat().st_size < 0.6 * (finished / "model" / WEIGHTS).stat().st_size


def test_it_predicts_what_the_run_predicts(finished, exported):
    texts = ["房间干净", "早餐太差了", "服务员很热情，下次还来"]
    for before, after in zip(load(finished)(texts), load(exported)(texts), strict=True):
        assert before["label"] == after["label"]
        assert before["probabilities"] == pytest.approx(after["probabilities"], abs=2e-3)


def test_the_card_has_the_numbers_of_the_run(finished, exported):
    result = json.loads((finished / "result.json").read_text())
    card = (exported / CARDS["en"]).read_text()
    train, test = result["train"], result["test"]
    assert f"| {train['optimizer_steps']:,} | {train['tokens']:,} | {train['seconds'] / 3600:.2f} |" in card
    assert f"| test | {result['data']['test']['rows']:,} | {test['accuracy']:.4f} |" in card
    (stage,) = json.loads((exported / STAGES).read_text())
    assert stage["test"] == result["test"]
    assert [point["step"] for point in stage["curve"]][-1] == result["train"]["optimizer_steps"]


def test_the_card_has_the_catalogue_names_of_shipped_samples(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    result = json.loads((run / "result.json").read_text())
    result["data"]["train"]["path"] = str(SAMPLES / "opinion" / "train.jsonl")
    (run / "result.json").write_text(json.dumps(result))
    (stage,) = json.loads((export_float16(run, tmp_path / "new") / STAGES).read_text())
    assert stage["data"]["train"]["path"] == "builtin/opinion"
    assert stage["data"]["dev"] == {**result["data"]["dev"], "path": Path(result["data"]["dev"]["path"]).name}


def test_an_export_holds_no_path_of_the_machine(finished, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for file in (run / "config.yaml", run / "model" / SETTINGS):
        text = file.read_text(encoding="utf-8")
        assert str(FIXTURES) in text, "the control: the run does hold them"
    folder = export_float16(run, tmp_path / "new")
    for file in folder.iterdir():
        for path in (FIXTURES, tmp_path.parent, SAMPLES, Path.home()):
            assert str(path).encode() not in file.read_bytes(), file
    stage = json.loads((folder / STAGES).read_text(encoding="utf-8"))[-1]
    assert (stage["config"]["data"]["train"], stage["config"]["run_dir"]) == ("training_train.tsv", "run")
    assert load(folder)("好吃")["label"] == load(run)("好吃")["label"]


def test_paths_of_the_machine_are_named_by_their_last_part_and_labels_are_left_alone():
    tree = {
        "run_dir": "~/runs/mine",
        "data": {"train": "/home/me/a.tsv", "dev": r"C:\data\b.tsv", "test": "data/c.tsv", "labels": ["/x/y", "~z"]},
        "names": {"label_names": {"/x/y": "/n"}},
        "file": {"label_names": "/home/me/names.txt", "columns": {"text": "/t"}},
        "sources": [{"path": str(SAMPLES / "news/train.tsv"), "times": 1.0}],
    }
    assert portable_config(tree) == {
        "run_dir": "mine",
        "data": {"train": "a.tsv", "dev": "b.tsv", "test": "data/c.tsv", "labels": ["/x/y", "~z"]},
        "names": {"label_names": {"/x/y": "/n"}},
        "file": {"label_names": "names.txt", "columns": {"text": "/t"}},
        "sources": [{"path": "builtin/news", "times": 1.0}],
    }


def test_nothing_is_overwritten(finished, exported):
    before = {path: path.read_bytes() for path in exported.iterdir()}
    with pytest.raises(CheckpointError, match="exists already and is not overwritten"):
        export_float16(finished, exported)
    assert before == {path: path.read_bytes() for path in exported.iterdir()}


def test_a_missing_run_or_folder_is_reported(finished, tmp_path):
    with pytest.raises(CheckpointError, match="no such run folder"):
        export_float16(tmp_path / "none", tmp_path / "new")
    with pytest.raises(CheckpointError, match="no such folder"):
        export_float16(finished, tmp_path / "none" / "new")
    assert not list(tmp_path.iterdir())


def test_a_weight_that_float16_cannot_hold_is_refused(exported, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    for path in exported.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    arrays = {name: array.astype(np.float32) for name, array in load_file(exported / WEIGHTS).items()}
    name = next(iter(arrays))
    arrays[name].flat[0] = 1e6
    save_file(arrays, folder / WEIGHTS, metadata={"format": "np"})
    with pytest.raises(CheckpointError, match=f"{name}: 1e\\+06 is too large for float16"):
        export_float16(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_not_finished_is_refused(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "status": "interrupted"}))
    with pytest.raises(CheckpointError, match="is not finished"):
        export_float16(run, tmp_path / "out")
    (run / "result.json").unlink()
    with pytest.raises(CheckpointError, match="is not finished"):
        export_float16(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (export_float16(run / "model", tmp_path / "bare") / CARDS["en"]).exists()


def test_the_card_has_the_stages_of_the_first_model_too(finished, tmp_path):
    run = tmp_path / "second"
    shutil.copytree(finished, run)
    config = (run / "config.yaml").read_text()
    encoder = next(line for line in config.splitlines() if line.strip().startswith("encoder:"))
    (run / "config.yaml").write_text(config.replace(encoder, f"  encoder: {finished / 'model'}"))
    (run / NOTES).write_text("en: {limits: A toy.}\nzh: {limits: 玩具而已。}\n", encoding="utf-8")
    folder = export_float16(run, tmp_path / "out")
    assert [stage["run"] for stage in json.loads((folder / STAGES).read_text())] == [finished.name, "second"]
    assert "## Limits\n\nA toy." in (folder / CARDS["en"]).read_text(encoding="utf-8")
    assert "## 局限\n\n玩具而已。" in (folder / CARDS["zh"]).read_text(encoding="utf-8")


def test_a_card_has_the_usual_order_and_front_matter(exported):
    for file, headings in {
        "README.md": ["Use", "Scores", "Limits", "Training", "Data and licences"],
        "README.zh-CN.md": ["用法", "成绩", "局限", "训练过程", "数据与许可"],
    }.items():
        _, front, text = (exported / file).read_text(encoding="utf-8").split("---\n", 2)
        assert yaml.safe_load(front)["tags"] == ["paddlepaddle", "chinese", "sentiment"]
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == headings
        assert f"# {exported.name}\n" in text


def test_the_card_shows_the_worst_errors_with_the_answers_of_the_exported_model(finished, exported):
    errors = [json.loads(line) for line in (finished / "predictions/errors.jsonl").read_text("utf-8").splitlines()]
    assert errors, "the control: the model makes errors"
    answer = load(exported)(errors[0]["text"])
    line = f"{answer['label']} {answer['score']:.2f}  {errors[0]['text']}"
    assert f"{line}  → {errors[0]['gold']}" in (exported / "README.md").read_text(encoding="utf-8")


def test_an_unknown_key_of_the_notes_is_refused(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / NOTES).write_text("en: {limit: A toy.}\n")
    with pytest.raises(ConfigError, match=r"en\.limit: unknown key; did you mean 'limits'\?"):
        export_float16(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_stages_that_are_none_are_refused(exported, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    (folder / STAGES).write_text('{"a": 1}')
    with pytest.raises(CheckpointError, match=r"stages\.json: expected a list of stages"):
        cards(folder)


def test_the_card_says_that_a_stage_was_stopped(finished, tmp_path):
    first, run = tmp_path / "first", tmp_path / "second"
    for copy in (first, run):
        shutil.copytree(finished, copy)
    result = json.loads((first / "result.json").read_text())
    stopped = {name: value for name, value in result.items() if name not in {"dev", "test"}}
    (first / "result.json").write_text(json.dumps({**stopped, "status": "interrupted"}))
    config = (run / "config.yaml").read_text()
    encoder = next(line for line in config.splitlines() if line.strip().startswith("encoder:"))
    (run / "config.yaml").write_text(config.replace(encoder, f"  encoder: {first / 'model'}"))
    card = (export_float16(run, tmp_path / "out") / CARDS["en"]).read_text()
    remark = f"The run was stopped; the weights of step {result['train']['best_step']:,} were used."
    assert card.index("\n1. ") < card.index(remark) < card.index("\n2. ")
    assert card.count(remark) == 1


def test_the_card_has_the_scores_of_groups(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    result = json.loads((run / "result.json").read_text())
    scores = {"rows": 1200, "bleu": 25.678, "copying": 17.5}
    result["test"] |= {"by_length": {"short": scores}, "by_book": {"论语": scores}}
    (run / "result.json").write_text(json.dumps(result))
    folder = export_float16(run, tmp_path / "out")
    card, chinese = ((folder / CARDS[language]).read_text() for language in ("en", "zh"))
    assert "| up to 12 characters | 1,200 | 25.68 | 17.50 |" in card
    assert "| 论语 | 1,200 | 25.68 | 17.50 |" in card
    assert "BLEU of test by book" in card
    assert "up to 12" not in chinese


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not valid JSON"), ("[]", "expected a JSON object, found a list")]
)
def test_damaged_settings_are_named(finished, tmp_path, content, message):
    run, output = tmp_path / "run", tmp_path / "model"
    shutil.copytree(finished, run)
    (run / "model" / SETTINGS).write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"{SETTINGS}: {message}"):
        export_float16(run, output)
    assert not output.exists()


def test_a_shipped_model_is_exported_by_its_name(tmp_path):
    folder = export_float16("builtin/sentiment", tmp_path / "mine")
    assert (folder / "README.md").is_file()
    assert load(folder)("太吵了")["label"] == load("builtin/sentiment")("太吵了")["label"]
