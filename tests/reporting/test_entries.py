"""Entries read from folders: runs of every status, sweeps, and broken folders."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paddle_tasks.errors import DataError
from paddle_tasks.reporting.entries import BrokenFolder, Entry, MetricValue, read_entries

from .folders import scored, write_run, write_sweep


def entry(folder) -> Entry:
    (found,) = read_entries([folder])
    assert isinstance(found, Entry), found
    return found


def broken(folder) -> str:
    (found,) = read_entries([folder])
    assert isinstance(found, BrokenFolder), found
    assert found.name == str(folder)
    return found.reason


def change(file, **values) -> None:
    content = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_a_finished_run(tmp_path):
    found = entry(write_run(tmp_path / "a", {"dev": scored(0.8, accuracy_deduplicated=0.75), "test": scored(0.7, 2)}))
    assert (found.task, found.status, found.model, found.metric) == ("news", "finished", "textcnn", "accuracy")
    assert (found.train.source, found.train.rows, found.parameters) == ("data/train.tsv", 100, 1234567)
    assert found.splits["dev"].scores["accuracy_deduplicated"] == MetricValue(0.75)
    assert "per_label" not in found.splits["dev"].scores
    assert [(split.rows, split.n_labels) for split in found.splits.values()] == [(10, 3), (20, 2)]
    assert (found.seconds, found.tokens_per_second, found.seeds) == (MetricValue(61.4), MetricValue(9876.5), 1)


def test_a_baseline_is_a_run_without_steps(tmp_path):
    """It has neither the sections of a trainer nor tokens."""
    run = write_run(tmp_path / "a", encoder="tfidf-char-svm", train={"seconds": 3.2})
    config = json.loads((run / "config.yaml").read_text())
    del config["evaluation"]
    (run / "config.yaml").write_text(json.dumps(config))
    found = entry(run)
    assert (found.model, found.metric, found.tokens_per_second) == ("tfidf-char-svm", "accuracy", None)
    change(run / "result.json", dev={"f1": 0.5}, test={"f1": 0.4})
    assert entry(run).metric == "f1"


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_run_that_did_not_finish_shows_no_scores(tmp_path, status):
    found = entry(write_run(tmp_path / "a", status=status))
    assert (found.status, found.splits, found.seconds) == (status, {}, None)


def test_a_run_without_a_result_is_unfinished(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "result.json").unlink()
    found = entry(run)
    assert (found.status, found.model, found.splits) == ("unfinished", "textcnn", {})
    assert (found.train.source, found.train.rows) == ("data/train.tsv", None)


def test_what_is_frozen_belongs_to_the_model(tmp_path):
    found = entry(write_run(tmp_path / "a", config={"training": {"freeze": ["encoder.*"]}}))
    assert found.model == "textcnn, frozen: encoder.*"


@pytest.mark.parametrize("ngrams", [True, {"lengths": [1, 2]}])
def test_n_grams_belong_to_the_network_and_not_to_the_baseline(ngrams, tmp_path):
    section = {"encoder": "textcnn", "ngrams": ngrams}
    assert entry(write_run(tmp_path / "a", config={"model": section})).model == "textcnn and n-grams"
    section = {"encoder": "tfidf-char-svm", "ngrams": [1, 3]}
    baseline = write_run(tmp_path / "b", config={"model": section}, encoder="tfidf-char-svm")
    assert entry(baseline).model == "tfidf-char-svm"


def test_a_sweep_shows_the_point_that_dev_chose(tmp_path):
    found = entry(write_sweep(tmp_path / "s", {"0.1": [0.8, 0.84], "0.2": [0.9, 0.7]}))
    assert found.seeds == 2
    assert found.splits["dev"].scores["accuracy"].mean == pytest.approx(0.82)
    assert found.splits["dev"].scores["accuracy"].deviation == pytest.approx(np.std([0.8, 0.84], ddof=1))
    assert found.splits["test"].scores["accuracy"].mean == pytest.approx(0.72)
    assert found.remark == 'model.dropout="0.1": best of 2 by mean dev accuracy'
    assert (found.splits["test"].rows, found.parameters) == (20, 1234567)


def test_a_sweep_over_seeds_alone_shows_what_is_finished(tmp_path):
    found = entry(write_sweep(tmp_path / "s", {"": [0.8, 0.9, None]}))
    assert (found.status, found.seeds, found.remark) == ("unfinished", 2, "2 of 3 runs finished")
    assert found.splits["dev"].scores["accuracy"].mean == pytest.approx(0.85)


def test_an_unfinished_grid_has_chosen_nothing_and_shows_no_scores(tmp_path):
    found = entry(write_sweep(tmp_path / "s", {"0.1": [0.8, 0.9], "0.2": [0.9, None]}))
    assert (found.status, found.splits, found.seeds) == ("unfinished", {}, 0)
    assert found.remark == "3 of 4 runs finished"
    assert (found.model, found.train.source) == ("textcnn", "data/train.tsv")


def test_a_folder_of_runs_and_sweeps_gives_an_entry_for_each(tmp_path):
    write_run(tmp_path / "b")
    write_sweep(tmp_path / "a", {"": [0.8]})
    (tmp_path / "notes").mkdir()
    assert [found.name for found in read_entries([tmp_path])] == [str(tmp_path / "a"), str(tmp_path / "b")]


# ---- what is broken


def test_a_folder_that_is_neither(tmp_path):
    (tmp_path / "a").mkdir()
    assert broken(tmp_path / "a") == "is neither a run nor a sweep: it has no config.yaml and no sweep.json"


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("result.json", "{", "result.json: not valid JSON"),
        ("result.json", "[]", "result.json: expected an object with schema 1"),
        ("result.json", '{"schema": 2}', "result.json: expected an object with schema 1"),
        ("result.json", '{"schema": 1}', "result.json: task: missing"),
        ("result.json", b"\xff", "result.json: not UTF-8 text at byte 0"),
        ("config.yaml", "a: [", "config.yaml:1: not valid YAML"),
        ("config.yaml", "data: 3\ntask: news", "its files cannot be read (AttributeError"),
        ("sweep.json", "nothing", "sweep.json: not valid JSON"),
        ("sweep.json", '{"schema": 1, "points": []}', "its files cannot be read (KeyError: 'best')"),
    ],
)
def test_a_broken_folder_is_named_with_the_reason(tmp_path, file, content, reason):
    run = write_run(tmp_path / "a")
    (run / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reason in broken(run)


def test_a_result_of_another_program_is_broken(tmp_path):
    run = write_run(tmp_path / "a", data={"dev": {"path": "x", "rows": "many", "sha256": "0"}})
    assert "result.json: data.dev.rows: input should be a valid integer" in broken(run)


def test_a_sweep_whose_runs_are_gone_is_broken(tmp_path):
    folder = write_sweep(tmp_path / "s", {"": [0.8]})
    (folder / ",seed=0" / "config.yaml").unlink()
    assert "config.yaml: no such configuration file" in broken(folder)


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path):
    (tmp_path / "sentiment").mkdir()
    with pytest.raises(DataError, match=r"sentimant: no such folder; did you mean '.*sentiment'\?"):
        list(read_entries([tmp_path / "sentimant"]))


@pytest.mark.parametrize(
    ("data", "source"),
    [
        ({"train": [{"path": "builtin/novel"}]}, "builtin/novel"),
        ({"train": [{"path": "a.txt"}, {"path": "."}], "folder": "../books"}, "../books/a.txt, ../books"),
        ({"train": [{"path": "a", "members": ["x"]}, {"path": "a", "members": ["y"]}, {"path": "/b"}]}, "a, /b"),
    ],
)
def test_corpora_are_named_with_the_folder_that_they_are_in(tmp_path, data, source):
    assert entry(write_run(tmp_path / "a", config={"data": data})).train.source == source
