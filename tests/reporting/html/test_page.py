"""The HTML report of each task: its parts, what it must not hold, and its size."""

from __future__ import annotations

import json
import re

import pytest

from paddle_tasks import language
from paddle_tasks.reporting.report import report

from ...helpers import ROOT
from ..folders import write_run, write_sweep
from .reading import Page
from .runs import NAMES, three_runs, write_classifier, write_curves, write_lines

PARTS = {
    "verdict",
    "results",
    "curves",
    "scores",
    "labels",
    "errors",
    "slices",
    "data",
    "settings",
    "environment",
    "commands",
}
MAX_BYTES = 600_000


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the data paths of the stored runs are relative to it


def write(runs, folder) -> tuple[str, Page]:
    path = folder / "report.html"
    report(runs).to_html(path)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.mark.parametrize("name", NAMES)
def test_three_runs_of_each_task_have_every_part(name, tmp_path):
    text, page = write(three_runs(name, tmp_path), tmp_path)
    assert page.problems == []
    assert page.loads == []
    assert {one.removeprefix("part1-") for one in page.ids} >= PARTS
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert "<script" not in text
    assert page.names["svg"] == text.count('role="img"') == text.count("<desc>")
    assert len(text.encode()) < MAX_BYTES
    assert "mean of 3 seeds" in page.text
    assert "run-1" in page.text
    assert "paddle-tasks verify" in page.text


@pytest.mark.parametrize("name", ["novel", "translate"])
def test_models_that_write_show_their_texts(name, tmp_path):
    runs = three_runs(name, tmp_path)
    sample = {"split": "test", "input": "话说宝玉", "outputs": [{"text": "走了进来", "score": -1.0}]}
    write_lines(runs[0] / "predictions" / "samples.jsonl", [sample])
    text, page = write(runs, tmp_path)
    assert "part1-texts" in page.ids
    assert "话说宝玉" in page.text
    assert '<span class="new">走了进来</span>' in text
    assert ("西岸有一棵古槐树" in page.text) == (name == "translate")


def test_parts_have_the_scale_of_the_metric(tmp_path):
    text, page = write(three_runs("translate", tmp_path), tmp_path)
    (shorter,) = re.findall(r'<th scope="row">棋谈</th><td>1</td><td>([\d.]+)</td>', text)
    assert float(shorter) == 100  # chrF of the one translation of this book that is equal to its reference
    assert "chrf of the rows of test" in page.text


def test_each_label_has_its_style_in_the_whole_list(tmp_path):
    run = write_run(tmp_path / "a", task="opinion")
    spans = [{"start": 0, "end": 1, "label": label} for label in ("aspect", "opinion")]
    record = {"text": "汤咸", "gold": [], "predicted": [], "loss": 1.0}
    write_lines(run / "predictions" / "test.jsonl", [record])
    errors = [{"split": "test", "kind": "missed", "text": "汤咸", "gold": span, "loss": 1.0} for span in spans]
    write_lines(run / "predictions" / "errors.jsonl", errors)
    text, _page = write([run], tmp_path)
    assert '<mark class="l0">汤<small>aspect</small></mark>' in text
    assert '<mark class="l1">汤<small>opinion</small></mark>' in text


def test_errors_are_marked(tmp_path):
    text, page = write(three_runs("opinion", tmp_path / "opinion"), tmp_path)
    assert '<mark class="l0">汤<small>aspect</small></mark>' in text  # the annotated span
    assert '<mark class="l0">汤咸<small>aspect</small></mark>' in text  # the predicted one
    assert "boundary" in page.text
    text, page = write(three_runs("sentiment", tmp_path / "sentiment"), tmp_path)
    assert '<b class="p4">' in text  # the strongest character for the answer, by the model of the first run
    assert "integrated gradients" in page.text
    text, _page = write(three_runs("novel", tmp_path / "novel"), tmp_path)
    assert "<ins>" in text
    assert "<del>" in text


def test_the_data_are_checked(tmp_path):
    _text, page = write(three_runs("sentiment", tmp_path), tmp_path)
    assert "✓ passed no bad rows" in page.text
    assert "✗ to look at 16 texts of dev are in train too" in page.text
    assert "train and dev are the same file" in page.text.replace("train, dev", "train and dev")


def test_a_page_is_in_chinese_where_the_language_is(tmp_path):
    with language.using("zh"):
        text, page = write(three_runs("news", tmp_path), tmp_path)
    assert '<html lang="zh-CN">' in text
    assert {"结论", "学习曲线", "数据", "最严重的错误", "如何复现"} <= set(page.headings)


def test_equal_runs_give_equal_pages(tmp_path):
    runs = three_runs("similarity", tmp_path)
    assert write(runs, tmp_path)[0] == write(runs, tmp_path)[0]


# ---- texts of others


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \" ' & ]]> {{ 7*7 }} {% raw %} \x00 \ud800 [a](javascript:b)"
)


def test_hostile_texts_stay_texts(tmp_path):
    run = write_classifier(tmp_path / "<b>run<img src=x>", 60, text=HOSTILE)
    config = json.loads((run / "config.yaml").read_text(encoding="utf-8"))
    config["data"]["train"] = HOSTILE.replace("\x00", "").replace("\ud800", "")  # which no setting may hold
    (run / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    text, page = write([run], tmp_path)
    assert page.problems == []
    assert page.loads == []
    assert "script" not in page.names
    assert "img" not in page.names
    assert not [link for link in page.links if link.startswith("javascript")]
    assert "{{ 7*7 }}" in page.text  # not computed
    assert "\x00" not in text


def test_labels_are_escaped_in_figures(tmp_path):
    run = write_run(tmp_path / "a", task="news")
    label = "<svg/onload=alert(1)>"
    record = {"text": "好", "gold": label, "predicted": "b", "probabilities": {label: 0.4, "b": 0.6}, "loss": 1.0}
    write_lines(run / "predictions" / "test.jsonl", [record])
    text, page = write([run], tmp_path)
    assert page.problems == []
    assert "<svg/onload" not in text
    assert "&lt;svg/onload" in text


# ---- what is missing


def test_an_unfinished_run_is_left_out_of_the_verdict(tmp_path):
    done, other = write_classifier(tmp_path / "a", 40), write_run(tmp_path / "b", task="sentiment")
    (other / "result.json").unlink()
    _text, page = write([done, other], tmp_path)
    assert "b is not finished (unfinished) and is left out" in page.text
    _text, page = write([other], tmp_path)
    assert "No run is finished" in page.text


def test_a_run_without_any_file_but_its_result_gives_a_page(tmp_path):
    _text, page = write([write_run(tmp_path / "a")], tmp_path)
    assert page.problems == []
    assert "The data files could not be checked" in page.text


def test_a_sweep_has_its_seeds(tmp_path):
    _text, page = write([write_sweep(tmp_path / "s", {"": [0.8, 0.82, 0.84]})], tmp_path)
    assert "0.7200 ± 0.0200 (mean of 3 seeds)" in page.text


def test_broken_folders_are_listed(tmp_path):
    broken = write_run(tmp_path / "b")
    (broken / "result.json").write_text("[", encoding="utf-8")
    _text, page = write([write_run(tmp_path / "a"), broken], tmp_path)
    assert "Left out" in page.headings


def test_records_that_were_edited_do_not_stop_a_report(tmp_path):
    run = write_classifier(tmp_path / "a", 10)
    write_lines(run / "predictions" / "errors.jsonl", [{"split": "test", "gold": 5}, {"split": "test"}])
    _text, page = write([run], tmp_path)
    assert page.problems == []


def test_only_three_runs_are_shown_in_detail(tmp_path):
    sizes = []
    for n_runs in (3, 6):
        runs = [write_classifier(tmp_path / f"{n_runs}-{seed}", 200, seed=seed) for seed in range(n_runs)]
        text, page = write(runs, tmp_path)
        assert all(run.name in page.text for run in runs)
        sizes.append(len(text))
    assert sizes[1] < 1.3 * sizes[0]


# ---- size


def test_more_steps_make_no_larger_page(tmp_path):
    sizes = []
    for n_steps in (200, 4000):
        run = write_classifier(tmp_path / str(n_steps), 50)
        write_curves(run, "accuracy", n_steps)
        sizes.append(len(write([run], tmp_path)[0]))
    assert sizes[1] < 1.05 * sizes[0]


def test_more_rows_make_no_larger_page(tmp_path):
    sizes = [len(write([write_classifier(tmp_path / str(rows), rows)], tmp_path)[0]) for rows in (400, 4000)]
    assert sizes[1] < 1.1 * sizes[0]


@pytest.mark.long
def test_three_runs_with_100_000_rows_each_stay_within_the_size(tmp_path):
    runs = [write_classifier(tmp_path / str(seed), 100_000, seed=seed) for seed in (1, 2, 3)]
    text, page = write(runs, tmp_path)
    assert len(text.encode()) < MAX_BYTES
    assert "20,000 errors in test" in page.text
