"""`predict` with a model that writes: its options, streams, Ctrl-C, and what is shown to people."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_tasks import load, train
from paddle_tasks.cli import writing
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.text_stream import PipelineStream

from ..helpers import ROOT
from .terminal import WIDTH, in_terminal, too_wide

QUICK = ROOT / "configs" / "quick" / "novel.yaml"
TINY = {"model.hidden_size": 16, "training.epochs": 1, "logging.visualdl": False, "evaluation.prompt_length": 3}
BEGINNING = "话说沈伯安"
OPTIONS = ["--length", "20", "--top-k", "10", "--seed", "1"]
SAME = {"max_new_tokens": 20, "top_k": 10, "seed": 1}


@pytest.fixture(scope="module")
def novel(tmp_path_factory) -> Path:
    """A run that was trained for a second, which no test may change."""
    return train(QUICK, run_dir=tmp_path_factory.mktemp("writing") / "novel", **TINY).folder


@pytest.fixture(scope="module")
def model(novel):
    return load(novel)


def outputs(stdout: str) -> list[str]:
    (record,) = map(json.loads, stdout.splitlines())
    return [output["text"] for output in record["outputs"]]


# ---- options


def test_each_option_reaches_the_decoding(cli, novel, model):
    arguments = ["--length", "7", "--top-p", "0.9", "--temperature", "0.8", "--min-p", "0.01", "--seed", "3"]
    arguments += ["--top-k", "9", "--repetition-penalty", "1.2", "--no-repeat-window", "30", "--n", "2"]
    expected = model(
        BEGINNING,
        max_new_tokens=7,
        top_p=0.9,
        temperature=0.8,
        min_p=0.01,
        seed=3,
        top_k=9,
        repetition_penalty=1.2,
        no_repeat_window=30,
        num_return_sequences=2,
    )
    outcome = cli("predict", novel, BEGINNING, *arguments)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outputs(outcome.stdout) == [output["text"] for output in expected["outputs"]]
    assert all(len(set(text)) == len(text) == 7 for text in outputs(outcome.stdout))
    for option in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_window"):
        with pytest.raises(ConfigError, match=option):
            model(BEGINNING, **{option: -1})  # so each of them is read


def test_several_outputs(cli, novel):
    drawn = outputs(cli("predict", novel, BEGINNING, *OPTIONS, "--n", "3").stdout)
    assert len(set(drawn)) == 3
    assert drawn[:1] == outputs(cli("predict", novel, BEGINNING, *OPTIONS).stdout)
    found = cli("predict", novel, BEGINNING, "--length", "5", "--beams", "5", "--n", "3")
    scores = [output["score"] for output in json.loads(found.stdout)["outputs"]]
    assert len(set(outputs(found.stdout))) == 3
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "好", "--explain"], "--explain: not for RUN, which takes --length, --top-k, --top-p, --min-p,"),
        (["RUN", "好", "--variants", "2"], "--no-repeat-window, --beams, --n, --seed, --stream"),
        (["sentiment", "好", "--stream", "--length", "3"], "--length, --stream: not for sentiment, which takes"),
        (
            ["RUN", "好", "--beams", "5", "--top-k", "3", "--temperature", "2"],
            "--top-k, --temperature: not with --beams",
        ),
        (["RUN", "好", "--beams", "2", "--n", "3"], "--n 3: expected at most 2, as many as --beams keeps"),
        (["RUN", "好", "--temperature", "0"], "--temperature 0: expected a number of at least 0.01"),
        (["RUN", "好", "--top-p", "1.5"], "--top-p 1.5: expected a number from 0 to 1"),
        (["RUN", "好", "--topk", "3"], "no such option: --topk; did you mean '--top-k'?"),
        (["RUN", "好", "坏", "--stream"], "--stream: expected one text, found 2"),
        (["RUN", "好", "--stream", "--n", "2", "--json"], "so not with --n, --json"),
        (["RUN", "好", "--stream", "--beams", "2", "--output", "a.csv"], "so not with --beams, --output"),
    ],
)
def test_options_that_cannot_be_used(cli, novel, arguments, message):
    found = cli.fails("predict", *(novel if word == "RUN" else word for word in arguments))
    assert message.replace("RUN", str(novel)) in re.sub(r"\s+", " ", found)


# ---- streams


def test_a_stream_is_the_text_that_is_predicted(cli, novel, model):
    (text,) = outputs(cli("predict", novel, BEGINNING, *OPTIONS).stdout)
    outcome = cli("predict", novel, BEGINNING, *OPTIONS, "--stream")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, f"{BEGINNING}{text}\n", "")
    other = cli("predict", novel, BEGINNING, *OPTIONS[:-1], "2", "--stream")
    assert other.stdout != outcome.stdout
    piped = cli("predict", novel, *OPTIONS, "--stream", stdin=f"{BEGINNING}\n".encode())
    assert piped.stdout == outcome.stdout
    pieces = list(model.stream_text(BEGINNING, **SAME))
    assert "".join(pieces) == text
    assert {len(piece) for piece in pieces} == {1}


def test_each_character_is_written_at_once(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    seen = []

    def pieces():
        for piece in "，。！”\n宝":
            seen.append(written.getvalue().decode())
            yield piece

    writing.write_growing_text("话", pieces())
    assert seen == ["话", "话，", "话，。", "话，。！", "话，。！”", "话，。！”\n"]
    assert written.getvalue().decode() == "话，。！”\n宝\n"


def test_ctrl_c_ends_a_stream_with_what_was_written(cli, novel, monkeypatch):
    whole = cli("predict", novel, BEGINNING, *OPTIONS, "--stream").stdout
    original, handler = PipelineStream.__next__, signal.signal(signal.SIGINT, signal.default_int_handler)
    left = [4]

    def interrupted(stream):
        if not left[0]:
            signal.raise_signal(signal.SIGINT)
        left[0] -= 1
        return original(stream)

    monkeypatch.setattr(PipelineStream, "__next__", interrupted)
    try:
        outcome = cli("predict", novel, BEGINNING, *OPTIONS, "--stream")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (outcome.code, outcome.stderr) == (130, "paddle-tasks: stopped\n")
    assert outcome.stdout == whole[: len(BEGINNING) + 4] + "\n"


@pytest.mark.long
def test_ctrl_c_in_a_pipe(novel):
    arguments = ["predict", novel, BEGINNING, "--length", "100000", "--top-k", "5", "--stream"]
    command = [sys.executable, "-m", "paddle_tasks", *map(str, arguments)]
    # Without a buffer: `communicate` would not return what a buffer of this process has read ahead.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as child:
        first = b""
        while len(first) < len(BEGINNING.encode()) + 30:  # it comes before the text has ended
            first += child.stdout.read(30) or pytest.fail("the stream has ended")
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=60)
    text = (first + rest).decode()  # no half of a character
    assert child.returncode == 130
    assert errors.decode().endswith("paddle-tasks: stopped\n")
    assert "Traceback" not in errors.decode()
    assert text.startswith(BEGINNING)
    assert text.endswith("\n")
    assert len(text) < 50_000


def test_other_calls_may_use_the_model_between_two_pieces(model):
    expected = "".join(model.stream_text(BEGINNING, **SAME))
    stream = model.stream_text(BEGINNING, **SAME)
    assert "".join(piece + model("却说", max_new_tokens=1)["input"][:0] for piece in stream) == expected
    assert (stream.result.text, stream.result.finish) == (expected, "length")
    begun = model.stream_text(BEGINNING, **SAME)
    assert next(begun) == expected[0] == begun.result.text
    assert begun.result.finish == "interrupted"


def test_what_cannot_be_streamed(model, run):
    with pytest.raises(ConfigError, match="num_beams: expected 1 for a stream, found 3"):
        model.stream_text(BEGINNING, num_beams=3)
    with pytest.raises(ConfigError, match="does not write texts"):
        load(run).stream_text("很好")
    for wrong in (" ", 3):
        with pytest.raises(DataError):
            model.stream_text(wrong)


# ---- for people


@pytest.mark.long
def test_a_terminal_shows_wrapped_text(novel):
    arguments = ["predict", novel, BEGINNING, "--length", "120", "--seed", "1"]
    code, shown = in_terminal(*arguments)
    assert code == 0
    assert too_wide(shown) == []
    assert shown.startswith(BEGINNING)
    assert '"' not in shown.splitlines()[0]
    (text,) = [output["text"] for output in load(novel)(BEGINNING, max_new_tokens=120, seed=1)["outputs"]]
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", BEGINNING + text)
    assert len(shown) > WIDTH
    code, streamed = in_terminal(*arguments, "--stream")
    assert (code, streamed) == (0, f"{BEGINNING}{text}\n")


def test_what_was_written_has_another_tone(model):
    record = model(BEGINNING, max_new_tokens=60, top_k=10, num_return_sequences=2)
    lines = record.lines()
    segments = [segment for line in lines for segment in line]
    assert {segment.tone for segment in segments} == {"", "new"}
    assert [segment.text for segment in segments if not segment.tone] == [f"1: {BEGINNING}", f"2: {BEGINNING}"]
    assert not any("\n" in segment.text for segment in segments)
    written = "".join(segment.text for segment in segments if segment.tone)
    assert written == "".join(output["text"] for output in record["outputs"]).replace("\n", "")
    assert "<mark" in record.to_html()


def test_training_ends_with_what_the_perplexity_means(cli, novel):
    settings = [f"{key}={value}".replace("False", "false") for key, value in TINY.items()]
    shown = re.sub(r"\s+", " ", cli("train", QUICK, *settings, f"run_dir={novel}").stdout)
    perplexity = json.loads((novel / "result.json").read_text(encoding="utf-8"))["test"]["perplexity"]
    assert f"How good: test perplexity {perplexity:.1f} per character; lower is better." in shown
    assert f"among {perplexity:.0f} equally probable ones." in shown
    assert re.search(r'predict \S+ "[^"…]{3,16}" --stream compare', shown)
    assert "rows are right" not in shown
