"""Members of folders and archives: patterns, skipped links, reported damage, and nothing unpacked to disk."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.data.corpus.documents import Document
from paddle_tasks.data.tables import archives
from paddle_tasks.data.tables.archives import MemberFilter, OpenFile, open_files
from paddle_tasks.data.tables.imdb import folder_sha256, read_imdb
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError

from ..corpus.test_documents import MEMBERS, read, tar, texts, unpacked, write, zipped


@pytest.mark.parametrize(("name", "make"), [("n.tar.gz", tar), ("n.tgz", tar), ("n.zip", zipped), ("n", unpacked)])
def test_patterns_include_and_exclude_members(tmp_path: Path, name: str, make: Any) -> None:
    make(tmp_path / name)
    found = read(tmp_path, name, members=["*/水浒传/*", "*剑侠*"], exclude=["*雍正剑侠图*", "*/序/*"])
    assert found == [
        Document(("一之一", "一之二"), f"{name}/古文/水浒传/第一回/text.txt"),
        Document(("二",), f"{name}/古文/水浒传/第二回/text.txt"),
        Document(("十二",), f"{name}/古文/水浒传/第十二回/text.txt"),
    ]
    assert len(read(tmp_path, name)) == len(MEMBERS)


def test_a_plain_tar_and_gz_files(tmp_path: Path) -> None:
    tar(tmp_path / "n.tar", {"a.txt": "甲\n"}, "w")
    write(tmp_path / "t.tsv.gz", gzip.compress("x\ty\n甲\t乙\n".encode()))
    assert texts(tmp_path, "n.tar") == [("甲",)]
    assert read(tmp_path, "t.tsv.gz", columns=["y"]) == [Document(("乙",), "t.tsv.gz:2")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16-le"])
def test_byte_order_marks_are_dropped_at_the_starts_of_lines(tmp_path: Path, encoding: str) -> None:
    content = "\ufeff甲\r\n\ufeff乙\ufeff\n\ufeff".encode(encoding.removesuffix("-sig"))
    for name in ("n/a.txt", "n/b.txt"):
        write(tmp_path / name, content)
    lines = [
        list(file.lines(encoding)) for file in open_files(tmp_path / "n", MemberFilter()) if isinstance(file, OpenFile)
    ]
    assert lines == [[(1, "甲"), (2, "乙\ufeff"), (3, "")]] * 2


def test_rows_of_members_have_lines(tmp_path: Path) -> None:
    zipped(tmp_path / "n.zip", {"x/a.csv": "t\n甲\n", "x/b.jsonl": '{"t": "乙"}'})
    assert [str(getattr(row, "where", "")) for row in read(tmp_path, "n.zip", columns=["t"])] == [
        "n.zip/x/a.csv:2",
        "n.zip/x/b.jsonl:1",
    ]


def test_links_devices_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    write(tmp_path / "secret.txt", "secret")
    with tarfile.open(tmp_path / "n.tar.gz", "w:gz") as archive:
        for name, kind in (("l.txt", tarfile.SYMTYPE), ("h.txt", tarfile.LNKTYPE), ("f.txt", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "secret.txt"
            archive.addfile(info)
        for name in ("./a.txt", ".hidden.txt", "__MACOSX/a.txt"):
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"a"))
    assert read(tmp_path, "n.tar.gz") == [Document(("a",), "n.tar.gz/a.txt")]
    zipped(tmp_path / "n.zip", {"a.txt": "a"})
    with zipfile.ZipFile(tmp_path / "n.zip", "a") as packed:
        link = zipfile.ZipInfo("l.txt")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "secret.txt")
    assert texts(tmp_path, "n.zip") == [("a",)]
    unpacked(tmp_path / "n", {"a.txt": "a", ".b.txt": "b"})
    os.mkfifo(tmp_path / "n" / "f.txt")
    assert texts(tmp_path, "n") == [("a",)]


@pytest.mark.parametrize(("name", "make"), [("n.tar.gz", tar), ("n.zip", zipped)])
def test_a_member_of_absurd_size_is_bad(tmp_path: Path, name: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / name, {"a.txt": "123456", "b.txt": "12345"})
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 5)
    assert read(tmp_path, name) == [
        BadRow(name, "a.txt", "has 6 bytes, expected at most 5"),
        Document(("12345",), f"{name}/b.txt"),
    ]


def test_a_gzip_file_of_absurd_size_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 5)
    write(tmp_path / "a.txt.gz", gzip.compress(b"12345"))
    assert texts(tmp_path, "a.txt.gz") == [("12345",)]
    for name in ("b.txt.gz", "n/b.txt.gz"):
        write(tmp_path / name, gzip.compress(b"123456"))
        with pytest.raises(DataError, match=r"b\.txt\.gz: holds more than 5 bytes; unpack it to read it all"):
            read(tmp_path, name.split("/")[0])
    write(tmp_path / "c.txt", "123456")
    assert texts(tmp_path, "c.txt") == [("123456",)]


@pytest.mark.parametrize(("name", "make"), [("n.tar.gz", tar), ("n.zip", zipped)])
def test_a_damaged_archive_is_an_error(tmp_path: Path, name: str, make: Any) -> None:
    path = make(tmp_path / name, {"a.txt": "甲乙丙丁" * 1000, "b.txt": "乙" * 1000})
    whole = path.read_bytes()
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 0xFF]) + whole[len(whole) // 2 + 1 :]
    for damaged in (whole[: len(whole) // 2], whole[:-9], b"no archive at all", b"", flipped):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"{name}: damaged or unreadable: "):
            read(tmp_path, name)


def test_an_encrypted_zip_is_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "n.zip", {"a.txt": "a"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"n\.zip/a\.txt: is encrypted"):
        read(tmp_path, "n.zip")


def test_a_damaged_checksum_is_an_error(tmp_path: Path) -> None:
    path = tar(tmp_path / "n.tar.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    with pytest.raises(DataError, match=r"n\.tar\.gz: damaged or unreadable: CRC check failed"):
        read(tmp_path, "n.tar.gz")


def test_nothing_is_unpacked_to_disk(tmp_path: Path) -> None:
    tar(tmp_path / "n.tar.gz", {"../out.txt": "甲", "/abs.txt": "乙"})
    before = sorted(tmp_path.parent.rglob("*"))
    assert len(read(tmp_path, "n.tar.gz")) == 1  # a path with .. is hidden too
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_no_match_and_unknown_endings_are_errors(tmp_path: Path) -> None:
    tar(tmp_path / "n.tar.gz", {"a.txt": "甲", "LICENSE": "MIT"})
    with pytest.raises(DataError, match=r"n\.tar\.gz/LICENSE: unknown suffix, expected .*; set format"):
        read(tmp_path, "n.tar.gz")
    with pytest.raises(DataError, match=r"n\.tar\.gz: no file in it matches \*\.tsv and not b\*"):
        read(tmp_path, "n.tar.gz", members=["*.tsv"], exclude=["b*"])
    assert texts(tmp_path, "n.tar.gz", exclude=["LICENSE"]) == [("甲",)]
    assert texts(tmp_path, "n.tar.gz", format="text") == [("甲",), ("MIT",)]


def test_a_zip_with_a_broken_name_is_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "n.zip", {"甲.txt": "a"})
    path.write_bytes(path.read_bytes().replace("甲".encode(), b"\xff\xff\xff"))
    with pytest.raises(DataError, match=r"n\.zip: damaged or unreadable: "):
        read(tmp_path, "n.zip")


def test_links_out_of_a_folder_are_bad_rows(tmp_path: Path) -> None:
    write(tmp_path / "secret.txt", "secret")
    write(tmp_path / "n/a.txt", "a")
    write(tmp_path / "n/b/c.txt", "c")
    for name, target in {"l.txt": "../secret.txt", "m.txt": str(tmp_path / "secret.txt"), "n.txt": "b/c.txt"}.items():
        (tmp_path / "n" / name).symlink_to(target)
    (tmp_path / "n/o.txt").symlink_to("nowhere")
    found = read(tmp_path, "n")
    reason = f"is a link to a file outside of {(tmp_path / 'n').resolve()}; copy the file into it"
    assert found == [
        Document(("a",), "n/a.txt"),
        Document(("c",), "n/b/c.txt"),
        BadRow("n/l.txt", 1, reason),
        BadRow("n/m.txt", 1, reason),
        Document(("c",), "n/n.txt"),
    ]
    (tmp_path / "linked").symlink_to("n")  # the folder itself may be a link
    assert len(read(tmp_path, "linked")) == len(found)


def test_a_folder_of_reviews_with_links_out_of_it(tmp_path: Path) -> None:
    write(tmp_path / "secret.txt", "secret")
    write(tmp_path / "imdb/train/pos/0_9.txt", "fine")
    write(tmp_path / "imdb/train/neg/0_2.txt", "bad")
    (tmp_path / "imdb/train/pos/1_9.txt").symlink_to("../../../secret.txt")
    rows = list(read_imdb(tmp_path / "imdb", "train", "utf-8"))
    assert [row.fields["text"] for row in rows if isinstance(row, Row)] == ["bad", "fine"]
    (outside,) = [row for row in rows if isinstance(row, BadRow)]
    assert "is a link to a file outside" in outside.reason
    before = folder_sha256(tmp_path / "imdb", "train")
    write(tmp_path / "secret.txt", "another")
    assert folder_sha256(tmp_path / "imdb", "train") == before


def test_names_that_lead_out_of_an_archive_are_names_only(tmp_path: Path) -> None:
    members = {"../x.txt": "a", "/etc/y.txt": "b", "z.txt": "c"}
    (tmp_path / "t").mkdir()
    tar(tmp_path / "t/n.tar.gz", members)
    zipped(tmp_path / "t/n.zip", members)
    for name in ("n.tar.gz", "n.zip"):
        read(tmp_path / "t", name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["n.tar.gz", "n.zip", "t"]


def test_a_member_that_unpacks_to_more_than_is_allowed_is_a_bad_row(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    zipped(tmp_path / "n.zip", {"a.txt": "x" * 100_000, "b.txt": "b"})
    tar(tmp_path / "n.tar.gz", {"a.txt": "x" * 100_000, "b.txt": "b"})
    for name in ("n.zip", "n.tar.gz"):
        bomb, small = read(tmp_path, name)
        assert isinstance(bomb, BadRow)
        assert "has 100,000 bytes, expected at most 1,000" in bomb.reason
        assert small == Document(("b",), f"{name}/b.txt")
