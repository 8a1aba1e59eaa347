"""Files of reviews as people have them: stray white space, byte-order marks, line ends, encodings, gzip and pipes."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from paddle_tasks.data.opinion.examples import OpinionLayout
from paddle_tasks.data.opinion.readers import load_opinions, opinion_format, read_opinions
from paddle_tasks.text.spans import Span

from .helpers import SPANS, TASTE, TEXT, bad, good, json_lines, task, typed, write

TAGS = ["B-aspect", "I-aspect", "B-opinion", "I-opinion", "O", "B-opinion", "I-opinion", "O"]
CONLL = "".join(f"{token} {tag}\n" for token, tag in zip(TEXT, TAGS, strict=True))
ASTE = f"{' '.join(TEXT)}####[((0, 1), (2, 3), 'POS'), ((-1, -1), (5, 6), 'Negative')]\n"
OWN = {"text": TEXT, "spans": [{"start": span.start, "end": span.end, "label": span.label} for span in SPANS]}
CONTENTS = {"conll": CONLL, "aste": ASTE, "jsonl": json_lines([OWN]), "array": json.dumps([OWN], indent=1)}


def assert_holds_reviews(path: Path, n_reviews: int = 1, **layout: str) -> None:
    examples = good(path, **layout)
    assert [(example.text, example.spans) for example in examples] == [(TEXT, SPANS)] * n_reviews


# ---- CoNLL


@pytest.mark.parametrize("end", [" ", "\t", "  ", " \t ", "\u3000", "\xa0"])
@pytest.mark.parametrize("separator", [" ", "\t", "  "])
def test_white_space_after_a_tag_is_no_column(tmp_path, end, separator):
    lines = [f"{token}{separator}{tag}{end}\n" for token, tag in zip(TEXT, TAGS, strict=True)]
    assert_holds_reviews(write(tmp_path / "a", "".join(lines)))


@pytest.mark.parametrize(
    "rows", ["好 B-a\n吃 \n真 I-a\n", "好 B-a\n吃\t\n真\tI-a\n", "好 \n吃 I-a\n", "好 B-a\n\u3000\n真 I-a\n"]
)
def test_a_token_without_tag_makes_its_sentence_bad(tmp_path, rows):
    path = write(tmp_path / "a", "很 O\n\n" + rows + "\n" + CONLL)
    assert "expected a token and its tag, found" in bad(path, format="conll")
    assert [row.text for row in read_opinions(path, OpinionLayout("conll")) if hasattr(row, "text")] == ["很", TEXT]


def test_a_token_that_is_a_space_is_kept(tmp_path):
    for line in (" \tI-o \n", "  I-o\t\n"):
        (example,) = good(write(tmp_path / "a", f"好 B-o\n{line}吃 I-o\n"))
        assert (example.text, example.spans) == ("好 吃", (Span(0, 3, "o"),))


def test_white_space_round_the_tokens_of_aste(tmp_path):
    (example,) = good(write(tmp_path / "a", f" {ASTE.replace('####', ' ####').rstrip()} \t\n"))
    assert (example.text, example.spans) == (TEXT, SPANS)


# ---- byte-order marks, line ends, encodings, gzip


@pytest.mark.parametrize("name", CONTENTS)
def test_a_byte_order_mark_at_the_start_of_any_line_is_dropped(tmp_path, name):
    separator = "\n" if name == "conll" else ""
    content = CONTENTS[name] if name == "array" else separator.join([CONTENTS[name]] * 2)
    marked = "\ufeff" + content.replace("\n", "\n\ufeff")
    assert_holds_reviews(write(tmp_path / "a", marked), 1 if name == "array" else 2)


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("line_end", ["\r", "\r\n"])
def test_every_line_end(tmp_path, name, line_end):
    content = CONTENTS[name].replace("\n", line_end)
    assert_holds_reviews(write(tmp_path / "a", content))


@pytest.mark.parametrize("name", CONTENTS)
def test_utf_16_and_gzip(tmp_path, name):
    assert_holds_reviews(write(tmp_path / "a", CONTENTS[name].encode("utf-16")))
    assert_holds_reviews(write(tmp_path / "a.gz", gzip.compress(CONTENTS[name].encode())))
    assert_holds_reviews(write(tmp_path / "b.gz", gzip.compress(CONTENTS[name].encode("gb18030"))), encoding="gb18030")


# ---- pipes


@pytest.mark.parametrize("name", CONTENTS)
def test_standard_input(monkeypatch, name):
    """The format is told and the rows are read and hashed, each from the start of the same input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENTS[name].encode())))
    form = "jsonl" if name == "array" else name
    assert opinion_format(Path("-"), OpinionLayout()) == form
    split = load_opinions("train", "-", OpinionLayout())
    assert [(example.text, example.spans) for example in split.examples] == [(TEXT, SPANS)]
    assert len(split.sha256) == 64


def test_a_named_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(ASTE,), daemon=True)
    writer.start()
    split = load_opinions("train", str(pipe), OpinionLayout())
    writer.join(timeout=60)
    assert [(example.text, example.spans) for example in split.examples] == [(TEXT, SPANS)]


def test_a_label_studio_export_with_marks_and_carriage_returns(tmp_path):
    record = task(typed("hypertextlabels", "a", TASTE))
    content = "\ufeff" + json.dumps([record], indent=2).replace("\n", "\r")
    (example,) = good(write(tmp_path / "a.json", content))
    assert example.spans == (TASTE,)
