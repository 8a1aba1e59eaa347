"""Run folders of an earlier version, made by tests/stored/make_stored.py, still load, score, resume and are reported.

Their values were computed on another machine. Processors differ in the last digits of a float32, so fractional numbers
are compared with a tolerance. Everything else, such as labels, counts, steps and character positions, has to be equal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import load
from paddle_tasks.onednn.precision import has_bfloat16

from ..helpers import ROOT, CommandLine
from .snapshot import MEASURED, metrics

STORED = Path("tests") / "stored"  # relative to the repository's root, as the data paths in the configurations are
NAMES = ("long_text", "news", "novel", "opinion", "pretrain", "sentiment", "similarity")
BASELINE = STORED / "baseline" / "finished"
each_run = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_written() -> Iterator[None]:
    before = contents(ROOT / STORED)
    yield
    assert contents(ROOT / STORED) == before


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(capsys, monkeypatch)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def copy_of(run: Path, folder: Path) -> Path:
    return shutil.copytree(run, folder / "run")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def scores(run: Path) -> dict[str, Any]:
    """Return the metrics of dev and test."""
    result = read_json(run / "result.json")
    return {split: without(set(MEASURED), result[split]) for split in ("dev", "test")}


def curves(run: Path) -> list[list[Any]]:
    """Return step, epoch, tag and value of each line of metrics.jsonl, without measurements of the machine."""
    return [list(record) for record in metrics(run)]


def counts(run: Path) -> dict[str, Any]:
    """Return the section ``train`` of result.json without time and memory."""
    return {key: value for key, value in read_json(run / "result.json")["train"].items() if key not in MEASURED}


NEWER_KEYS = {"score", "token_str", "sequence"}
"""Keys of records that were added after most runs were stored; each repeats what other keys say."""
HAS_THEM = {"novel"}


def without(keys: set[str], value: Any) -> Any:
    """Return a JSON value without some keys."""
    if isinstance(value, dict):
        return {key: without(keys, inner) for key, inner in value.items() if key not in keys}
    return [without(keys, inner) for inner in value] if isinstance(value, list) else value


def predictions(run: Path) -> dict[str, Any]:
    """Return the records of each file in ``predictions/``."""
    files = {path.name: path.read_text(encoding="utf-8").splitlines() for path in (run / "predictions").iterdir()}
    return {name: [json.loads(line) for line in lines] for name, lines in files.items()}


def leaves(value: Any) -> dict[str, Any]:
    """Return the values in nested lists and mappings by their path, such as ``/0/probabilities/positive``."""
    if not isinstance(value, (dict, list)):
        return {"": value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {f"/{key}{path}": leaf for key, inner in items for path, leaf in leaves(inner).items()}


def assert_close(value: Any, expected: Any, *, rel: float = 1e-5) -> None:
    """Compare nested values: fractional numbers by ``rel`` or within 1e-6, all others exactly."""
    found, wanted = leaves(value), leaves(expected)
    floats = {path: number for path, number in wanted.items() if isinstance(number, float)}
    assert {**found, **floats} == wanted
    assert {path: found[path] for path in floats} == pytest.approx(floats, rel=rel, abs=1e-6)


@pytest.mark.parametrize("state", ["finished", "interrupted"])
@each_run
def test_the_model_predicts_the_same(name, state):
    stored = read_json(STORED / name / "predictions.json")
    answers = load(STORED / name / state)(stored["texts"])
    assert_close(
        without(set() if name in HAS_THEM else NEWER_KEYS, answers), stored[state], rel=1e-7
    )  # the digits of float32


def test_other_weights_predict_something_else():
    stored = read_json(STORED / "sentiment" / "predictions.json")
    answers = load(STORED / "sentiment" / "interrupted")(stored["texts"])
    with pytest.raises(AssertionError, match="probabilities"):
        assert_close(without(NEWER_KEYS, answers), stored["finished"])


@pytest.mark.parametrize("split", ["dev", "test"])
@each_run
def test_evaluation_gives_the_stored_scores(cli, name, split):
    run = STORED / name / "finished"
    outcome = cli("evaluate", run, "--split", split)
    assert outcome.code == 0, outcome.stderr
    assert_close(without(set(MEASURED), json.loads(outcome.stdout)["metrics"]), scores(run)[split])


@each_run
def test_a_finished_run_is_left_alone(cli, tmp_path, name):
    run = copy_of(STORED / name / "finished", tmp_path)
    before = contents(run)
    outcome = cli("train", run / "config.yaml", f"run_dir={run}")
    assert outcome.code == 0, outcome.stderr
    assert f"{run} is finished already" in outcome.stderr
    assert contents(run) == before


@each_run
@pytest.mark.long
def test_an_interrupted_run_ends_as_the_one_without_interruption(cli, tmp_path, name):
    finished, run = STORED / name / "finished", copy_of(STORED / name / "interrupted", tmp_path)
    step = read_json(run / "result.json")["train"]["optimizer_steps"]
    if "bfloat16" in (run / "config.yaml").read_text(encoding="utf-8") and not has_bfloat16():
        pytest.skip("the run was computed in bfloat16, which this CPU does not multiply faster")
    outcome = cli("train", run / "config.yaml", f"run_dir={run}")
    assert outcome.code == 0, outcome.stderr
    assert f"continuing {run} after step {step} " in outcome.stderr
    for parts in (curves, counts, scores):
        assert_close(parts(run), parts(finished))
    stored = predictions(finished)
    assert_close({name: predictions(run)[name] for name in stored}, stored)  # this version may write further files


def test_a_finished_baseline_is_left_alone(cli, tmp_path):
    run = copy_of(BASELINE, tmp_path)
    before = contents(run)
    outcome = cli("baseline", run / "config.yaml", f"run_dir={run}")
    assert outcome.code == 0, outcome.stderr
    assert f"{run} is finished already" in outcome.stderr
    assert contents(run) == before


def test_the_configuration_of_a_baseline_gives_the_same_baseline(cli, tmp_path):
    outcome = cli("baseline", BASELINE / "config.yaml", f"run_dir={tmp_path / 'run'}")
    assert outcome.code == 0, outcome.stderr
    for parts in (curves, scores, predictions):
        assert_close(parts(tmp_path / "run"), parts(BASELINE))


def test_the_report_has_a_row_for_each(cli):
    folders = [STORED / name / state for name in NAMES for state in ("finished", "interrupted")]
    outcome = cli("report", *folders, BASELINE)
    assert outcome.code == 0, outcome.stderr
    rows = [line for line in outcome.stdout.splitlines() if line.startswith("|")]
    for folder in (*folders, BASELINE):
        row, *_texts = [row for row in rows if f"{folder} " in row.replace("`", " ")]
        assert ("interrupted" in row.replace(str(folder), "")) == (folder.name == "interrupted")


# The section training.loss is for classifiers. Configurations of these two tasks used to hold its defaults as well.
@pytest.mark.parametrize("name", ["opinion", "pretrain"])
def test_a_classifier_loss_is_refused_unless_it_is_the_default(cli, tmp_path, name):
    text = (STORED / name / "finished" / "config.yaml").read_text(encoding="utf-8")
    for old, new in {"label_smoothing: 0.0": "label_smoothing: 0.1", "teachers: []": "teachers: [runs/other]"}.items():
        assert text.count(old) == 1
        (tmp_path / "changed.yaml").write_text(text.replace(old, new), encoding="utf-8")
        message = cli.fails("train", tmp_path / "changed.yaml", f"run_dir={tmp_path / 'run'}")
        assert "training.loss" in message
        assert not (tmp_path / "run").exists()
