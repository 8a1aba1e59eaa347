"""How runs differ, what they ran on, and the commands that make them again."""

from __future__ import annotations

import json

from paddle_tasks.reporting.html.blocks import Code, Details, Paragraph, RichTable
from paddle_tasks.reporting.html.reproduction import difference_blocks, environment_blocks, reproduction_blocks
from paddle_tasks.reporting.html.runs import studied_runs
from paddle_tasks.reporting.report import report

from ..folders import write_run

TRAINED = {"training": {"epochs": 1}}


def studied(*folders):
    return studied_runs(report(folders).entries, [folder.name for folder in folders])


def texts(table: RichTable) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_only_settings_that_differ_are_listed(tmp_path):
    runs = studied(
        write_run(tmp_path / "a", config={**TRAINED, "seed": 1}, encoder="gru"),
        write_run(tmp_path / "b", config={**TRAINED, "seed": 1, "extra": {"x": 1}}, encoder="lstm"),
        write_run(tmp_path / "baseline", config={"seed": 1, "ngrams": 3}, encoder="tfidf"),
    )
    (table,) = difference_blocks(runs)
    assert list(table.columns) == ["setting", "a", "b"]
    assert texts(table) == [["model.encoder", "&#34;gru&#34;", "&#34;lstm&#34;"], ["extra.x", "–", "1"]]


def test_equal_configurations_are_called_equal(tmp_path):
    runs = studied(*(write_run(tmp_path / name, config=TRAINED) for name in "ab"))
    assert list(difference_blocks(runs)) == [Paragraph("The configurations are equal but for the run folder.")]
    assert list(difference_blocks(runs[:1])) == [Paragraph("There is only one configuration.")]


def test_an_equal_environment_has_one_column(tmp_path):
    facts = {"python": "3.11", "versions": {"numpy": "1.26"}}
    same = [write_run(tmp_path / name, config=TRAINED, environment=facts) for name in "ab"]
    first, times = environment_blocks(studied(*same))
    assert list(first.columns) == ["what", "all runs"]
    assert texts(first) == [["python", "3.11"], ["versions.numpy", "1.26"]]
    assert [row[0] for row in texts(times)] == ["a", "b"]
    other = write_run(tmp_path / "c", config=TRAINED, environment={**facts, "python": "3.12"})
    shared, different, _times = environment_blocks(studied(same[0], other))
    assert (list(shared.columns), texts(shared)) == (["what", "all runs"], [["versions.numpy", "1.26"]])
    assert (list(different.columns), texts(different)) == (["what", "a", "c"], [["python", "3.11", "3.12"]])
    assert isinstance(next(iter(environment_blocks(studied(write_run(tmp_path / "d"))))), Paragraph)


def test_commands_make_the_runs_again(tmp_path):
    run = write_run(tmp_path / "my run", config=TRAINED, environment={"git_commit": "abc"})
    fitted = write_run(tmp_path / "b", encoder="tfidf")
    code, digests, *details = reproduction_blocks(studied(run, fitted))
    assert isinstance(code, Code)
    assert code.text.splitlines() == [
        "# my run (commit abc)",
        f"paddle-tasks train '{run}/config.yaml' 'run_dir={run}-again'",
        f"paddle-tasks verify '{run}'",
        "# b",
        f"paddle-tasks baseline {fitted}/config.yaml run_dir={fitted}-again",
    ]
    assert [row[0] for row in texts(digests)] == ["train", "dev", "test"]
    assert [isinstance(block, Details) for block in details] == [True, True]
    assert json.loads(details[0].blocks[0].text)["task"] == "news"
