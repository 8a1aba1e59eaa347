"""The data of tasks over documents: several sources, without the lines that occur in held-out texts."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from paddle_tasks.arrays import Array
from paddle_tasks.config import Count, Section
from paddle_tasks.data.array_cache import compute_digest, load_or_compute
from paddle_tasks.data.corpus.documents import CorpusSection, Document, locate, read_documents
from paddle_tasks.data.corpus.near_duplicates import NearDuplicates
from paddle_tasks.data.corpus.teacher import TeacherSection
from paddle_tasks.data.tables.archives import MemberFilter, link_row
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError, at
from paddle_tasks.files import expand_user, sha256
from paddle_tasks.language import _, mark_in_context
from paddle_tasks.text.masking import Masking

# Increase this whenever other texts are found to be held out.
_CACHE_VERSION = 1
MIN_CACHED_CHARACTERS = 1_000_000
"""From this size on, results are cached: searching a million characters takes some 2 s, reading a result a few ms."""
_HELD_OUT_SPLIT: SplitName = "test"
"""A catalogue name in ``held_out`` means the file of this split."""
COUNT_NAMES = (mark_in_context("count", "lines"), mark_in_context("count", "dropped lines"))
"""The names of `DocumentSplit.counts` in messages."""
Corpora = Annotated[tuple[CorpusSection, ...], Field(min_length=1)]


class MaskingSection(Section):
    """Token masking; ``unit`` is a ``character`` (or word piece), or a ``word`` found by jieba and masked as a whole.

    With words, ``character_share`` is the share of rows in which single characters are masked instead.
    """

    unit: Literal["character", "word"] = "character"
    rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.15
    mask_prob: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8
    random_prob: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    character_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0

    @model_validator(mode="after")
    def _are_parts_of_one(self) -> MaskingSection:
        total = self.mask_prob + self.random_prob
        if total > 1:
            message = _("expected mask_prob + random_prob of at most 1, found {total}")
            raise PydanticCustomError("masking_probs", message, {"total": total})
        return self

    @property
    def masking(self) -> Masking:
        """The rates, for `paddle_tasks.text.masking`."""
        return Masking(self.rate, self.mask_prob, self.random_prob, self.character_share)


class WordPieceSection(Section):
    """The vocabulary of a model trained from scratch, built from train; a pretrained model has its own."""

    size: Annotated[int, Field(ge=250, le=65_536)] = 8000
    min_count: Count = 2


class DocumentData(Section):
    """The ``data`` section of a task over documents: sources for each split.

    Lines of ``train`` that occur in ``held_out``, exactly or nearly (Jaccard index of character 5-grams), are dropped
    first. A bad row of ``held_out`` always stops the run, because a line that cannot be read cannot be dropped.
    """

    folder: str = "."  # relative paths start from here
    train: Corpora
    dev: Corpora
    test: Corpora | None = None
    held_out: tuple[CorpusSection, ...] = ()
    held_out_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    on_bad_row: Literal["stop", "skip"] = "stop"

    def has(self, name: SplitName) -> bool:
        """Return whether the configuration has this split."""
        return getattr(self, name) is not None

    def sources(self, name: SplitName) -> Sequence[CorpusSection]:
        """Return the sources of a split."""
        sources: Sequence[CorpusSection] = getattr(self, name) or ()
        return sources


D = TypeVar("D", bound=DocumentData)


def with_file(data: D, name: SplitName, path: str, layout: Section | None) -> D:
    """Return the section of a task over documents with another file as a split.

    The file is laid out like the configuration's first source with the same file ending, the split's own ones first.

    Args:
        data: the section.
        name: the split.
        path: the file.
        layout: settings of a `CorpusSection` that replace those; those that were not given have no effect.
    """
    sources = (*data.sources(name), *data.sources("dev"), *data.sources("train"))
    alike = (source for source in sources if Path(source.path).suffix == Path(path).suffix)
    given = layout.model_dump(include=layout.model_fields_set) if layout else {}
    changes = {"chapters": None, "times": 1.0, **given, "path": path}
    source = next(alike, CorpusSection(path=path)).model_copy(update=changes)
    return data.model_copy(update={name: (source,), "folder": "."})


class PretrainingData(DocumentData):
    """The ``data`` section of pretraining."""

    vocabulary: WordPieceSection = WordPieceSection()
    masking: MaskingSection = MaskingSection()
    next_sentence: bool = False
    teacher: TeacherSection | None = None


@dataclass(frozen=True)
class DocumentSplit(Split[Document]):
    """The documents of a split, with the number of lines dropped because they occur in held-out texts."""

    n_lines: int = 0
    n_dropped_lines: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Further numbers about the split for result.json."""
        return {"lines": self.n_lines, "dropped_lines": self.n_dropped_lines}

    @property
    def remark(self) -> str:
        """A message for the user if lines were dropped, or an empty string."""
        if not self.n_dropped_lines:
            return ""
        remark = _(
            "data.{split}: {count:,} of {total:,} lines dropped, because they occur in data.held_out, exactly or nearly"
        )
        return remark.format(split=self.name, count=self.n_dropped_lines, total=self.n_lines)


def load_documents(section: DocumentData, name: SplitName, seed: int) -> DocumentSplit:
    """Read the documents of a split, repeated as each source's ``times`` says; train without held-out lines.

    Args:
        section: the configuration.
        name: the split.
        seed: selects the documents of a train source that are used once more than others if ``times`` is a fraction.
            Dev and test are the same for every seed, so that scores are comparable.

    Raises:
        DataError: a source is missing or empty, or ``held_out`` has bad rows.
    """
    seed = seed if name == "train" else 0
    folder = expand_user(section.folder)
    held_out = _held_out(section, folder) if name == "train" else None
    examples: list[Document] = []
    bad_rows: list[BadRow] = []
    n_lines = n_dropped = 0
    for number, source in enumerate(section.sources(name)):
        rows = list(read_documents(source, folder, name))
        bad_rows += [row for row in rows if isinstance(row, BadRow)]
        documents = [row for row in rows if isinstance(row, Document)]
        remaining = list(_drop_held_out(documents, held_out)) if held_out else documents
        n_lines += _count_lines(documents)
        n_dropped += _count_lines(documents) - _count_lines(remaining)
        examples += _repeat(remaining, source.times, [seed, number])
    digest = _split_digest(section, name, seed)
    path = _common_path(section, name, folder)
    return DocumentSplit(name, path, digest, examples, bad_rows, n_lines=n_lines, n_dropped_lines=n_dropped)


def _common_path(section: DocumentData, name: SplitName, folder: Path) -> Path:
    """Return the only file or folder that a split is read from, or the folder that several paths start from."""
    paths = {locate(source.path, folder, name) for source in section.sources(name)}
    return paths.pop() if len(paths) == 1 else folder


class _HeldOutTexts:
    """Finds texts that are, exactly or nearly, among the held-out texts.

    Results for large inputs are cached on disk, since every run on the same data needs them.
    """

    def __init__(self, texts: Iterable[str], similarity: float) -> None:
        self._texts, self._similarity = list(texts), similarity
        self._key = compute_digest([_CACHE_VERSION, unicodedata.unidata_version, similarity], self._texts)

    @cached_property
    def _index(self) -> NearDuplicates:
        return NearDuplicates(self._texts, self._similarity)

    def find(self, texts: Sequence[str]) -> Array:
        """Return `NearDuplicates.find` of the texts, <bool>[texts]."""
        if sum(map(len, texts)) < MIN_CACHED_CHARACTERS:
            return self._index.find(texts)
        arrays = load_or_compute(
            "held-out",
            compute_digest([self._key], texts),
            lambda: {"found": self._index.find(texts)},
            lambda arrays: "found" in arrays and arrays["found"].shape == (len(texts),),
        )
        return arrays["found"]


def _held_out(section: DocumentData, folder: Path) -> _HeldOutTexts | None:
    if not section.held_out:
        return None
    texts = (
        line
        for source in section.held_out
        for document in _held_out_documents(source, folder)
        for line in document.lines
    )
    return _HeldOutTexts(texts, section.held_out_similarity)


def _held_out_documents(source: CorpusSection, folder: Path) -> Iterator[Document]:
    for row in read_documents(source, folder, _HELD_OUT_SPLIT):
        if isinstance(row, BadRow):
            raise DataError(at("data.held_out", row))
        yield row


def _drop_held_out(documents: Sequence[Document], held_out: _HeldOutTexts) -> Iterator[Document]:
    """Yield the documents without held-out lines; drop a document whose whole text is held out."""
    is_line_held_out = held_out.find([line for document in documents for line in document.lines])
    is_text_held_out = held_out.find(["\n".join(document.lines) for document in documents])
    ends = np.cumsum([len(document.lines) for document in documents])
    by_document = np.split(is_line_held_out, ends)[:-1]
    for document, flags, is_dropped in zip(documents, by_document, is_text_held_out, strict=True):
        lines = tuple(line for line, is_held_out in zip(document.lines, flags, strict=True) if not is_held_out)
        if lines and not is_dropped:
            yield Document(lines, document.where)


def _count_lines(documents: Iterable[Document]) -> int:
    return sum(len(document.lines) for document in documents)


def _repeat(documents: Sequence[Document], times: float, seed: list[int]) -> Iterator[Document]:
    """Yield each document ``times`` times; of a fraction, some documents at random come once more."""
    whole, fraction = divmod(times, 1)
    is_repeated = np.random.default_rng(seed).random(len(documents)) < fraction
    for document, once_more in zip(documents, is_repeated, strict=True):
        yield from [document] * (int(whole) + int(once_more))


def _split_digest(section: DocumentData, name: SplitName, seed: int) -> str:
    """Return a digest of everything that the split depends on: seed, sources with their files, and held-out texts."""
    folder = expand_user(section.folder)
    content: dict[str, object] = {"seed": seed}
    content["sources"] = [_source_content(source, folder, name) for source in section.sources(name)]
    if name == "train" and section.held_out:
        content["held_out"] = [_source_content(source, folder, _HELD_OUT_SPLIT) for source in section.held_out]
        content["held_out_similarity"] = section.held_out_similarity
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _source_content(source: CorpusSection, folder: Path, split: SplitName) -> list[object]:
    """Return a source's settings, and the SHA-256 of its file, or of each file in its folder by relative path."""
    path, member_filter = locate(source.path, folder, split), MemberFilter(source.members, source.exclude)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*")} if path.is_dir() else {}
    root = path.resolve()
    members = {
        member: sha256(file)
        for member, file in files.items()
        if file.is_file() and member_filter.accepts(member) and not link_row(file, root)
    }
    return [source.model_dump(mode="json", exclude={"origin"}), members if path.is_dir() else sha256(path)]
