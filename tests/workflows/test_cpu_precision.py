"""The precision of a run on a CPU: what auto becomes, where it is kept, and resuming in it."""

from __future__ import annotations

import json

import pytest
import yaml

from paddle_tasks.errors import CheckpointError, SetupError
from paddle_tasks.onednn import precision
from paddle_tasks.workflows.train import train

from .interruptions import INTERRUPTIONS, interrupt, resume
from .snapshot import differing, progress, snapshot

CRASH = INTERRUPTIONS["crash in mid-accumulation"]
needs_bfloat16 = pytest.mark.skipif(
    not precision.has_bfloat16(), reason="this CPU does not multiply bfloat16 faster, or oneDNN cannot be used"
)


def in_precision(config, kind):
    return {**config, "training": {**config["training"], "precision": kind}}


def stored(folder):
    return yaml.safe_load((folder / "run" / "config.yaml").read_text(encoding="utf-8"))["training"]["precision"]


def computed(folder):
    return json.loads((folder / "run" / "result.json").read_text(encoding="utf-8"))["environment"]["precision"]


@pytest.mark.parametrize("kind", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
def test_what_auto_becomes_is_stored(kind, small_config, tmp_path, monkeypatch):
    monkeypatch.setenv(precision.AUTO_VARIABLE, kind)
    config = in_precision(small_config(tmp_path), "auto")
    train(config)
    assert (stored(tmp_path), computed(tmp_path)) == (kind, kind)
    other = "float32" if kind == "bfloat16" else "bfloat16"
    monkeypatch.setenv(precision.AUTO_VARIABLE, "float32")
    assert train(config).result["environment"]["precision"] == kind  # auto is what the run has; nothing is trained
    assert train(in_precision(config, kind)).result["status"] == "finished"
    with pytest.raises(CheckpointError, match=rf"training\.precision: '{kind}' -> '{other}'"):
        train(in_precision(config, other))


@needs_bfloat16
@pytest.mark.parametrize("encoder", ["bert", "bilstm", "textcnn"])
def test_a_run_in_bfloat16_is_resumed_exactly(encoder, resumable_config, tmp_path):
    def wide(name, kind="bfloat16"):
        config = in_precision(resumable_config(tmp_path / name, encoder), kind)
        sizes = {"hidden_size": 128, "embedding_size": 64}  # smaller maps stay in float32
        return {**config, "model": {**config["model"], **sizes}}

    train(wide("whole"))
    interrupt(wide("stopped"), CRASH)
    whole = snapshot(tmp_path / "whole" / "run")
    assert differing(resume(wide("stopped"))[0], whole) == set()
    train(wide("float32", "float32"))
    assert "weights" in differing(snapshot(tmp_path / "float32" / "run"), whole)


@needs_bfloat16
def test_recomputing_layers_changes_nothing(resumable_config, tmp_path):
    for recompute in (False, True):
        config = in_precision(resumable_config(tmp_path / str(recompute), "bert"), "bfloat16")
        train({**config, "training": {**config["training"], "recompute": recompute}})
    found, expected = (snapshot(tmp_path / str(recompute) / "run") for recompute in (True, False))
    assert not differing(found, expected) & {"weights", "best weights"}


@needs_bfloat16
def test_resuming_where_the_precision_cannot_be_kept_is_refused(resumable_config, tmp_path, monkeypatch):
    config = in_precision(resumable_config(tmp_path, "bert"), "bfloat16")
    interrupt(config, CRASH)
    before = progress(tmp_path / "run")
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    for asked in ("bfloat16", "auto"):
        with pytest.raises(CheckpointError, match="was computed in bfloat16, here it would be continued in float32"):
            train(in_precision(config, asked))
    assert progress(tmp_path / "run") == before


def test_a_new_run_in_bfloat16_where_it_is_no_faster_is_computed_in_float32(small_config, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    notes = []
    train(in_precision(small_config(tmp_path), "bfloat16"), observe=lambda event: notes.append(str(event)))
    assert any("training.precision bfloat16 is not used, since " in n for n in notes)
    assert computed(tmp_path) == "float32"


def test_a_wrong_meaning_of_auto_is_refused(small_config, tmp_path, monkeypatch):
    monkeypatch.setenv(precision.AUTO_VARIABLE, "half")
    with pytest.raises(SetupError, match="PADDLE_TASKS_PRECISION='half'"):
        train(in_precision(small_config(tmp_path), "auto"))
    assert not (tmp_path / "run").exists()
