"""The IMDB layout: reviews in a folder or an archive, bad rows, and the dev split that train leaves out."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from paddle_tasks.data.tables import archives
from paddle_tasks.data.tables.readers import Layout, file_format, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.sources import Source, resolve_source
from paddle_tasks.data.tables.splits import LabelledText, Split, load_split, parse_labelled_text
from paddle_tasks.errors import ConfigError, DataError, UserError
from paddle_tasks.workflows.check_data import check_data

from ...helpers import IMDB, needs_imdb

FIELDS = ("text", "label")
REVIEWS = {
    **{f"{split}/neg/{n}_{1 + n % 4}.txt": f"bad {split} {n}" for split in ("train", "test") for n in range(12)},
    **{f"{split}/pos/{n}_{7 + n % 4}.txt": f"good {split} {n}" for split in ("train", "test") for n in range(12)},
}


def members(reviews: dict[str, str | bytes]) -> dict[str, bytes]:
    return {name: text.encode() if isinstance(text, str) else text for name, text in reviews.items()}


def archive(path: Path, reviews: dict[str, str | bytes] = REVIEWS, root: str = "aclImdb/") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in reversed(members(reviews).items()):
            info = tarfile.TarInfo(f"{root}{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def folder(path: Path, reviews: dict[str, str | bytes] = REVIEWS, root: str = "aclImdb/") -> Path:
    for name, content in members(reviews).items():
        file = path / root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


def rows(path: Path, split: str = "train", **layout) -> list[Row | BadRow]:
    return list(read_rows(path, FIELDS, Layout(**layout), split))


def reason(tmp_path: Path, name: str, content: str | bytes = "x", **layout) -> str:
    """Return why the one review of an archive cannot be used, and check the folder says the same."""
    (bad,) = rows(archive(tmp_path / "a.tar.gz", {name: content}), **layout)
    (same,) = rows(folder(tmp_path / "a", {name: content}), **layout)
    assert str(bad) == f"{tmp_path}/a.tar.gz:aclImdb/{name}: {bad.reason}"
    assert str(same) == f"{tmp_path}/a/aclImdb/{name}:1: {bad.reason}"
    return bad.reason


def load(path: Path, name, dev: str | None = None) -> Split[LabelledText]:
    others = {"dev": dev} if dev else {}
    place = resolve_source(name, {**others, name: str(path)}, Layout())
    return load_split(name, place, Layout(), FIELDS, parse_labelled_text)


# ---- reading


@pytest.mark.parametrize("root", ["aclImdb/", ""])
def test_archive_and_folder_hold_the_same_reviews_by_label_and_number(tmp_path, root):
    in_archive, in_folder = archive(tmp_path / "a.tar.gz", root=root), folder(tmp_path / "a", root=root)
    for split in ("train", "test"):
        found = [row.fields for row in rows(in_archive, split)]
        assert found == [row.fields for row in rows(in_folder, split)]
        expected = [{"text": f"bad {split} {n}", "label": "neg"} for n in range(12)]
        assert found == expected + [{"text": f"good {split} {n}", "label": "pos"} for n in range(12)]


def test_a_review_knows_its_file_or_member(tmp_path):
    assert rows(archive(tmp_path / "a.tgz"))[10].where == f"{tmp_path}/a.tgz:aclImdb/train/neg/10_3.txt"
    assert rows(folder(tmp_path / "a"))[10].where == f"{tmp_path}/a/aclImdb/train/neg/10_3.txt:1"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("one<br /><br />two", "one two"),
        ("one <br/> <br >\n<br>two", "one  two"),
        ("one <b>two</b> <broken />", "one <b>two</b> <broken />"),
        ("\ufeffcafé", "café"),
    ],
)
def test_line_breaks_become_spaces(tmp_path, written, read):
    (row,) = rows(archive(tmp_path / "a.tar.gz", {"train/pos/0_9.txt": written}))
    assert row.fields["text"] == read


def test_the_encoding_is_that_of_the_configuration(tmp_path):
    path = archive(tmp_path / "a.tar.gz", {"train/pos/0_9.txt": "café".encode("latin-1")})
    assert rows(path, encoding="latin-1")[0].fields["text"] == "café"
    with pytest.raises(ConfigError, match=r"data\.encoding: 'latin-one' is not a known encoding"):
        rows(path, encoding="latin-one")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train/pos/0_4.txt", "expected a rating of 7 to 10 in pos, found 4"),
        ("train/pos/0_11.txt", "expected a rating of 7 to 10 in pos, found 11"),
        ("train/neg/0_5.txt", "expected a rating of 1 to 4 in neg, found 5"),
        ("train/neg/0_0.txt", "expected a rating of 1 to 4 in neg, found 0"),
        ("train/neg/first_1.txt", "expected a name such as 0_9.txt, a number and a rating"),
        ("train/neg/0_1.html", "expected a name such as 0_9.txt, a number and a rating"),
        ("train/neg/٣_1.txt", "expected a name such as 0_9.txt, a number and a rating"),
    ],
)
def test_a_name_without_a_known_rating_is_a_bad_row(tmp_path, name, message):
    assert reason(tmp_path, name) == message


def test_a_review_that_is_no_text_is_a_bad_row(tmp_path):
    assert reason(tmp_path, "train/pos/0_9.txt", b"caf\xe9") == "not valid utf-8 at byte 3"


@pytest.mark.parametrize("content", ["", " \n", "<br /><br />"])
def test_an_empty_review_is_a_bad_row_of_its_split(tmp_path, content):
    path = archive(tmp_path / "a.tar.gz", {**REVIEWS, "train/pos/99_9.txt": content})
    (bad,) = load(path, "train").bad_rows
    assert str(bad) == f"{path}:aclImdb/train/pos/99_9.txt: empty text"


def test_other_files_are_ignored(tmp_path):
    others = {
        "README": "x",
        "train/urls_pos.txt": "x",
        "train/unsup/0_0.txt": "x",
        "train/pos/.DS_Store": "x",
        "train/pos/._0_9.txt": "x",
        "train/pos/deeper/0_9.txt": "x",
    }
    for path in (archive(tmp_path / "a.tar.gz", {**REVIEWS, **others}), folder(tmp_path / "a", {**REVIEWS, **others})):
        assert len(rows(path)) == 24


def test_a_review_of_absurd_size_is_bad_and_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 5)
    sizes, read = list[int](), tarfile.ExFileObject.read
    monkeypatch.setattr(
        tarfile.ExFileObject, "read", lambda file, size=-1: sizes.append(len(text := read(file, size))) or text
    )
    assert reason(tmp_path, "train/pos/0_9.txt", "123456") == "has 6 bytes, expected at most 5"
    assert sizes == []
    path = archive(tmp_path / "b.tar.gz", {"train/pos/0_9.txt": "12345", "train/unsup/0_0.txt": "1" * 50})
    assert [row.fields["text"] for row in rows(path)] == ["12345"]
    assert sizes == [5]


def test_what_follows_the_archive_is_read_in_chunks(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.tar.gz", {"train/pos/0_9.txt": "12345"})
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(5 * 2**20)))
    sizes, read = list[int](), gzip.GzipFile.read
    monkeypatch.setattr(
        gzip.GzipFile, "read", lambda file, size=-1: sizes.append(len(text := read(file, size))) or text
    )
    assert len(rows(path)) == 1
    assert sum(sizes) > 5 * 2**20
    assert max(sizes) <= 2**20


def test_links_of_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name, kind in [("0_9", tarfile.SYMTYPE), ("1_9", tarfile.LNKTYPE), ("2_9", tarfile.REGTYPE)]:
            info = tarfile.TarInfo(f"../aclImdb/train/pos/{name}.txt")
            info.type, info.linkname = kind, str(tmp_path / "secret.txt")
            tar.addfile(info, io.BytesIO())
    before = sorted(tmp_path.rglob("*"))
    (row,) = rows(tmp_path / "a.tar.gz")
    assert row.fields == {"text": "", "label": "pos"}
    assert sorted(tmp_path.rglob("*")) == before


# ---- what is not of this layout


def assert_is_damaged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path}: not a whole \.tar\.gz archive: "):
        rows(path)


def test_a_truncated_archive_is_refused(tmp_path):
    whole = archive(tmp_path / "a.tar.gz").read_bytes()
    for place in range(0, len(whole), 97):
        assert_is_damaged(tmp_path / f"{place}.tar.gz", whole[:place])


def test_another_file_or_a_wrong_checksum_is_refused(tmp_path):
    whole = archive(tmp_path / "a.tar.gz").read_bytes()
    assert_is_damaged(tmp_path / "checksum.tar.gz", whole[:-8] + bytes(4) + whole[-4:])
    assert_is_damaged(tmp_path / "text.tar.gz", b"label\ttext\n")
    assert_is_damaged(tmp_path / "gz.tar.gz", gzip.compress(b"x"))


@pytest.mark.parametrize(("reviews", "split"), [({"pos/0_9.txt": "x"}, "train"), ({"train/pos/0_9.txt": "x"}, "test")])
def test_an_archive_without_the_split_is_refused(tmp_path, reviews, split):
    path = archive(tmp_path / "a.tar.gz", reviews)
    with pytest.raises(DataError, match=rf"{path}: no review in {split}/pos or {split}/neg, expected files such as "):
        rows(path, split)


@pytest.mark.parametrize(
    ("fields", "layout", "message"),
    [
        (
            ("text_a", "text_b", "label"),
            {},
            "has text and label, but this task needs text_a and text_b and label",
        ),
        (
            FIELDS,
            {"columns": {"text": 0, "label": 1}},
            r"data\.columns: .* has the IMDB layout, .* has no columns",
        ),
        (FIELDS, {"header": True}, r"data\.header: .* has the IMDB layout, .* which has no header"),
    ],
)
def test_settings_of_tables_are_refused(tmp_path, fields, layout, message):
    with pytest.raises(UserError, match=message):
        list(read_rows(archive(tmp_path / "a.tar.gz"), fields, Layout(**layout)))


def test_the_format_follows_from_the_name_or_the_configuration(tmp_path):
    assert {file_format(Path(name), Layout()) for name in ("a.tar.gz", "A.TGZ", ".")} == {"imdb"}
    archive(tmp_path / "a.tar.gz").rename(tmp_path / "data")
    assert len(rows(tmp_path / "data", format="imdb")) == 24
    with pytest.raises(DataError, match=r"is a folder, expected a file; data\.format=imdb is for folders of"):
        rows(folder(tmp_path / "a"), format="tsv")
    with pytest.raises(DataError, match="nowhere: no such file"):
        rows(tmp_path / "nowhere", format="imdb")


# ---- its splits


@pytest.mark.parametrize("make", [archive, folder])
def test_a_fixed_part_of_train_is_dev_and_train_leaves_it_out_when_asked_for_both(tmp_path, make):
    path = make(tmp_path / "a.tar.gz")
    alone = load(path, "train")
    train, dev, test = (load(path, name, str(path)) for name in ("train", "dev", "test"))
    assert (len(alone.examples), len(test.examples)) == (24, 24)
    assert len(train.examples) + len(dev.examples) == 24
    assert {e.label for e in dev.examples} == {"neg", "pos"}
    assert len(dev.examples) in (2, 3, 4)
    assert not {e.text for e in dev.examples} & {e.text for e in train.examples}
    assert load(path, "dev").examples == dev.examples
    assert len({split.sha256 for split in (alone, train, dev, test)}) == 4


def test_another_spelling_of_the_path_is_the_same_archive(tmp_path, monkeypatch):
    archive(tmp_path / "a.tar.gz")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("train", {"train": "a.tar.gz", "dev": str(tmp_path / "a.tar.gz")}, Layout()).part is not None
    archive(tmp_path / "b.tar.gz")
    assert resolve_source("train", {"train": "a.tar.gz", "dev": "b.tar.gz"}, Layout()) == Source("a.tar.gz", "train")


@pytest.mark.parametrize("make", [archive, folder])
def test_a_changed_review_changes_the_digest_of_its_split(tmp_path, make):
    first = load(make(tmp_path / "1.tar.gz"), "test").sha256
    assert load(make(tmp_path / "2.tar.gz", {**REVIEWS, "test/neg/3_4.txt": "worse"}), "test").sha256 != first
    if make is folder:
        assert load(folder(tmp_path / "3.tar.gz"), "test").sha256 == first
        renamed = tmp_path / "3.tar.gz/aclImdb/test/neg/3_4.txt"
        renamed.rename(renamed.with_name("33_4.txt"))
        assert load(tmp_path / "3.tar.gz", "test").sha256 != first


def test_an_archive_that_changes_is_read_again(tmp_path):
    assert len(rows(archive(tmp_path / "a.tar.gz"))) == 24
    assert len(rows(archive(tmp_path / "a.tar.gz", {"train/pos/0_9.txt": "new"}))) == 1


def test_check_data_reports_all_three_splits(tmp_path):
    more = {"train/pos/77_5.txt": "x", "test/pos/78_9.txt": "good train 1"}
    path = str(archive(tmp_path / "a.tar.gz", {**REVIEWS, **more}))
    report = check_data("sentiment", {"train": path, "dev": path, "test": path})
    assert sum(report["rows"].values()) == 24 + 25
    assert report["bad_rows"] == 1
    assert report["leaked_texts"] == {"dev": 0, "test": 1 - report["leaked_texts"]["dev"]}
    assert report["examples"]["bad_rows"] == [
        f"{path}:aclImdb/train/pos/77_5.txt: expected a rating of 7 to 10 in pos, found 5"
    ]


@pytest.mark.parametrize("train", ["a.tar.gz", "b.tar.gz"])
def test_a_bad_row_of_the_archive_is_reported_once(tmp_path, train):
    dev = str(archive(tmp_path / "a.tar.gz", {**REVIEWS, "train/pos/77_5.txt": "x"}))
    archive(tmp_path / "b.tar.gz")
    assert check_data("sentiment", {"train": str(tmp_path / train), "dev": dev})["bad_rows"] == 1


@needs_imdb
def test_the_published_archive():
    report = check_data("sentiment", {"train": str(IMDB), "dev": str(IMDB), "test": str(IMDB)})
    assert report["rows"] == {"train": 22_500, "dev": 2_500, "test": 25_000}
    assert report["bad_rows"] == 0
    assert {name: set(counts.values()) for name, counts in report["labels"].items()} == {
        "train": {11_250},
        "dev": {1_250},
        "test": {12_500},
    }
    assert report["leaked_texts"] == {"dev": 0, "test": 112}
