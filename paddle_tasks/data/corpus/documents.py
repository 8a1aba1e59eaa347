"""Documents for pretraining, out of text, tables and JSON, in files, folders and archives."""

from __future__ import annotations

import html
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, field_validator
from pydantic_core import PydanticCustomError

from paddle_tasks.config import Section
from paddle_tasks.data.corpus.chapters import chapter_of, cut, part_of
from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.archives import Line, MemberFilter, OpenFile, has_members, open_files
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.records import (
    LONE_SURROGATE,
    Record,
    column_index,
    csv_records,
    has_lone_surrogate,
    json_cells,
    json_records,
    parse_json,
    select_cells,
    tsv_records,
)
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import ConfigError, DataError, did_you_mean
from paddle_tasks.files import list_siblings

CorpusFormat = Literal["text", "tsv", "csv", "jsonl", "json"]
Column = str | Annotated[int, Field(ge=0)]

_ENDINGS: dict[str, CorpusFormat] = {".txt": "text", ".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".json": "json"}
# The last two: UTF-16 without a mark or a zip's name that is no UTF-8, and a way of packing that Python does not know.
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, UnicodeError, NotImplementedError)
_LINE_BREAK = re.compile("\r\n|\r|\n")
_BREAK_TAG = re.compile(r"</?(?:br|p)\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_LATIN = "0-9A-Za-z\u00c0-\u024f\u0370-\u052f"
_SPACED = re.compile(rf"(?<![{_LATIN}])\s+|\s+(?![{_LATIN}])")


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its paragraphs or sentences in order, stripped and none of them empty.

    ``where`` is ``file:line`` of a row, ``archive/member`` of a file, ``file#第N回`` of a chapter cut out of a file.
    """

    lines: tuple[str, ...]
    where: str


class CorpusSection(Section):
    """One source of documents.

    Attributes:
        path: a file (also .gz), a folder, a .zip, .tar, .tar.gz or .tgz, or a catalogue name: the split's own file.
        format: None goes by the ending of each file.
        columns: of tables, the columns each of whose cells is a document: names, or positions from 0, and when all
            are positions there is no header. Of JSON lines, keys. Of JSON, keys whose texts at any depth are documents.
        separator: of tsv, instead of the tab.
        encoding: a codec's name; a byte-order mark is dropped.
        spaced: whether characters stand apart (``很 惊 艳``); the spaces between Latin words or numbers are kept.
        markup: whether HTML stands in the texts: ``<br/>`` and ``<p>`` break lines, other tags are taken away, and
            entities become characters in text files too.
        members: patterns, one of which has to match the path of a member of a folder or archive; ``*`` takes slashes.
        exclude: patterns of the members that are left out.
        blank_lines: whether blank lines part the documents of a text file, which is else one document.
        chapters: of novels, only the chapters of that part (`paddle_tasks.data.corpus.chapters`). A text without a number,
            such as a preface, belongs to none: nobody could tell that it is not in a held-out chapter elsewhere.
        times: how often each document is passed in an epoch.
        origin: who published it, and under which licence; for the model card alone.
    """

    path: str
    format: CorpusFormat | None = None
    columns: tuple[Column, ...] = ()
    separator: Annotated[str, Field(min_length=1)] | None = None
    encoding: str = "utf-8"
    spaced: bool = False
    markup: bool = False
    members: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    blank_lines: Literal["ignored", "part"] = "ignored"
    chapters: SplitName | None = None
    times: PositiveFloat = 1.0
    origin: str = ""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise PydanticCustomError("encoding", "expected an encoding such as utf-8 or gb18030") from None
        return value


def read_documents(section: CorpusSection, folder: Path, split: SplitName = "train") -> Iterator[Document | BadRow]:
    """Yield the documents of a source one by one, what is broken as `BadRow`; empty texts are left out.

    HTML entities (``&hellip;``) in the cells of tables and JSON become characters. No more than one document is held
    in memory, of JSON one file.

    Args:
        section: the source.
        folder: what a relative path is relative to.
        split: which file a catalogue name stands for.

    Raises:
        DataError: the source is missing, damaged, empty, or of a form that cannot be told.
        ConfigError: keys of the section that do not go with the source.
    """
    path = locate(section.path, folder, split)
    if not has_members(path) and (section.members != ("*",) or section.exclude):
        raise ConfigError(f"{path}: members and exclude go with folders and archives, but this is a file")
    files = n_texts = 0
    try:
        for file in open_files(path, MemberFilter(section.members, section.exclude)):
            files += 1
            for found in (file,) if isinstance(file, BadRow) else _file_documents(file, section):
                n_texts += 1
                yield found
    except _BROKEN as error:
        raise DataError(f"{path}: damaged, or not to be read: {error}") from None
    if not files:
        raise DataError(f"{path}: no file in it matches {', '.join(section.members)}{_left_out(section)}")
    if not n_texts and section.chapters is None:
        raise DataError(f"{path}: holds no text")


def _left_out(section: CorpusSection) -> str:
    return f" and not {', '.join(section.exclude)}" if section.exclude else ""


def locate(name: str, folder: Path, split: SplitName = "train") -> Path:
    """Return the file or folder of a source: below ``folder``, or of a catalogue name that of the split.

    Raises:
        DataError: there is none.
    """
    if name in catalogue.names():
        return catalogue.locate(name, split)
    path = folder / name
    if path.exists():
        return path
    hint = did_you_mean(name, catalogue.names()) or did_you_mean(str(path), list_siblings(path))
    raise DataError(f"{path}: no such file or folder{hint}")


def _file_documents(file: OpenFile, section: CorpusSection) -> Iterator[Document | BadRow]:
    form = _format(file, section)
    _check(file.where, form, section)
    lines = file.lines(section.encoding)
    if form == "text":
        yield from _text(file, lines, section)
    elif form == "json":
        yield from _json(file.where, lines, section)
    else:
        yield from _rows(file.where, lines, form, section)


def _format(file: OpenFile, section: CorpusSection) -> CorpusFormat:
    found = section.format or _ENDINGS.get(file.path.suffix.lower())
    if found is None:
        raise DataError(
            f"{file.where}: cannot tell the format by its ending, expected {', '.join(_ENDINGS)}; "
            "set format, or leave the file out by members or exclude"
        )
    return found


def _check(where: str, form: CorpusFormat, section: CorpusSection) -> None:
    if form == "text" and section.columns:
        raise ConfigError(f"{where}: columns: a text file has none, expected the format tsv, csv, jsonl or json")
    if form != "text" and not section.columns:
        raise ConfigError(f"{where}: columns: missing; {form} needs the names of what holds text")
    if form != "tsv" and section.separator:
        raise ConfigError(f"{where}: separator: goes with the format tsv, found {form}")
    if form != "text" and (section.chapters or section.blank_lines == "part"):
        key = "chapters" if section.chapters else "blank_lines"
        raise ConfigError(f"{where}: {key}: goes with text files, found {form}")
    if section.chapters and section.blank_lines == "part":
        raise ConfigError(f"{where}: blank_lines: expected ignored beside chapters, found part")
    if form in ("jsonl", "json") and not all(isinstance(column, str) for column in section.columns):
        raise ConfigError(f"{where}: columns: {form} has keys, not positions")


def _paragraphs(text: str, section: CorpusSection) -> tuple[str, ...]:
    if section.markup:
        text = html.unescape(_TAG.sub("", _BREAK_TAG.sub("\n", text)))
    lines = [line.replace("\ufeff", "").strip() for line in _LINE_BREAK.split(text)]
    return tuple(_SPACED.sub("", line) if section.spaced else line for line in lines if line)


def _text(file: OpenFile, lines: Iterable[Line | BadRow], section: CorpusSection) -> Iterator[Document | BadRow]:
    parts, held = section.blank_lines == "part", list[Line]()
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif found := _paragraphs(line[1], section):
            held += [(line[0], paragraph) for paragraph in found]
        elif parts and held:
            yield _document(held, f"{file.where}:{held[0][0]}")
            held = []
    if section.chapters:
        yield from _chapters(file, [text for _, text in held], section.chapters)
    elif held:
        yield _document(held, f"{file.where}:{held[0][0]}" if parts else file.where)


def _document(lines: Iterable[Line], where: str) -> Document:
    return Document(tuple(text for _, text in lines), where)


def _chapters(file: OpenFile, lines: Sequence[str], part: SplitName) -> Iterator[Document]:
    chapter = chapter_of(file.path)
    if chapter:
        if lines and part_of(*chapter) == part:
            yield Document(tuple(lines), file.where)
        return
    book, cuts = file.path.stem, list(cut(lines))
    if len(file.path.parts) == 1 and all(number is None for number, _ in cuts):
        raise DataError(f"{file.where}: no chapter in it, expected headings such as 第一回 at the start of a line")
    for number, found in cuts:
        if number is not None and part_of(book, number) == part:
            yield Document(tuple(found), f"{file.where}#第{number}回")


def _json(where: str, lines: Iterable[Line | BadRow], section: CorpusSection) -> Iterator[Document | BadRow]:
    read = list(lines)
    broken = [line for line in read if isinstance(line, BadRow)]
    if broken:
        yield from broken
        return
    tree = parse_json("\n".join(line[1] for line in read if not isinstance(line, BadRow)), (where, 1), "expected JSON")
    if isinstance(tree, BadRow):
        yield replace(tree, reason=f"{tree.reason}; set format: jsonl") if "Extra data" in tree.reason else tree
        return
    texts = list(_texts_under(tree, section.columns))
    if not texts:
        yield BadRow(where, 1, f"no text under the key {' or '.join(map(str, section.columns))}")
    for number, text in enumerate(texts, start=1):
        if has_lone_surrogate(text):
            yield BadRow(where, f"#{number}", LONE_SURROGATE)
        else:
            yield from _cell(text, f"{where}:#{number}", section)


def _texts_under(tree: Any, keys: Sequence[str | int]) -> Iterator[str]:
    """Yield the texts that stand under a key, in their order; with a stack, as the depth is the file's."""
    stack: list[tuple[str | None, Any]] = [(None, tree)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += reversed(value.items())
        elif isinstance(value, list):
            stack += [(None, inner) for inner in reversed(value)]
        elif isinstance(value, str) and key in keys:
            yield value


def _cell(text: str, where: str, section: CorpusSection) -> Iterator[Document]:
    paragraphs = _paragraphs(html.unescape(text), section)
    if paragraphs:
        yield Document(paragraphs, where)


def _rows(
    where: str, lines: Iterable[Line | BadRow], form: CorpusFormat, section: CorpusSection
) -> Iterator[Document | BadRow]:
    if form == "jsonl":
        found = _json_lines(where, lines, section)
    else:
        records = csv_records(where, lines) if form == "csv" else tsv_records(lines, section.separator or "\t")
        found = _table(where, records, section)
    for record in found:
        if isinstance(record, BadRow):
            yield record
        else:
            for text in record[1]:
                yield from _cell(text, f"{where}:{record[0]}", section)


def _json_lines(where: str, lines: Iterable[Line | BadRow], section: CorpusSection) -> Iterator[Record | BadRow]:
    keys = [str(column) for column in section.columns]
    for record in json_records(where, lines):
        yield record if isinstance(record, BadRow) else json_cells(where, record, keys, only_texts=True)


def _table(where: str, records: Iterator[Record | BadRow], section: CorpusSection) -> Iterator[Record | BadRow]:
    for record in records:
        if isinstance(record, BadRow):
            yield record
            continue
        # The first that can be read tells the columns; with it go all the others.
        names = [cell.strip() for cell in record[1]]
        positions = [column_index(column, names, f"{where}:{record[0]}") for column in section.columns]
        has_header = any(isinstance(column, str) for column in section.columns)
        yield from select_cells(where, records if has_header else chain([record], records), positions, len(names))
