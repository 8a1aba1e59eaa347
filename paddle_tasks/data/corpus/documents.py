"""Read documents for pretraining from text, tables and JSON, in files, folders and archives."""

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
from paddle_tasks.data.corpus.chapters import assign_split, find_chapter, split_chapters
from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.archives import Line, MemberFilter, OpenFile, has_members, open_files
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.paths import readable_file
from paddle_tasks.data.tables.records import (
    EXTRA_DATA,
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
from paddle_tasks.data.tables.text_lines import is_text_encoding
from paddle_tasks.errors import ConfigError, DataError, did_you_mean, join_alternatives, nearest_path
from paddle_tasks.files import exists, expand_user, list_siblings, short_name
from paddle_tasks.language import _, join
from paddle_tasks.text.limits import too_long

CorpusFormat = Literal["text", "tsv", "csv", "jsonl", "json"]
Column = str | Annotated[int, Field(ge=0)]

_FORMAT_OF_SUFFIX: dict[str, CorpusFormat] = {
    ".txt": "text",
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "json",
}
# UnicodeError: UTF-16 without a byte-order mark, or a zip member's name that is not UTF-8. NotImplementedError: a
# compression method that Python does not support.
_READ_ERRORS = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, UnicodeError, NotImplementedError)
_LINE_BREAK = re.compile("\r\n|\r|\n")
_BREAK_TAG = re.compile(r"</?(?:br|p)\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_LATIN = "0-9A-Za-z\u00c0-\u024f\u0370-\u052f"
_SPACED = re.compile(rf"(?<![{_LATIN}])\s+|\s+(?![{_LATIN}])")


@dataclass(frozen=True, slots=True)
class Document:
    """A text as a sequence of paragraphs or sentences, each stripped and not empty.

    Attributes:
        lines: the paragraphs or sentences.
        where: ``file:line`` for a row, ``archive/member`` for a file, ``file#第N回`` for a chapter of a file.
    """

    lines: tuple[str, ...]
    where: str


class CorpusSection(Section):
    """One source of documents.

    Attributes:
        path: a file (also .gz), a folder, a .zip, .tar, .tar.gz or .tgz, or a catalogue name, which stands for the
            file of the split.
        format: None infers the format from each file's suffix.
        columns: for tables, the columns whose cells are documents, by name or by index from 0; if all are indices, the
            file has no header. For JSON lines, keys. For JSON, keys; the texts under them at any depth are documents.
        separator: for tsv, the separator instead of a tab.
        encoding: a codec's name; a byte-order mark is dropped.
        spaced: whether characters are separated by spaces (``很 惊 艳``). Such spaces are removed, except between
            Latin words or numbers.
        markup: whether the texts contain HTML. Then ``<br/>`` and ``<p>`` become line breaks, other tags are removed,
            and entities become characters, in text files too.
        members: patterns; a member of a folder or archive is read if one matches its path. ``*`` also matches slashes.
        exclude: patterns of members to leave out.
        blank_lines: ``part`` splits a text file into documents at blank lines; otherwise a file is one document.
        chapters: for novels, the split whose chapters are read (`paddle_tasks.data.corpus.chapters`). Texts without a
            chapter number, such as prefaces, are left out, because they might occur in a held-out chapter of another
            edition.
        times: how many times each document is used in an epoch; may be a fraction.
        origin: publisher and licence, for the model card only.
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
        if not is_text_encoding(value):
            raise PydanticCustomError("encoding", _("expected an encoding such as utf-8 or gb18030"))
        return value


def read_documents(section: CorpusSection, folder: Path, split: SplitName = "train") -> Iterator[Document | BadRow]:
    """Yield the documents of a source; broken rows become `BadRow`, and empty texts are skipped.

    HTML entities (``&hellip;``) in tables and JSON become characters. At most one document is in memory at a time; for
    JSON, one file.

    Args:
        section: the source.
        folder: the folder that a relative path starts from.
        split: the split whose file a catalogue name stands for.

    Raises:
        DataError: the source is missing, damaged, empty, or has an unknown format.
        ConfigError: keys of the section do not apply to the source.
    """
    path = locate(section.path, folder, split)
    if not has_members(path) and (section.members != ("*",) or section.exclude):
        message = _("{file}: members and exclude apply to folders and archives, but this is a file")
        raise ConfigError(message.format(file=path))
    n_files = n_texts = 0
    try:
        for file in open_files(path, MemberFilter(section.members, section.exclude)):
            n_files += 1
            for document in (file,) if isinstance(file, BadRow) else _file_documents(file, section):
                n_texts += 1
                yield _of_readable_length(document)
    except _READ_ERRORS as error:
        raise DataError(_("{path}: damaged or unreadable: {error}").format(path=path, error=error)) from None
    if not n_files:
        message = _("{path}: no file in it matches {patterns}{exclusion}")
        raise DataError(message.format(path=path, patterns=join(section.members), exclusion=_exclusion(section)))
    if not n_texts and section.chapters is None:
        raise DataError(_("{path}: contains no text").format(path=path))


def _of_readable_length(document: Document | BadRow) -> Document | BadRow:
    """Return a document, or a `BadRow` if one of its paragraphs is too long for a tokenizer."""
    problems = () if isinstance(document, BadRow) else filter(None, map(too_long, document.lines))
    problem = next(iter(problems), None)
    return document if isinstance(document, BadRow) or problem is None else BadRow(document.where, 1, problem)


def _exclusion(section: CorpusSection) -> str:
    return _(" and not {patterns}").format(patterns=join(section.exclude)) if section.exclude else ""


def locate(name: str, folder: Path, split: SplitName = "train") -> Path:
    """Return the file or folder of a source.

    Args:
        name: a path relative to ``folder``, or a catalogue name. For a pipe, or ``-`` for standard input, the file is a
            copy.
        folder: the folder that a relative path starts from.
        split: the split whose file a catalogue name stands for.

    Raises:
        DataError: there is no such file, folder or name.
    """
    if name in catalogue.names():
        return catalogue.locate(name, split)
    path = Path(name) if name == "-" else folder / expand_user(name)
    if exists(path) and path.is_dir():
        return path
    if file := readable_file(path):
        return file
    hint = did_you_mean(name, catalogue.names()) or nearest_path(path, list_siblings(path))
    raise DataError(_("{path}: no such file or folder{hint}").format(path=short_name(path), hint=hint))


def _file_documents(file: OpenFile, section: CorpusSection) -> Iterator[Document | BadRow]:
    form = _format(file, section)
    _check_section(file.where, form, section)
    lines = file.lines(section.encoding)
    if form == "text":
        yield from _text_documents(file, lines, section)
    elif form == "json":
        yield from _json_documents(file.where, lines, section)
    else:
        yield from _row_documents(file.where, lines, form, section)


def _format(file: OpenFile, section: CorpusSection) -> CorpusFormat:
    form = section.format or _FORMAT_OF_SUFFIX.get(file.path.suffix.lower())
    if form is None:
        message = _(
            "{file}: unknown suffix, expected {suffixes}; set format, or leave the file out with members or exclude"
        )
        raise DataError(message.format(file=file.where, suffixes=join(list(_FORMAT_OF_SUFFIX))))
    return form


def _check_section(where: str, form: CorpusFormat, section: CorpusSection) -> None:
    key = "chapters" if section.chapters else "blank_lines"
    is_part = section.blank_lines == "part"
    if form == "text" and section.columns:
        problem = _("{file}: columns: a text file has no columns, expected the format tsv, csv, jsonl or json")
    elif form != "text" and not section.columns:
        problem = _("{file}: columns: missing; for {format}, name the columns or keys that hold text")
    elif form != "tsv" and section.separator:
        problem = _("{file}: separator: applies to the format tsv only, found {format}")
    elif form != "text" and (section.chapters or is_part):
        problem = _("{file}: {key}: applies to text files only, found {format}")
    elif section.chapters and is_part:
        problem = _("{file}: blank_lines: expected ignored together with chapters, found part")
    elif form in ("jsonl", "json") and not all(isinstance(column, str) for column in section.columns):
        problem = _("{file}: columns: expected keys for {format}, found an index")
    else:
        return
    raise ConfigError(problem.format(file=where, key=key, format=form))


def _paragraphs(text: str, section: CorpusSection) -> tuple[str, ...]:
    if section.markup:
        text = html.unescape(_TAG.sub("", _BREAK_TAG.sub("\n", text)))
    lines = [line.replace("\ufeff", "").strip() for line in _LINE_BREAK.split(text)]
    return tuple(_SPACED.sub("", line) if section.spaced else line for line in lines if line)


def _text_documents(
    file: OpenFile, lines: Iterable[Line | BadRow], section: CorpusSection
) -> Iterator[Document | BadRow]:
    splits_at_blanks, pending = section.blank_lines == "part", list[Line]()
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif paragraphs := _paragraphs(line[1], section):
            pending += [(line[0], paragraph) for paragraph in paragraphs]
        elif splits_at_blanks and pending:
            yield _document(pending, f"{file.where}:{pending[0][0]}")
            pending = []
    if section.chapters:
        yield from _chapters(file, [text for _, text in pending], section.chapters)
    elif pending:
        yield _document(pending, f"{file.where}:{pending[0][0]}" if splits_at_blanks else file.where)


def _document(lines: Iterable[Line], where: str) -> Document:
    return Document(tuple(text for _, text in lines), where)


def _chapters(file: OpenFile, lines: Sequence[str], split: SplitName) -> Iterator[Document]:
    """Yield the chapters of a split: the whole file if its path has a chapter number, else its parts by heading."""
    chapter = find_chapter(file.path)
    if chapter:
        if lines and assign_split(*chapter) == split:
            yield Document(tuple(lines), file.where)
        return
    book, chapters = file.path.stem, list(split_chapters(lines))
    if len(file.path.parts) == 1 and all(number is None for number, _ in chapters):
        message = _("{file}: no chapter in it, expected headings such as 第一回 at the start of a line")
        raise DataError(message.format(file=file.where))
    for number, chapter_lines in chapters:
        if number is not None and assign_split(book, number) == split:
            yield Document(tuple(chapter_lines), f"{file.where}#第{number}回")


def _json_documents(where: str, lines: Iterable[Line | BadRow], section: CorpusSection) -> Iterator[Document | BadRow]:
    read = list(lines)
    broken = [line for line in read if isinstance(line, BadRow)]
    if broken:
        yield from broken
        return
    text = "\n".join(line[1] for line in read if not isinstance(line, BadRow))
    tree = parse_json(text, (where, 1), _("expected JSON"))
    if isinstance(tree, BadRow):
        hint = _("; set format: jsonl") if _(EXTRA_DATA) in tree.reason else ""
        yield replace(tree, reason=tree.reason + hint)
        return
    texts = list(_texts_under(tree, section.columns))
    if not texts:
        keys = join_alternatives([str(column) for column in section.columns])
        yield BadRow(where, 1, _("no text under the key {keys}").format(keys=keys))
    for number, text in enumerate(texts, start=1):
        if has_lone_surrogate(text):
            yield BadRow(where, f"#{number}", _(LONE_SURROGATE))
        else:
            yield from _cell_document(text, f"{where}:#{number}", section)


def _texts_under(tree: Any, keys: Sequence[str | int]) -> Iterator[str]:
    """Yield the texts under any of the keys, in order; a stack allows any depth of nesting."""
    stack: list[tuple[str | None, Any]] = [(None, tree)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += reversed(value.items())
        elif isinstance(value, list):
            stack += [(None, inner) for inner in reversed(value)]
        elif isinstance(value, str) and key in keys:
            yield value


def _cell_document(text: str, where: str, section: CorpusSection) -> Iterator[Document]:
    paragraphs = _paragraphs(html.unescape(text), section)
    if paragraphs:
        yield Document(paragraphs, where)


def _row_documents(
    where: str, lines: Iterable[Line | BadRow], form: CorpusFormat, section: CorpusSection
) -> Iterator[Document | BadRow]:
    if form == "jsonl":
        selected = _json_line_cells(where, lines, section)
    else:
        records = csv_records(where, lines) if form == "csv" else tsv_records(lines, section.separator or "\t")
        selected = _table_cells(where, records, section)
    for record in selected:
        if isinstance(record, BadRow):
            yield record
        else:
            for text in record[1]:
                yield from _cell_document(text, f"{where}:{record[0]}", section)


def _json_line_cells(where: str, lines: Iterable[Line | BadRow], section: CorpusSection) -> Iterator[Record | BadRow]:
    keys = [str(column) for column in section.columns]
    for record in json_records(where, lines):
        yield record if isinstance(record, BadRow) else json_cells(where, record, keys, only_texts=True)


def _table_cells(where: str, records: Iterator[Record | BadRow], section: CorpusSection) -> Iterator[Record | BadRow]:
    for record in records:
        if isinstance(record, BadRow):
            yield record
            continue
        # The first readable record determines the columns, and then all records are read with them.
        names = [cell.strip() for cell in record[1]]
        columns = [column_index(column, names, f"{where}:{record[0]}") for column in section.columns]
        has_header = any(isinstance(column, str) for column in section.columns)
        yield from select_cells(where, records if has_header else chain([record], records), columns, len(names))
