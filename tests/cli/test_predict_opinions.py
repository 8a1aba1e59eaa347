"""`predict` with a run of the task opinion: spans in colours, summary, doccano; and `check-data opinion`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from paddle_tasks import train
from paddle_tasks.cli.colours import show_lines
from paddle_tasks.data.opinion.examples import OpinionLayout
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.tasks.opinion.display import display_opinions

from ..helpers import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "opinion.jsonl"
TEXT = "房间干净，早餐很差"
RECORD = {
    "input": "房\x1b间很[b]大",
    "spans": [
        {"start": 0, "end": 3, "text": "房\x1b间", "label": "aspect", "prob": 0.9},
        {"start": 4, "end": 8, "text": "[b]大", "label": "opinion", "prob": 0.8},
    ],
    "triplets": [
        {
            "aspect": {"start": 0, "end": 3, "text": "房\x1b间"},
            "opinion": {"start": 4, "end": 8, "text": "[b]大"},
            "polarity": "positive",
            "prob": 0.7,
        },
        {"aspect": None, "opinion": {"start": 4, "end": 8, "text": "[b]大"}, "polarity": "odd", "prob": 0.25},
    ],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Return a run that was trained on its fixture until it makes no errors; no test may change it."""
    data = {"data.train": str(FIXTURE), "data.dev": str(FIXTURE), "data.test": None, "data.vocabulary.min_count": 1}
    training = {"training.epochs": 40, "training.batch_size": 4, "evaluation.every_steps": 60}
    return train(
        ROOT / "configs" / "quick" / "opinion.yaml",
        run_dir=tmp_path_factory.mktemp("opinion") / "run",
        **{**data, **training, "optimizer.learning_rate": 0.01, "model.dropout": 0.0, "logging.visualdl": False},
    ).folder


def test_a_review_has_its_spans_and_triplets(cli, run):
    record = json.loads(cli("predict", run, TEXT).stdout)
    assert list(record) == ["input", "spans", "triplets"]
    assert [(span["start"], span["end"], span["text"], span["label"]) for span in record["spans"]] == [
        (0, 2, "房间", "aspect"),
        (2, 4, "干净", "opinion"),
        (5, 7, "早餐", "aspect"),
        (8, 9, "差", "opinion"),
    ]
    assert [(t["aspect"]["text"], t["opinion"]["text"], t["polarity"]) for t in record["triplets"]] == [
        ("房间", "干净", "positive"),
        ("早餐", "差", "negative"),
    ]
    assert all(0 < one["prob"] <= 1 for one in (*record["spans"], *record["triplets"]))


def test_explaining_shows_the_spans_beside_the_same_json(cli, run):
    outcome = cli("predict", run, TEXT, "--explain")
    assert outcome.stdout == cli("predict", run, TEXT).stdout
    first, *triplets = outcome.stderr.splitlines()
    assert first == "【房间｜aspect】【干净｜opinion】，【早餐｜aspect】很【差｜opinion】"
    assert [line.split()[:2] for line in triplets] == [["房间:", "干净"], ["早餐:", "差"]]
    assert cli("predict", run, TEXT, "--explain", "--quiet").stderr == ""


def shown(**settings) -> str:
    stream = io.StringIO()
    show_lines(display_opinions(RECORD), Console(file=stream, width=20, **settings))
    return stream.getvalue()


def test_spans_are_coloured_on_a_terminal_with_colours():
    text = shown(force_terminal=True, color_system="truecolor")
    legend, line, *_ = text.splitlines()
    assert "aspect" in legend
    assert "opinion" in legend
    assert "48;2;" in line
    assert "【" not in text
    assert "\x1b间" not in text


def test_spans_are_marked_without_colours_and_texts_are_not_read_as_markup():
    assert shown().splitlines() == [
        "【房\N{REPLACEMENT CHARACTER}间｜aspect】很【[b]大｜opinion】",
        "  房\N{REPLACEMENT CHARACTER}间: [b]大  positive 0.70",
        "  (implicit): [b]大  odd 0.25",
    ]


def test_a_file_is_summarised_as_a_table_and_a_chart(cli, run, tmp_path):
    outcome = cli("predict", run, "--input", FIXTURE, "--summary", "a.svg", "--output", "a.jsonl")
    assert outcome.code == 0
    assert "aspects in 12 reviews" in outcome.stdout
    (room,) = [line.split() for line in outcome.stdout.splitlines() if "房间" in line]
    assert room[1:] == ["房间", "1", "100%", "0%", "0%", "干净", "1"]
    assert any("(implicit)" in line for line in outcome.stdout.splitlines())
    assert "房间" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert len((tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()) == 12


def test_without_a_chinese_font_the_table_is_the_legend(cli, run, monkeypatch):
    monkeypatch.setattr("paddle_tasks.figures.fonts.find_font", lambda _text: None)
    outcome = cli("predict", run, TEXT, "--summary", "a.png")
    assert "No installed font has all characters" in outcome.stdout


def test_predictions_are_written_for_doccano_and_read_back(cli, run, tmp_path):
    outcome = cli("predict", run, "--input", FIXTURE, "--doccano", "a.jsonl")
    assert (outcome.code, outcome.stdout) == (0, "")
    found = load_opinions("train", str(tmp_path / "a.jsonl"), OpinionLayout())
    expected = load_opinions("train", str(FIXTURE), OpinionLayout())
    assert [(e.text, e.spans, set(e.pairs)) for e in found.examples] == [
        (e.text, e.spans, set(e.pairs)) for e in expected.examples
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--summary", "a.jpg"), "--summary a.jpg: expected a name that ends in .png or .svg"),
        (("--summary", "no/a.png"), "--summary no/a.png: no such folder no"),
        (("--doccano", "."), "--doccano .: is a folder, expected a file"),
        (("--clue",), "--clue: not for"),
        (("--top-k", "3"), "which takes --explain, --doccano, --summary"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(cli, run, arguments, message):
    assert message in " ".join(cli.fails("predict", run, TEXT, *arguments).replace("│", " ").split())


def test_texts_without_opinions_cannot_be_summarised(cli, run):
    assert "nothing to summarise" in cli.fails("predict", run, "昨天下午收到的快递", "--summary", "a.svg")


# ---- check-data


def test_reviews_are_reported(cli, tmp_path):
    span = {"start": 0, "end": 2, "label": "aspect"}
    lines = [
        {"text": "甲乙丙", "spans": [span, {"start": 1, "end": 3, "label": "opinion"}], "pairs": []},
        {"text": "甲乙", "spans": [{**span, "end": 9}]},
        {"text": "甲乙", "spans": [span], "pairs": [{"aspect": 0, "opinion": None, "polarity": "POS"}]},
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    report = cli("check-data", "opinion", "a.jsonl", "a.jsonl").stdout
    for line in (
        "labels aspect: 2, opinion: 1",
        "pairs positive: 1",
        "2 spans overlap another one",
        "a.jsonl:1: '甲乙' (aspect) overlaps another span",
        "bad rows 2",
        "a.jsonl:2: aspect 0 to 9: expected a start before its end",
        "whose spans or pairs differ",
        "leaked into dev 2",
    ):
        assert line in " ".join(report.split())
    found = json.loads(cli("check-data", "opinion", "a.jsonl", "data.overlaps=refuse", "--json").stdout)
    assert (found["rows"], found["bad_rows"]) == ({"train": 1}, 2)
    assert "data.columns" in cli.fails("check-data", "opinion", "a.jsonl", "data.columns=[text]")
