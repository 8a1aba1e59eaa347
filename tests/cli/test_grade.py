"""`paddle-tasks grade`."""

from __future__ import annotations

import json

RIGHT = '{"label": "positive"}\n{"label": "negative"}\n'


def test_one_submission_is_an_object_and_several_are_a_list_and_a_leaderboard(cli, tmp_path):
    (tmp_path / "gold.tsv").write_text("label\ttext\npositive\t好\nnegative\t差\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(RIGHT.replace("negative", "positive"), encoding="utf-8")
    one = json.loads(cli("grade", "a.jsonl", "--data", "gold.tsv", "--task", "news").stdout)
    assert one["metrics"]["accuracy"] == 1
    both = json.loads(
        cli("grade", "b.jsonl", "a.jsonl", "--data", "gold.tsv", "--task", "news", "--leaderboard", "l.csv").stdout
    )
    assert [found["metrics"]["accuracy"] for found in both] == [0.5, 1]
    assert [line.split(",")[1] for line in (tmp_path / "l.csv").read_text("utf-8-sig").splitlines()[1:]] == [
        "a.jsonl",
        "b.jsonl",
    ]


def test_a_bad_submission_does_not_stop_the_others(cli, tmp_path):
    (tmp_path / "gold.tsv").write_text("评论\tlabel\n好\tpositive\n差\tnegative\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("{\n", encoding="utf-8")
    arguments = ("data.columns.text=评论", "data.columns.label=label", "--data", "gold.tsv", "--task", "news")
    outcome = cli("grade", "b.jsonl", "a.jsonl", *arguments)
    assert outcome.code == 2
    assert [found["submission"] for found in json.loads(outcome.stdout)] == ["a.jsonl"]
    assert "1 of 2 submissions could not be scored" in outcome.stderr
    assert "b.jsonl:1: not JSON" in outcome.stderr
    assert "b.jsonl:1: not JSON" in cli.fails("grade", "b.jsonl", *arguments)
