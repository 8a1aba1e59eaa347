"""`predict` with built-in pipelines, the options of some of them, and explained predictions."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from paddle_tasks import tasks
from paddle_tasks.cli.colours import draw_coloured, draw_marked, replace_controls, show_lines
from paddle_tasks.cli.predict_options import OPTIONS
from paddle_tasks.inference import pipelines
from paddle_tasks.tasks.classification.display import display_explanation
from paddle_tasks.training.display import Segment

TEXT = "房间干净，就是早餐太差了"
RECORD = {
    "input": TEXT,
    "label": "negative",
    "score": 0.875,
    "probabilities": {"positive": 0.125, "negative": 0.875},
    "attributions": [[2, 3, -0.5], [3, 4, -0.4], [5, 7, 0.02], [9, 10, 0.8], [10, 11, 2.0], [11, 12, 0.2]],
    "completeness_error": 0.0,
}


def answers(stdout: str) -> list[dict]:
    return [json.loads(line) for line in stdout.splitlines()]


# ---- --explain


def test_explaining_adds_to_the_json_and_shows_the_text(cli, run):
    plain = answers(cli("predict", run, "很好", "很差").stdout)
    outcome = cli("predict", run, "很好", "很差", "--explain")
    assert outcome.code == 0
    for record, before in zip(answers(outcome.stdout), plain, strict=True):
        assert list(record) == [*before, "attributions", "completeness_error"]
        assert {key: record[key] for key in before} == before
        assert [span[:2] for span in record["attributions"]] == [[0, 1], [1, 2]]
    legend, first, second = outcome.stderr.splitlines()
    assert legend == "{+supports the label+} | [-speaks against it-]"
    for line, text, record in zip((first, second), ("很好", "很差"), plain, strict=True):
        mark = " (unsure)" if record.get("unsure") else ""
        assert line.startswith(f"{record['label']} {record['score']:.2f}{mark}  ")
        assert re.sub(r"\{\+|\+\}|\[-|-\]", "", line).endswith(text)
        assert line != re.sub(r"\{\+|\+\}|\[-|-\]", "", line)


def test_an_explanation_is_written_to_a_file_and_quiet_prints_nothing(cli, run, tmp_path):
    outcome = cli("predict", run, "很好", "--explain", "--quiet", "--output", "out.jsonl")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    assert "attributions" in answers((tmp_path / "out.jsonl").read_text(encoding="utf-8"))[0]
    assert cli("predict", run, "很好", "--explain", "--output", "out.jsonl").stderr.count("\n") == 2


# ---- options of some pipelines


class Echo:
    """Stands in for the class of a pipeline and its model; its records contain the model's name and the options."""

    def __init__(self, model, tokenizer) -> None:
        self.model = model

    def __call__(self, texts: list[str], **options) -> list[dict]:
        return [{"input": text, "model": self.model, "options": options} for text in texts]


@pytest.fixture
def echo(monkeypatch):
    fakes = {
        name: replace(builtin, load=lambda model: (model, None), build=Echo)
        for name, builtin in pipelines.PIPELINES.items()
    }
    monkeypatch.setattr(pipelines, "PIPELINES", fakes)


REWRITE = ["--variants", "2", "--share", "0.5", "--rounds", "1", "--min-similarity", "0.9", "--seed", "7"]
REWRITTEN = {"n_variants": 2, "share": 0.5, "rounds": 1, "min_similarity": 0.9, "seed": 7}


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(
    ("arguments", "model", "options"),
    [
        (["fill-mask", "很[MASK]"], "builtin/ernie-mini-zh", {}),
        (["fill-mask", "很[MASK]", "--top-k", "3"], "builtin/ernie-mini-zh", {"top_k": 3}),
        (["fill-mask", "--model", "builtin/bert-mini-zh", "很[MASK]"], "builtin/bert-mini-zh", {}),
        (["rewrite", "很[MASK]", *REWRITE], "builtin/ernie-mini-zh", REWRITTEN),
        (["rewrite", "很[MASK]", "--seed", "0", "--min-similarity", "-1"], None, {"seed": 0, "min_similarity": -1.0}),
    ],
)
def test_options_reach_their_pipeline(cli, arguments, model, options):
    outcome = cli("predict", *arguments)
    assert (outcome.code, outcome.stderr) == (0, "")
    (record,) = answers(outcome.stdout)
    assert (record["input"], record["options"]) == ("很[MASK]", options)
    assert record["model"] == (model or "builtin/ernie-mini-zh")


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fill-mask", "好", "--explain"], "--explain: not for fill-mask, which takes --top-k, --model"),
        (
            ["rewrite", "好", "--explain"],
            "--explain: not for rewrite, which takes --variants, --share, --rounds, --min-",
        ),
        (
            ["fill-mask", "好", "--seed", "1", "--share", "0.1"],
            "--share, --seed: not for fill-mask, which takes --top-k",
        ),
        (["rewrite", "好", "--top-k", "2"], "--top-k: not for rewrite"),
        (["RUN", "好", "--seed", "2"], "which takes --explain, --top-k"),
        (["RUN", "好", "--model", "builtin/bert-mini-zh"], "which takes --explain"),
        (["fill-mask", "好", "--top-k", "0"], "--top-k 0: expected a whole number of at least 1"),
        (["rewrite", "好", "--share", "1.5"], "--share 1.5: expected a number from 0 to 1"),
        (["fil-mask", "好"], "fil-mask: no such run folder, and no shipped model or pipeline"),
        (["fil-mask", "好"], "did you mean 'fill-mask'?"),
        (["fill-mask"], "nothing to predict: expected a text, or --input FILE"),
    ],
)
def test_an_option_of_another_pipeline_is_refused(cli, run, arguments, message):
    found = cli.fails("predict", *(run if word == "RUN" else word for word in arguments))
    assert message in re.sub(r"\s+", " ", found)


def test_a_model_that_is_not_there(cli):
    message = cli.fails("predict", "fill-mask", "好[MASK]", "--model", "builtin/ernie-maxi-zh")
    assert "builtin/ernie-maxi-zh: no such built-in model" in message


def test_help_explains_every_option(cli):
    shown = cli("predict", "--help").stdout
    for flag in ("--explain", "--model", "--top-k", "--variants", "--share", "--rounds", "--min-similarity", "--seed"):
        assert f"\n  {flag} " in shown
    assert "--no-explain" not in shown
    assert "options" not in OPTIONS
    assert "NO_COLOR" in shown


def test_every_pipelines_options_have_a_flag():
    named = {option for builtin in pipelines.PIPELINES.values() for option in builtin.options}
    named |= {option for name in tasks.names() for option in tasks.find(name).PREDICT_OPTIONS}
    assert named | {"model", "stream", "clue", "summary", "doccano"} == set(OPTIONS)


# ---- colours


def drawn(records: list[dict], **settings) -> str:
    stream = io.StringIO()
    lines = [line for record in records for line in display_explanation(record)]
    show_lines(lines, Console(file=stream, width=80, **settings))
    return stream.getvalue()


def test_without_colours_there_are_marks():
    expected = "negative 0.88  房间[-干-]净，就是早餐{+太差+}了\n"
    assert drawn([RECORD]) == "{+supports the label+} | [-speaks against it-]\n" + expected
    assert drawn([RECORD], force_terminal=True, no_color=True, color_system="truecolor").endswith(expected)


def test_a_terminal_gets_green_and_red_by_strength():
    shown = drawn([RECORD], force_terminal=True, no_color=False, color_system="truecolor").splitlines()[1]
    assert "{+" not in shown
    colour_of = {
        match[4]: tuple(map(int, match.groups()[:3])) for match in re.finditer(r"48;2;(\d+);(\d+);(\d+)m(.)", shown)
    }
    assert set(colour_of) == set("干净太差了")
    assert colour_of["差"] == (46, 160, 67)
    for character in "太差了":
        red, green, blue = colour_of[character]
        assert green > max(red, blue)
    for character in "干净":
        red, green, blue = colour_of[character]
        assert red > max(green, blue)
    assert colour_of["差"][0] < colour_of["太"][0] < colour_of["了"][0]
    assert re.sub(r"\x1b\[[\d;]*m", "", shown) == f"negative 0.88  {TEXT}"


@pytest.mark.parametrize(("variable", "marks"), [({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, True), ({}, False)])
def test_the_environment_decides(monkeypatch, variable, marks):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert ("{+" in drawn([RECORD], force_terminal=True)) == marks
    assert "{+" in drawn([RECORD])


@given(st.text(max_size=20), st.data())
def test_the_text_is_shown_without_control_characters(text, data):
    values = data.draw(st.lists(st.floats(-1, 1), min_size=len(text), max_size=len(text)))
    shown = replace_controls(text)
    assert len(shown) == len(text)
    assert shown.isprintable()
    line = [Segment(character, strength=value) for character, value in zip(text, values, strict=True)]
    assert draw_coloured(line, {}).plain == shown
    marks = draw_marked(line).plain
    if not re.search(r"[][{}+-]", text):
        assert re.sub(r"\{\+|\+\}|\[-|-\]", "", marks) == shown


def test_a_text_cannot_steer_the_terminal():
    record = {
        **RECORD,
        "input": "好\x1b[31m\n差\u3000",
        "label": "[red]",
        "attributions": [],
        "probabilities": {"[red]": 1},
    }
    assert drawn([record]) == "[red] 0.88  好\N{REPLACEMENT CHARACTER}[31m 差 \n"
