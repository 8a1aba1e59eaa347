"""Pipes in place of files, and names that no file can have."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddle_tasks.data.tables import paths
from paddle_tasks.data.tables.catalogue import locate
from paddle_tasks.data.tables.paths import readable_file
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.data.tables.splits import load_split, parse_labelled_text, source_sha256
from paddle_tasks.errors import DataError

CONTENT = "text\tlabel\n很好\t1\n很差\t0\n".encode()
FIELDS = ("text", "label")


@pytest.fixture
def pipe() -> Iterator[str]:
    """A process substitution that holds a table."""
    reader, writer = os.pipe()
    os.write(writer, CONTENT)
    os.close(writer)
    yield f"/dev/fd/{reader}"
    os.close(reader)


@pytest.fixture
def stdin(monkeypatch) -> None:
    """A standard input that holds a table."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))


def test_a_pipe_is_read_as_often_as_a_file(pipe):
    copy = locate(pipe, "train")
    assert copy == locate(pipe, "dev") == readable_file(Path(pipe))
    assert copy.read_bytes() == CONTENT
    rows = [row for row in read_rows(Path(pipe), FIELDS, Layout()) if isinstance(row, Row)]
    assert [row.where for row in rows] == [f"{pipe}:2", f"{pipe}:3"]


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_split_from_standard_input(stdin, name):
    split = load_split("train", name, Layout(), FIELDS, parse_labelled_text)
    assert [example.text for example in split.examples] == ["很好", "很差"]
    assert split.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert source_sha256(Source(name, "train"), Layout()) == split.sha256


def test_another_standard_input_is_read_anew(stdin, monkeypatch):
    assert readable_file(Path("-")).read_bytes() == CONTENT
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x")))
    assert readable_file(Path("-")).read_bytes() == b"x"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="-: there is no standard input to read"):
        readable_file(Path("-"))


def test_a_fifo_is_read(tmp_path):
    fifo = tmp_path / "a.tsv"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(CONTENT,))
    writer.start()
    split = load_split("train", str(fifo), Layout(), FIELDS, parse_labelled_text)
    writer.join(timeout=60)
    assert len(split.examples) == 2


def test_an_endless_pipe_is_refused(monkeypatch):
    monkeypatch.setattr(paths, "MAX_MEMBER_BYTES", 10)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 11)))
    with pytest.raises(DataError, match="stdin: holds more than 10 bytes; write it to a file first"):
        readable_file(Path("-"))


def test_copies_are_removed_at_the_end_of_the_process():
    code = (
        "from pathlib import Path; from paddle_tasks.data.tables.paths import readable_file; "
        "print(readable_file(Path('-')))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=CONTENT, capture_output=True, check=True)
    copy = Path(done.stdout.decode().strip())
    assert copy.name == "stdin"
    assert not copy.parent.exists()


@pytest.mark.parametrize("name", ["很好吃" * 200, "a\0b", f"{'很' * 300}/a.tsv", "很好\n吃" * 200])
def test_a_name_that_no_file_can_have_is_no_file(name):
    assert readable_file(Path(name)) is None
    for read in (lambda: locate(name, "train"), lambda: list(read_rows(Path(name), FIELDS, Layout()))):
        with pytest.raises(DataError) as raised:
            read()
        message = str(raised.value)
        assert "no such file" in message
        assert len(message) < 150
        assert "\0" not in message
