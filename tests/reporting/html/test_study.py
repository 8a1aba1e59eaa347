"""The predictions of a split are counted in one pass; slices, errors and groups."""

from __future__ import annotations

import tracemalloc

import pytest

from paddle_tasks import tasks
from paddle_tasks.reporting.html.slices import by_length
from paddle_tasks.reporting.html.study import MAX_ERRORS, study_split
from paddle_tasks.training.record_view import RecordView

from .runs import labelled, write_classifier, write_lines

LABELS = tasks.find("sentiment").RECORD_VIEW


def test_rows_decisions_and_errors_are_counted(tmp_path):
    study = study_split(write_classifier(tmp_path / "a", 200), "test", LABELS, {})
    assert (study.rows, study.n_errors, len(study.errors)) == (200, 40, 40)
    assert study.row_scores.sum(axis=0).tolist() == [160, 200, 200]
    assert study.confusion["positive", "positive"] + study.confusion["negative", "negative"] == 160
    assert sum(study.kinds.values()) == 40
    losses = [error["loss"] for error in study.errors]
    assert losses == sorted(losses, reverse=True)
    is_gold, probs = study.candidates["positive"].arrays
    assert (is_gold.sum(), len(probs)) == (100, 200)


def test_only_the_worst_errors_are_kept(tmp_path):
    study = study_split(write_classifier(tmp_path / "a", 2000), "test", LABELS, {})
    assert (study.n_errors, len(study.errors)) == (400, MAX_ERRORS)
    assert min(error["loss"] for error in study.errors) > 1.4


@pytest.mark.long
def test_100_000_rows_take_little_memory(tmp_path):
    peaks = []
    for n_rows in (1_000, 100_000):
        run = write_classifier(tmp_path / str(n_rows), n_rows)
        tracemalloc.start()
        study = study_split(run, "test", LABELS, {})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert study.rows == n_rows
    assert (run / "predictions" / "test.jsonl").stat().st_size > 20e6  # which is never in memory as a whole
    assert peaks[1] - peaks[0] < 15e6


def test_slices_add_up_to_the_whole(tmp_path):
    study = study_split(write_classifier(tmp_path / "a", 200), "test", LABELS, {})
    slices = by_length(study)
    assert sum(part.rows for part in slices.values()) == 200
    assert sum(part.right for part in slices.values()) == 160
    assert all(0 <= part.score <= 1 and part.mean_loss for part in slices.values())


def test_rows_have_the_group_of_their_line(tmp_path):
    groups = {"domain": {2: "hotel", 3: "book", 4: "hotel"}}
    study = study_split(write_classifier(tmp_path / "a", 100), "test", LABELS, groups)
    assert {name: part.rows for name, part in study.groups["domain"].items()} == {"hotel": 2, "book": 1}


def test_lengths_of_equal_texts_make_one_slice(tmp_path):
    run = write_classifier(tmp_path / "a", 10)
    write_lines(run / "predictions" / "test.jsonl", [{**record, "text": "好"} for record in labelled(10)])
    (part,) = by_length(study_split(run, "test", LABELS, {})).values()
    assert part.rows == 10


@pytest.mark.parametrize("records", [[], [{"gold": "a"}], [{"gold": "a", "predicted": "b", "probabilities": 5}]])
def test_other_files_are_no_predictions(tmp_path, records):
    run = write_classifier(tmp_path / "a", 10)
    write_lines(run / "predictions" / "test.jsonl", records)
    assert study_split(run, "test", LABELS, {}) is None


def test_a_split_without_a_file_has_no_study(tmp_path):
    assert study_split(tmp_path, "test", RecordView(), {}) is None
