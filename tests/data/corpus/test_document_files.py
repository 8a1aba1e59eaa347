"""Files of documents as people have them: pipes, byte-order marks, line ends and encodings."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from paddle_tasks.data.corpus.corpora import PretrainingData, load_documents
from paddle_tasks.data.corpus.documents import Document

from .test_documents import section, texts, write

CONTENTS = {"tsv": "t\n甲\n乙\n", "csv": 't\n甲\n"乙"\n', "jsonl": '{"t": "甲"}\n{"t": "乙"}\n', "text": "甲\n乙\n"}
READ = {form: [("甲", "乙")] if form == "text" else [("甲",), ("乙",)] for form in CONTENTS}
FORMATS = pytest.mark.parametrize("form", CONTENTS)


def read(folder: Path, name: str, form: str) -> list[tuple[str, ...]]:
    return texts(folder, name, format=form, columns=[] if form == "text" else ["t"])


@FORMATS
def test_marks_line_ends_and_utf_16(tmp_path, form):
    content = CONTENTS[form]
    for changed in ("\ufeff" + content.replace("\n", "\n\ufeff"), content.replace("\n", "\r")):
        write(tmp_path / "a", changed)
        assert read(tmp_path, "a", form) == READ[form]
    write(tmp_path / "a", content.encode("utf-16"))
    assert read(tmp_path, "a", form) == READ[form]


@FORMATS
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input(tmp_path, monkeypatch, form, name):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENTS[form].encode())))
    assert read(tmp_path, name, form) == READ[form]
    assert read(tmp_path, name, form) == READ[form]


def test_a_named_pipe_is_read_and_hashed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("甲\n",), daemon=True)
    writer.start()
    source = section("pipe", format="text")
    split = load_documents(PretrainingData(folder=str(tmp_path), train=(source,), dev=(source,)), "train", 0)
    writer.join(timeout=60)
    assert [document.lines for document in split.examples if isinstance(document, Document)] == [("甲",)]
    (tmp_path / "b").mkdir()
    write(tmp_path / "b" / "pipe", "甲\n")
    other = load_documents(PretrainingData(folder=str(tmp_path / "b"), train=(source,), dev=(source,)), "train", 0)
    assert split.sha256 == other.sha256
