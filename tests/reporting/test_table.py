"""The results table: its rows, its groups, published scores, and the mean over CLUE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import tasks
from paddle_tasks.errors import DataError
from paddle_tasks.language import using
from paddle_tasks.reporting.references import load_shipped_references
from paddle_tasks.reporting.report import report
from paddle_tasks.wrapping import width_of

from .folders import SHA, part, scored, tables, write_run, write_sweep

KNOWN = {
    key: {one.split: one for one in data_set.files} for key, data_set in load_shipped_references().data_sets.items()
}


def known(key: str, split: str) -> dict[str, Any]:
    """Return what result.json says of one of the splits in references.yaml."""
    found = KNOWN[key][split]
    return part(found.rows, found.sha256[0])


def on(key: str, dev: str = "dev", test: str | None = None, train_rows: int | None = None) -> dict[str, Any]:
    """Return the data of a run on a known data set."""
    rows = train_rows or KNOWN[key]["train"].rows
    splits = {"dev": known(key, dev), **({"test": known(key, test)} if test else {})}
    return {"train": part(rows, SHA["train"]), **splits}


# ---- runs


def test_a_run_is_a_row_with_all_that_was_measured(tmp_path):
    run = write_run(tmp_path / "a", {"dev": scored(0.8125), "test": scored(0.70004, accuracy_deduplicated=0.65)})
    ((row,),) = tables(report([run]).markdown)
    assert row == {
        "run": f"`{run}`",
        "task": "news",
        "train data": "`data/train.tsv`, 100 rows",
        "model": "textcnn",
        "dev accuracy": "0.8125",
        "test accuracy": "0.7000",
        "test accuracy deduplicated": "0.6500",
        "parameters": "1,234,567",
        "seconds": "61",
        "tokens/s": "9,876",
        "seeds": "1",
    }


def test_a_sweep_is_a_row_with_its_deviation(tmp_path):
    sweep = write_sweep(tmp_path / "s", {"": [0.80, 0.82, 0.84]})
    ((row,),) = tables(report([sweep]).markdown)
    assert (row["dev accuracy"], row["test accuracy"], row["seeds"]) == ("0.8200 ± 0.0200", "0.7200 ± 0.0200", "3")


def test_f1_is_shown_beside_accuracy_for_two_labels(tmp_path):
    pairs = write_run(tmp_path / "a", {"dev": scored(0.7, n_labels=2, f1=0.5, macro_f1=0.6)})
    news = write_run(tmp_path / "b", {"dev": scored(0.7, n_labels=3, f1=0.5)}, {"dev": part(10, SHA["other"])})
    (first,), (second,) = tables(report([pairs, news]).markdown)
    assert first["dev f1"] == "0.5000"
    assert "dev f1" not in second
    assert "dev macro f1" not in first


def test_triplet_f1_is_shown_beside_the_f1_of_spans(tmp_path):
    scores = {"f1": 0.625, "triplet_f1": 0.375, "per_label": {"aspect": {"f1": 0.5}}}
    write_run(tmp_path / "a", {"dev": scores}, config={"evaluation": {"metric": "f1"}}, task="opinion")
    ((row,),) = tables(report([tmp_path / "a"]).markdown)
    assert (row["dev f1"], row["dev triplet f1"]) == ("0.6250", "0.3750")


def test_a_task_declares_further_metrics(tmp_path, monkeypatch):
    """The table asks for a task by name and shows of its metrics those that the run has."""
    scores = {"bleu": 30.5, "chrf": 20.25, "loss": 1.0}
    run = write_run(tmp_path / "a", {"dev": scores}, config={"evaluation": {"metric": "bleu"}}, task="unknown")
    ((row,),) = tables(report([run]).markdown)
    assert [heading for heading in row if heading.startswith("dev")] == ["dev bleu"]
    monkeypatch.setattr(tasks, "shown_metrics", lambda name: tasks.ShownMetrics(table=("chrf", "ter", name)))
    ((row,),) = tables(report([run]).markdown)
    assert [heading for heading in row if heading.startswith("dev")] == ["dev bleu", "dev chrf"]


def test_metrics_of_tasks_are_those_of_their_classes():
    for name in tasks.names():
        task = tasks.find(name)
        assert tasks.shown_metrics(name) == tasks.ShownMetrics(task.SUMMARY_METRICS, task.TABLE_METRICS)
    assert tasks.shown_metrics("opinion").table == ("triplet_f1",)
    assert tasks.shown_metrics("no such task") == tasks.ShownMetrics()


def test_the_selection_metric_is_shown(tmp_path):
    run = write_run(tmp_path / "a", {"dev": scored(0.7, macro_f1=0.6)}, config={"evaluation": {"metric": "macro_f1"}})
    ((row,),) = tables(report([run]).markdown)
    assert row["dev macro f1"] == "0.6000"
    assert "dev accuracy" not in row


def test_what_is_not_finished_is_shown_as_such(tmp_path):
    run = write_run(tmp_path / "a")
    stopped, failed = (write_run(tmp_path / name, status=name) for name in ("interrupted", "failed"))
    unfinished = write_run(tmp_path / "unfinished")
    (unfinished / "result.json").unlink()
    (rows,) = tables(report([run, stopped, failed, unfinished]).markdown)
    assert [row["remark"] for row in rows] == ["", "**interrupted**", "**failed**", "**unfinished**"]
    assert [row["dev accuracy"] for row in rows] == ["0.8000", "–", "–", "–"]


def below(*folders: Path) -> str:
    """Return what the report says below its last table."""
    return report(list(folders)).markdown.rpartition("|\n")[2].replace("\n", " ").strip()


def test_only_what_the_table_has_is_explained(tmp_path):
    plain = write_run(tmp_path / "a", {"dev": scored(0.8)}, train={"seconds": 3.2})
    assert below(plain) == ""
    two = write_run(tmp_path / "b", {"dev": scored(0.8, n_labels=2, f1=0.5, f1_deduplicated=0.4)})
    text = below(plain, two)
    assert text.startswith("*deduplicated*: ")
    assert text.endswith("With two labels, F1 is that of the second label (here 1).")
    assert "±" not in text
    assert "spans" not in text
    assert "Published" not in text
    spans = {"f1": 0.6, "triplet_f1": 0.4, "per_label": {"aspect": {"f1": 0.5}, "opinion": {"f1": 0.5}}}
    config = {"evaluation": {"metric": "f1"}}
    labelled = write_run(tmp_path / "c", {"dev": spans}, config=config, task="opinion")
    assert below(labelled).endswith("steps. F1 of spans counts a span only as a whole.")
    assert below(write_sweep(tmp_path / "s", {"": [0.8, 0.9]})).startswith("±: sample standard deviation")
    assert "Published scores" in below(write_run(tmp_path / "d", {"dev": scored(0.56)}, on("tnews")))


def test_runs_that_are_not_finished_have_a_command_that_continues_them(tmp_path):
    steps = {"training": {"epochs": 3}}
    stopped = write_run(tmp_path / "a b", config=steps, status="interrupted")
    failed, finished = write_run(tmp_path / "c", config=steps, status="failed"), write_run(tmp_path / "d", config=steps)
    baseline = write_run(tmp_path / "e", status="interrupted")
    text = below(stopped, failed, finished, baseline)
    command = f"`paddle-tasks train '{stopped}/config.yaml'`"
    assert text.endswith(f"To continue what is not finished:  - {command}")


def test_a_broken_folder_is_named_below_the_table(tmp_path):
    run, broken = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    (broken / "result.json").write_text("{")
    made = report([run, broken])
    assert f"- `{broken}`: {broken}/result.json: not valid JSON" in made.markdown.partition("## Left out")[2]
    assert (len(made.entries), len(made.broken)) == (1, 1)


def test_nothing_to_show_is_a_mistake(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=r"nothing to show.*\n.*neither a run nor a sweep"):
        report([tmp_path / "a"])


def test_a_folder_given_twice_is_one_row(tmp_path):
    run = write_run(tmp_path / "a")
    assert len(report([run, f"{run}/", str(run)]).entries) == 1


def test_cells_cannot_break_the_table(tmp_path):
    run = write_run(tmp_path / "a|b", encoder="x | y\nz")
    (row,) = tables(report([run]).markdown)[0]
    assert row["model"] == "x \\| y z"


# ---- groups


def test_runs_on_the_same_rows_share_a_table(tmp_path):
    """Whatever they were trained on; those on other rows have a table of their own."""
    first = write_run(tmp_path / "a")
    other = write_run(tmp_path / "b", data={"dev": part(10, SHA["other"]), "test": part(9, "0" * 64)})
    half = write_run(tmp_path / "c", data={"train": part(50, SHA["other"])})
    names = [[row["run"] for row in rows] for rows in tables(report([first, other, half]).markdown)]
    assert names == [[f"`{first}`", f"`{half}`"], [f"`{other}`"]]


def test_a_run_on_the_rows_of_two_groups_joins_them(tmp_path):
    only_dev = write_run(tmp_path / "a", {"dev": scored(0.5)})
    only_test = write_run(tmp_path / "b", {"dev": scored(0.5), "test": scored(0.5)}, {"dev": part(8, SHA["other"])})
    assert len(tables(report([only_dev, only_test]).markdown)) == 2
    both = write_run(tmp_path / "c")
    assert len(tables(report([only_dev, only_test, both]).markdown)) == 1


# ---- what is published


def published(folder: Path) -> list[dict[str, str]]:
    return tables(report([folder]).markdown)[1]


def test_references_are_beside_the_runs_of_their_data(tmp_path):
    run = write_run(tmp_path / "a", {"dev": scored(0.56)}, on("tnews"))
    made = report([run]).markdown
    assert "## TNEWS (news)" in made
    rows = published(run)
    (nano,) = [row for row in rows if row["published"] == "ERNIE 3.0 Nano"]
    assert (nano["score"], nano["split"], nano["metric"], nano["train rows"]) == ("0.5457", "dev", "accuracy", "53,360")
    assert nano["comparable"] == "yes"
    assert nano["source"].startswith("[PaddlePaddle/PaddleNLP](https://github.com/PaddlePaddle/PaddleNLP/")
    assert nano["source"].endswith("), best of a grid, chosen on dev itself")
    assert {row["comparable"] == "yes" for row in rows if row["split"] == "dev"} == {True}
    (test,) = {row["comparable"] for row in rows if row["split"] == "test"}
    assert test == "**not comparable**: another split (test of 10,000 rows; here dev of 10,000)"


def test_a_reference_with_more_train_rows_is_not_comparable(tmp_path):
    run = write_run(tmp_path / "a", data=on("thucnews-titles", test="test", train_rows=45000))
    rows = published(run)
    assert {row["comparable"] for row in rows} == {"**not comparable**: other train data (180,000 rows; here 45,000)"}
    whole = write_run(tmp_path / "b", data=on("thucnews-titles", test="test"))
    assert {row["comparable"] for row in published(whole)} == {"yes"}


def test_a_reference_can_be_comparable_with_some_runs_only(tmp_path):
    few = write_run(tmp_path / "a", data=on("thucnews-titles", test="test", train_rows=45000))
    whole = write_run(tmp_path / "b", data=on("thucnews-titles", test="test"))
    _, rows = tables(report([few, whole]).markdown)
    (verdict,) = {row["comparable"] for row in rows}
    assert verdict == f"with `{whole}`; **else not**: other train data (180,000 rows; here 45,000)"


def test_few_shot_rows_are_not_those_of_clue(tmp_path):
    data = on("iflytek", "FewCLUE dev_few_all", "FewCLUE test_public", train_rows=4397)
    rows = published(write_run(tmp_path / "a", data=data))
    (nano,) = [row for row in rows if row["published"] == "ERNIE 3.0 Nano"]
    assert nano["comparable"] == (
        "**not comparable**: another split (dev of 2,599 rows; here FewCLUE dev_few_all of 1,373, FewCLUE test_public "
        "of 1,749); other train data (12,133 rows; here 4,397)"
    )


@pytest.mark.parametrize(
    ("language", "source"), [("en", "course notes, about, no split named"), ("zh", "课程笔记、约数，未说明是哪个集")]
)
def test_a_source_without_an_address_is_named(tmp_path, language, source):
    run = write_run(tmp_path / "a", data=on("iflytek", "FewCLUE dev_few_all", "FewCLUE test_public", train_rows=4397))
    with using(language):
        assert report([run]).markdown.count(f"| {source}") == 2


def test_unknown_data_has_no_references(tmp_path):
    assert len(tables(report([write_run(tmp_path / "a")]).markdown)) == 1


# ---- CLUE


def clue_runs(folder: Path, **encoders: str) -> list[Path]:
    scores = {"afqmc": 0.71, "tnews": 0.55, "iflytek": 0.48}
    data = {
        "afqmc": on("afqmc"),
        "tnews": on("tnews"),
        "iflytek": on("iflytek", "FewCLUE dev_few_all", "FewCLUE test_public"),
    }
    runs = []
    for key, encoder in encoders.items():
        splits = {"dev": scored(scores[key])} | ({"test": scored(scores[key] + 0.1)} if key == "iflytek" else {})
        runs.append(write_run(folder / f"{key}-{encoder}", splits, data[key], encoder=encoder))
    return runs


def clue_lines(runs: list[Path]) -> list[str]:
    return [line for line in report(runs).markdown.splitlines() if line.startswith("CLUE mean")]


def test_the_mean_over_clue_is_given_when_all_three_are_there(tmp_path):
    (line,) = clue_lines(clue_runs(tmp_path, afqmc="bert", tnews="bert", iflytek="bert"))
    assert line.startswith(f"CLUE mean of `bert`: {(0.71 + 0.55 + 0.58) / 3:.4f} = mean accuracy of AFQMC dev 0.7100 (")
    assert "IFLYTEK test 0.5800" in line
    assert "TNEWS dev 0.5500" in line


@pytest.mark.parametrize("missing", ["afqmc", "tnews", "iflytek"])
def test_there_is_no_mean_over_two_of_them(tmp_path, missing):
    encoders = {key: "bert" for key in ("afqmc", "tnews", "iflytek") if key != missing}
    assert clue_lines(clue_runs(tmp_path, **encoders)) == []


def test_an_unfinished_run_does_not_count(tmp_path):
    runs = clue_runs(tmp_path, afqmc="bert", tnews="bert", iflytek="bert")
    (runs[0] / "result.json").unlink()
    assert clue_lines(runs) == []


def test_each_model_has_its_own_mean_and_its_best_run_by_dev(tmp_path):
    runs = clue_runs(tmp_path / "1", afqmc="bert", tnews="bert", iflytek="bert")
    runs += clue_runs(tmp_path / "2", afqmc="lstm", tnews="lstm")
    better = write_run(tmp_path / "better", {"dev": scored(0.91)}, on("afqmc"), encoder="bert")
    # Better on test and worse on dev: dev chooses.
    data = on("iflytek", "FewCLUE dev_few_all", "FewCLUE test_public")
    worse = write_run(tmp_path / "worse", {"dev": scored(0.1), "test": scored(0.9)}, data, encoder="bert")
    (line,) = clue_lines([*runs, better, worse])
    assert f"{(0.91 + 0.55 + 0.58) / 3:.4f}" in line


def test_without_a_common_model_the_best_of_each_counts(tmp_path):
    (line,) = clue_lines(clue_runs(tmp_path, afqmc="bert", tnews="lstm", iflytek="gru"))
    assert line.startswith("CLUE mean of the best of each by dev: 0.6133")


# ---- in Chinese


def test_the_report_is_in_the_language_of_the_user(tmp_path, in_chinese):
    run = write_run(tmp_path / "a", {"dev": scored(0.8, f1_deduplicated=0.4, f1=0.5, n_labels=2)}, on("tnews"))
    broken = write_run(tmp_path / "b")
    (broken / "result.json").write_text("{")
    made = report([run, broken]).markdown
    assert made.startswith("# 结果\n")
    (row,), published = tables(made)
    assert (row["训练数据"], row["验证集准确率"]) == ("`data/train.tsv`，53,360 行", "0.8000")
    assert (row["验证集 F1"], row["验证集 F1（去重）"]) == ("0.5000", "0.4000")
    assert published[0]["可比"] == "是"
    assert "## 未列入" in made
    assert max(map(width_of, made.rpartition("*去重*")[2].splitlines())) <= 116
