"""Files as people have them: gzip, line ends, encodings by their marks, and files that are no text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from paddle_tasks.data.tables import archives
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.text_files import data_suffix, read_lines
from paddle_tasks.data.tables.text_lines import split_lines
from paddle_tasks.errors import ConfigError, DataError

FIELDS = ("text", "label")
ROWS = [("很好", "1"), ("很差", "0")]
TSV, CSV = "text\tlabel\n很好\t1\n很差\t0\n", "text,label\n很好,1\n很差,0\n"
JSON = '{"text": "很好", "label": 1}\n{"text": "很差", "label": 0}\n'
CONTENTS = [("a.tsv", TSV), ("a.csv", CSV), ("a.jsonl", JSON)]


def read(path: Path, encoding: str = "utf-8") -> list[tuple[str, ...]]:
    rows = list(read_rows(path, FIELDS, Layout(encoding=encoding)))
    assert all(isinstance(row, Row) for row in rows), rows
    return [tuple(row.fields.values()) for row in rows if isinstance(row, Row)]


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value)


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


# ---- gzip


@pytest.mark.parametrize(("name", "content"), CONTENTS)
def test_gzip_is_read(tmp_path, name, content):
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(content.encode()))
    assert read(path) == ROWS
    renamed = path.rename(tmp_path / name)
    assert read(renamed) == ROWS, "the content decides, not the name"
    path.write_bytes(content.encode())
    assert read(path) == ROWS, "a browser that unpacks keeps the name"


def test_the_suffix_before_gz_is_the_format():
    assert [data_suffix(Path(name)) for name in ("a.CSV.gz", "a.tsv", "a.GZ", "a")] == [".csv", ".tsv", "", ""]


def test_damaged_and_huge_gzip_is_refused(tmp_path, monkeypatch):
    whole = gzip.compress(TSV.encode() * 99)
    assert "a.tsv.gz: a damaged gzip file: " in refusal(tmp_path / "a.tsv.gz", whole[:-9])
    assert "a damaged gzip file: CRC check failed" in refusal(tmp_path / "a.tsv.gz", whole[:-8] + b"0000" + whole[-4:])
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 100)
    assert "a.tsv.gz: holds more than 100 bytes" in refusal(tmp_path / "a.tsv.gz", whole)


# ---- line ends and encodings


@pytest.mark.parametrize(("name", "content"), CONTENTS)
@pytest.mark.parametrize("end", ["\r", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_line_ends_and_marked_encodings(tmp_path, name, content, end, encoding):
    path = tmp_path / name
    path.write_bytes(content.replace("\n", end).encode(encoding))
    assert read(path) == ROWS
    assert [row.line for row in read_rows(path, FIELDS, Layout())] == [1 + (name != "a.jsonl"), 2 + (name != "a.jsonl")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\rb\rc", ["a", "b", "c"]),
        ("a\rb\rc\r\n", ["a", "b", "c", ""]),
        ('t,l\r"一\n二",1\r三,0\r', ["t,l", '"一\n二",1', "三,0", ""]),
        ("a\tx\ry\nb\tz\n", ["a\tx\ry", "b\tz", ""]),
        ("a\nb\rc\rd\re", ["a", "b\rc\rd\re"]),
        ("a\u2028b\x85c\x0bd\r\n", ["a\u2028b\x85c\x0bd", ""]),
        ("", [""]),
    ],
)
def test_lines_end_with_carriage_returns_only_if_all_of_them_do(text, lines):
    assert split_lines(text) == lines


def test_a_cell_of_excel_for_mac_may_hold_a_line_feed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('text,label\r"第一行\n第二行",1\r很差,0\r'.encode())
    assert read(path) == [("第一行\n第二行", "1"), ("很差", "0")]


def test_the_mark_decides_and_the_configured_encoding_has_to_exist(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CSV.encode("utf-8-sig"))
    assert read(path, "gb18030") == ROWS
    path.write_bytes(CSV.encode("utf-16-le"))
    assert read(path, "utf-16-le") == ROWS
    assert "set data.encoding=utf-16-le" in refusal(path, CSV.encode("utf-16-le"))
    with pytest.raises(ConfigError, match="'utf-88' is not a known encoding"):
        read(path, "utf-88")
    path.write_bytes(CSV.encode("utf-16") + b"x")
    with pytest.raises(DataError, match="not utf-16 text at byte"):
        read(path)


def test_lines_of_other_readers_are_read_alike(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress("好\r\ufeff差\r".encode("utf-16")))
    assert list(read_lines(path, "utf-8")) == [(1, "好"), (2, "差"), (3, "")]


# ---- files that are no text


@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (.xlsx)", "save it as CSV"),
        (zipped("word/document.xml"), "a Word document (.docx)", "plain text"),
        (zipped("content.xml"), "an OpenDocument file", "save it as CSV"),
        (zipped("archive/data.pkl"), "a PyTorch file", "text file"),
        (zipped("train.csv", "dev.csv"), "a zip archive of train.csv, dev.csv", "unpack it"),
        (b"PK\x03\x04\x14", "a damaged zip file or Excel workbook", "unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "an Excel workbook (.xls)", "save it as CSV"),
        (b"PAR1" + bytes(20), "a Parquet file", "pandas.read_parquet(FILE).to_csv(NEW, index=False)"),
        (b"ARROW1" + bytes(20), "an Arrow or Feather file", "CSV or JSON lines"),
        (pickle.dumps([1], protocol=4), "a Python pickle", "CSV or JSON lines"),
        (pickle.dumps([1], protocol=2), "a Python pickle", "CSV or JSON lines"),
        (bz2.compress(b"x"), "a bzip2 file", "unpack it"),
        (lzma.compress(b"x"), "an xz file", "unpack it"),
        (tarred(), "a tar archive", "unpack it"),
        (gzip.compress(tarred()), "a tar archive", "unpack it"),
        (b"%PDF-1.7\n", "a PDF document", "copy its text"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer", "git lfs pull"),
        (b"\n<!DOCTYPE HTML><html>", "a web page (HTML)", "save it as CSV"),
        (b"<?xml version='1.0'?><Workbook>", "an XML file", "CSV"),
        (bytes(100), "a binary file", "data.encoding=utf-16-le"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # compressed bytes hold the time
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_that_is_no_text_is_refused_by_its_kind(tmp_path, content, kind, remedy, name):
    message = refusal(tmp_path / name, content)
    assert message.startswith(f"{tmp_path / name}: {kind}")
    assert remedy in message


def test_a_numpy_file_is_refused_by_its_kind(tmp_path):
    np.save(tmp_path / "a.npy", np.array([1]))
    with pytest.raises(DataError, match=r"a\.npy: a NumPy file \(\.npy\)"):
        read(tmp_path / "a.npy")


def test_texts_that_begin_like_markup_or_hold_a_nul_are_texts(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\n<好>\x00吃\t1\n很差\t0\n", encoding="utf-8")
    assert read(path) == [("<好>\x00吃", "1"), ("很差", "0")]
