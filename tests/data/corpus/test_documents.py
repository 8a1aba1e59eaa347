"""Documents: every format and rule on small files, and the messages for broken ones."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.config import validate
from paddle_tasks.data.corpus.documents import CorpusSection, Document, read_documents
from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import ConfigError, DataError

MEMBERS = {
    "古文/水浒传/第一回/text.txt": "一之一\n一之二\n",
    "古文/水浒传/第二回/text.txt": "二\n",
    "古文/水浒传/第十二回/text.txt": "十二\n",
    "古文/水浒传/序/text.txt": "序\n",
    "古文/雍正剑侠图/第一回/text.txt": "剑\n",
    "古文/聊斋志异/卷一/三生/text.txt": "三生\n",
}


def section(path: str, **keys: Any) -> CorpusSection:
    """Make a section the way a YAML list does."""
    return validate({"path": path, **keys}, CorpusSection, "corpus")


def read(folder: Path, path: str, **keys: Any) -> list[Document | BadRow]:
    """Read a source with what stands before each place taken away."""
    found: list[Document | BadRow] = []
    for row in read_documents(section(path, **keys), folder):
        if isinstance(row, Document):
            found.append(Document(row.lines, row.where.removeprefix(f"{folder}/")))
        else:
            found.append(BadRow(row.file.removeprefix(f"{folder}/"), row.line, row.reason))
    return found


def texts(folder: Path, path: str, **keys: Any) -> list[tuple[str, ...]]:
    """Read the lines of each document, where nothing is broken."""
    found = read(folder, path, **keys)
    assert not [row for row in found if isinstance(row, BadRow)]
    return [row.lines for row in found if isinstance(row, Document)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def tar(path: Path, members: Mapping[str, str] = MEMBERS, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def zipped(path: Path, members: Mapping[str, str] = MEMBERS) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def unpacked(path: Path, members: Mapping[str, str] = MEMBERS) -> Path:
    for name, text in members.items():
        write(path / name, text)
    return path


class TestText:
    CONTENT = "\ufeff  甲 \r\n\u3000\u3000乙\u3000\n\n\u3000\n丙\u2028丁\n"

    def test_a_file_is_a_document_of_stripped_lines(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", self.CONTENT)
        assert read(tmp_path, "a.txt") == [Document(("甲", "乙", "丙\u2028丁"), "a.txt")]

    def test_blank_lines_separate_documents_if_configured(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "\n" + self.CONTENT.removeprefix("\ufeff") + "\n\n戊\n己")
        assert read(tmp_path, "a.txt", blank_lines="part") == [
            Document(("甲", "乙"), "a.txt:2"),
            Document(("丙\u2028丁",), "a.txt:6"),
            Document(("戊", "己"), "a.txt:9"),
        ]

    def test_a_line_that_does_not_decode_is_bad_and_the_others_are_kept(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "甲\n".encode() + b"\xb0\xa1\n" + "乙\n".encode())
        bad, document = read(tmp_path, "a.txt")
        assert isinstance(bad, BadRow)
        assert (bad.file, bad.line) == ("a.txt", 2)
        assert "not valid utf-8" in bad.reason
        assert document == Document(("甲", "乙"), "a.txt")

    @pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "big5", "utf-8-sig", "UTF8"])
    def test_other_encodings(self, tmp_path: Path, encoding: str) -> None:
        write(tmp_path / "a.txt", "中文\n第二\n".encode(encoding))
        assert texts(tmp_path, "a.txt", encoding=encoding) == [("中文", "第二")]

    def test_utf16_is_recognised(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "中文\n".encode("utf-16"))
        assert texts(tmp_path, "a.txt") == [("中文",)]

    def test_utf16_without_a_mark_is_a_bad_row(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "中文\n".encode("utf-16-le"))
        (bad,) = read(tmp_path, "a.txt", encoding="utf-16")
        assert isinstance(bad, BadRow)
        assert "not valid utf-16 from here on" in bad.reason

    def test_broken_utf16_ends_with_a_bad_row(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "中文\n".encode("utf-16") + b"\x00")
        found = read(tmp_path, "a.txt", encoding="utf-16")
        assert [row.reason for row in found if isinstance(row, BadRow)] == ["not valid utf-16 from here on"]

    def test_markup_is_removed_only_if_configured(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "<strong>题</strong>\n甲<br/>乙 &lt; 丙 a<b\n")
        assert texts(tmp_path, "a.txt", markup=True) == [("题", "甲", "乙 < 丙 a<b")]
        assert texts(tmp_path, "a.txt") == [("<strong>题</strong>", "甲<br/>乙 &lt; 丙 a<b")]


@pytest.mark.parametrize(
    ("apart", "natural"),
    [
        ("老 山 景 区 ，5 个 人", "老山景区，5个人"),
        ("没 有 burger king 的 好 吃 哎 … 薯 条", "没有burger king的好吃哎…薯条"),
        ("与 KFC 的 酥 皮 ， 40 多 度 ，T12 ", "与KFC的酥皮，40多度，T12"),
        ("58 68 # # ^_^ 买 单 café crème", "58 68##^_^买单café crème"),
        ("全　角　空 格", "全角空格"),
    ],
)
def test_spaces_between_characters_are_removed_but_not_between_latin_words(
    tmp_path: Path, apart: str, natural: str
) -> None:
    write(tmp_path / "a.txt", f"{apart}\n")
    assert texts(tmp_path, "a.txt", spaced=True) == [(natural,)]
    assert texts(tmp_path, "a.txt") == [(apart.strip(),)]


class TestTables:
    def test_each_column_is_a_document(self, tmp_path: Path) -> None:
        write(tmp_path / "a.tsv", "id\ttext\tmore\n1\t\ufeff甲&hellip;\t\n\n2\t 乙 \t丙\r\n")
        assert read(tmp_path, "a.tsv", columns=["more", "text"]) == [
            Document(("甲…",), "a.tsv:2"),
            Document(("丙",), "a.tsv:4"),
            Document(("乙",), "a.tsv:4"),
        ]

    def test_column_indices_mean_that_there_is_no_header(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "甲\t乙\t0\n丙\t丁\r戊\t1\n")
        assert texts(tmp_path, "a.txt", format="tsv", columns=[0, 1]) == [("甲",), ("乙",), ("丙",), ("丁", "戊")]

    def test_another_separator(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "\ufeff好 吃 。####[((0, 1), (0, 1), 'POS')]\n")
        keys = {"format": "tsv", "separator": "####", "columns": [0], "spaced": True}
        assert texts(tmp_path, "a.txt", **keys) == [("好吃。",)]

    def test_bad_rows_are_named(self, tmp_path: Path) -> None:
        write(tmp_path / "a.tsv", "text\tlabel\n甲\t1\n乙\n".encode() + b"\xff\t1\n" + "丙\t1\t2\n丁\t1\n".encode())
        found = read(tmp_path, "a.tsv", columns=["text"])
        assert [row.lines for row in found if isinstance(row, Document)] == [("甲",), ("丁",)]
        assert [(row.line, row.reason[:31]) for row in found if isinstance(row, BadRow)] == [
            (3, "expected 2 columns, found 1"),
            (4, "not valid utf-8; set encoding t"),
            (5, "expected 2 columns, found 3"),
        ]

    def test_csv_cells_hold_commas_quotes_and_lines(self, tmp_path: Path) -> None:
        write(tmp_path / "a.csv", 'id,text\n1,"甲, ""乙""\n\n丙 "\n2,5" 屏幕\n')
        assert read(tmp_path, "a.csv", columns=["text"]) == [
            Document(('甲, "乙"', "丙"), "a.csv:2"),
            Document(('5" 屏幕',), "a.csv:5"),
        ]

    @pytest.mark.parametrize("more", [3, 2500])
    def test_an_unclosed_quote_makes_only_its_own_line_bad(self, tmp_path: Path, more: int) -> None:
        write(tmp_path / "a.csv", "id,text\n1,甲\n" + '2,"乙\n' + "".join(f"{n},丙{n}\n" for n in range(more)))
        found = read(tmp_path, "a.csv", columns=["text"])
        assert [row.lines[0] for row in found if isinstance(row, Document)] == ["甲", *(f"丙{n}" for n in range(more))]
        assert [(row.line, row.reason[:14]) for row in found if isinstance(row, BadRow)] == [(3, "broken quoting")]

    def test_a_cell_of_too_many_lines_is_a_quote_that_is_never_closed(self, tmp_path: Path) -> None:
        write(tmp_path / "a.csv", 'text\n"' + "甲\n" * 1000 + '"\n乙\n')
        bad = BadRow("a.csv", 2, "broken quoting: not closed within 1,000 lines")
        assert bad in read(tmp_path, "a.csv", columns=["text"])

    def test_a_bad_line_inside_quotes_is_bad(self, tmp_path: Path) -> None:
        write(tmp_path / "a.csv", b'id,text\n1,"a\n\xff"\n2,b\n3,c\n')
        found = read(tmp_path, "a.csv", columns=["text"])
        assert [row.line for row in found if isinstance(row, BadRow)][:1] == [2]
        assert [row.lines for row in found if isinstance(row, Document)] == [("b",), ("c",)]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (["txet"], r"a\.tsv:1: no column 'txet', only id, text; did you mean 'text'\?"),
            ([2], r"a\.tsv:1: no column 2; the columns are 0 to 1"),
        ],
    )
    def test_a_missing_column_is_an_error(self, tmp_path: Path, columns: list[str | int], message: str) -> None:
        write(tmp_path / "a.tsv", "id\ttext\n1\t甲\n")
        with pytest.raises(DataError, match=message):
            read(tmp_path, "a.tsv", columns=columns)


class TestJson:
    def test_lines(self, tmp_path: Path) -> None:
        rows = [{"a": "甲\n\n乙&amp;", "b": None}, {"a": "", "b": "丙"}]
        write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(row) for row in rows))
        assert read(tmp_path, "a.jsonl", columns=["a", "b"]) == [
            Document(("甲", "乙&"), "a.jsonl:1"),
            Document(("丙",), "a.jsonl:3"),
        ]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('{"a": "x"', "expected one JSON object a line: not valid JSON near column 10 (Expecting ',' delimiter)"),
            ('["x"]', "expected one JSON object a line, found '[\"x\"]'"),
            ('{"aa": "x"}', "no field 'a', only aa"),
            ('{"a": 3}', "expected a text in 'a', found '3'"),
            ('{"a": "\\ud800"}', "'a' contains half of a character"),
            ('{"a": ' + "9" * 5000 + "}", "expected one JSON object a line: Exceeds the limit"),
            ("[" * 100_000, "expected one JSON object a line: nested too deeply"),
        ],
    )
    def test_bad_lines(self, tmp_path: Path, line: str, reason: str) -> None:
        write(tmp_path / "a.jsonl", f'{{"a": "甲"}}\n{line}\n{{"a": "乙"}}\n')
        first, bad, last = read(tmp_path, "a.jsonl", columns=["a"])
        assert isinstance(bad, BadRow)
        assert (bad.line, bad.reason[: len(reason)]) == (2, reason)
        assert [first, last] == [Document(("甲",), "a.jsonl:1"), Document(("乙",), "a.jsonl:3")]

    def test_keys_at_any_depth_in_their_order(self, tmp_path: Path) -> None:
        tree = {
            "data": [
                {"context": "甲\n乙", "qas": [{"question": "丙"}, {"question": ""}]},
                {"context": "丁", "id": "戊"},
            ]
        }
        write(tmp_path / "a.json", json.dumps(tree, indent=2))
        assert texts(tmp_path, "a.json", columns=["question", "context"]) == [("甲", "乙"), ("丙",), ("丁",)]

    @pytest.mark.parametrize(
        ("content", "line", "reason"),
        [
            (
                '{"a": "x"}\n{"a": "y"}',
                2,
                "expected JSON: not valid JSON near column 1 (Extra data); set format: jsonl",
            ),
            ('{\n"a": x}', 2, "expected JSON: not valid JSON near column 6 (Expecting value)"),
            ('{"b": "x"}', 1, "no text under the key a"),
        ],
    )
    def test_a_broken_file_is_a_bad_row(self, tmp_path: Path, content: str, line: int, reason: str) -> None:
        write(tmp_path / "a.json", content)
        assert read(tmp_path, "a.json", columns=["a"]) == [BadRow("a.json", line, reason)]


class TestChapters:
    @pytest.mark.parametrize(("part", "expected"), [("train", "二"), ("dev", "十二"), ("test", "一之一")])
    @pytest.mark.parametrize(("name", "make"), [("n.tar.gz", tar), ("n", unpacked)])
    def test_members_are_chapters(self, tmp_path: Path, name: str, make: Any, part: str, expected: str) -> None:
        make(tmp_path / name)
        assert [lines[0] for lines in texts(tmp_path, name, members=["*水浒传*"], chapters=part)] == [expected]

    def test_every_numbered_chapter_is_in_exactly_one_split(self, tmp_path: Path) -> None:
        tar(tmp_path / "n.tar.gz")
        found = [row for part in ("train", "dev", "test") for row in texts(tmp_path, "n.tar.gz", chapters=part)]
        assert sorted(found) == sorted([("一之一", "一之二"), ("二",), ("十二",), ("剑",), ("三生",)])

    def test_a_file_is_cut_into_chapters_of_its_stem(self, tmp_path: Path) -> None:
        book = "《水浒传》\n楔子\u3000某\n" + "".join(
            f"\n第{n}回\u3000题{n}\n\n    文{n}．第二回中说\n" for n in range(1, 41)
        )
        write(tmp_path / "水浒传.txt", book)
        assert read(tmp_path, "水浒传.txt", chapters="dev") == [
            Document(("第12回\u3000题12", "文12．第二回中说"), "水浒传.txt#第12回"),
            Document(("第31回\u3000题31", "文31．第二回中说"), "水浒传.txt#第31回"),
        ]
        write(tmp_path / "novels" / "水浒传.txt", book)
        assert len(read(tmp_path, "novels", chapters="test")) == 5
        assert len(read(tmp_path, "novels", chapters="train")) == 33

    def test_a_book_without_headings_is_in_no_split(self, tmp_path: Path) -> None:
        write(tmp_path / "a.txt", "甲\n")
        with pytest.raises(DataError, match=r"a\.txt: no chapter in it, expected headings such as 第一回"):
            read(tmp_path, "a.txt", chapters="dev")


class TestMistakes:
    def test_a_missing_file_has_the_nearest_name(self, tmp_path: Path) -> None:
        write(tmp_path / "corpus.txt", "甲")
        with pytest.raises(DataError, match=r"corpsu\.txt: no such file or folder; did you mean '.*corpus\.txt'\?"):
            read(tmp_path, "corpsu.txt")
        with pytest.raises(DataError, match=r"no such file or folder; did you mean 'builtin/sentiment'\?"):
            read(tmp_path, "builtin/sentimant", columns=["text"])

    @pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
    def test_an_empty_file(self, tmp_path: Path, content: str) -> None:
        write(tmp_path / "a.txt", content)
        with pytest.raises(DataError, match=r"a\.txt: contains no text"):
            read(tmp_path, "a.txt")

    @pytest.mark.parametrize(
        ("name", "keys", "message"),
        [
            ("a.txt", {"columns": ["x"]}, r"a\.txt: columns: a text file has no columns"),
            ("a.tsv", {}, r"a\.tsv: columns: missing; for tsv, name the columns"),
            ("a.csv", {"columns": [0], "separator": ";"}, r"separator: applies to the format tsv only, found csv"),
            ("a.tsv", {"columns": [0], "chapters": "dev"}, r"chapters: applies to text files only, found tsv"),
            ("a.tsv", {"columns": [0], "blank_lines": "part"}, r"blank_lines: applies to text files only, found tsv"),
            (
                "a.txt",
                {"chapters": "dev", "blank_lines": "part"},
                r"blank_lines: expected ignored together with chapters",
            ),
            ("a.json", {"columns": [0]}, r"columns: expected keys for json, found an index"),
            ("a.txt", {"members": ["*.txt"]}, r"members and exclude apply to folders and archives"),
        ],
    )
    def test_settings_that_exclude_each_other_are_refused(
        self, tmp_path: Path, name: str, keys: dict[str, Any], message: str
    ) -> None:
        write(tmp_path / name, "甲\n")
        with pytest.raises(ConfigError, match=message):
            read(tmp_path, name, **keys)

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ({"encoding": "utf-9"}, "encoding: expected an encoding such as utf-8 or gb18030"),
            ({"format": "xml"}, "format: "),
            ({"columns": [-1]}, "columns"),
            ({"colums": ["a"]}, "did you mean 'columns'"),
            ({"times": 0}, "times: "),
            ({"separator": ""}, "separator: "),
            ({"chapters": "all"}, "chapters: "),
        ],
    )
    def test_wrong_values(self, keys: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            section("a", **keys)


def test_a_catalogue_name_is_its_train_file(tmp_path: Path) -> None:
    found = texts(tmp_path, "builtin/sentiment", columns=["text"])
    lines = catalogue.locate("builtin/sentiment", "train").read_text(encoding="utf-8").splitlines()
    assert len(found) == len(lines) - 1


def test_documents_are_read_one_by_one(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"a": "甲"}\n' * 100_000 + "broken")
    found = read_documents(section("a.jsonl", columns=["a"]), tmp_path)
    assert next(found) == Document(("甲",), f"{tmp_path}/a.jsonl:1")
