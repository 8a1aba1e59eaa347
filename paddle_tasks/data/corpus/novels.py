"""Chapters of novels as texts: one spelling, no chapter of dev or test whose text is in train, and a vocabulary."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from paddle_tasks.config import Count, Section
from paddle_tasks.data.corpus.corpora import DocumentData, load_documents
from paddle_tasks.data.corpus.documents import Document
from paddle_tasks.data.corpus.overlap import shared_shares
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError, join_names
from paddle_tasks.language import _, mark_in_context

_SPACE = re.compile(r"\s+")
_MAX_LISTED = 12
COUNT_NAMES = (
    mark_in_context("count", "characters"),
    mark_in_context("count", "chapters left out for text of train"),
    mark_in_context("count", "chapters not used"),
)
"""The names of `ChapterSplit.counts` in messages."""


class CharacterSection(Section):
    """The vocabulary: the characters that occur at least ``min_count`` times in train."""

    min_count: Count = 2


class Spelling(Section):
    """How texts are written before they are encoded.

    Attributes:
        replace: characters that are replaced, each by a text, such as the full-width full stop of one edition.
        spaces: ``kept`` makes a run of white space one space, which counts as a character; ``dropped`` removes it. A
            line break is a character of its own either way.
    """

    replace: dict[Annotated[str, Field(min_length=1, max_length=1)], str] = Field(default_factory=dict)
    spaces: Literal["kept", "dropped"] = "kept"


class NovelData(Spelling, DocumentData):
    """The ``data`` section: sources of chapters for each split, and how their text is written.

    Attributes:
        overlap_window: characters of the windows that are compared with those of train.
        max_overlap: a chapter of dev or test that shares more than this part of its windows with train is left out;
            null leaves out none. Files other than the run's own are not compared.
        max_dev_characters: the approximate size of dev. Whole chapters are chosen at even distances until it is
            reached; null keeps all chapters.
        max_test_characters: the same for test.
        vocabulary: the characters that have an entry of their own.
    """

    overlap_window: Count = 12
    max_overlap: Annotated[float, Field(ge=0.0, lt=1.0)] | None = 0.2
    max_dev_characters: Count | None = None
    max_test_characters: Count | None = None
    vocabulary: CharacterSection = CharacterSection()

    def max_characters(self, name: SplitName) -> int | None:
        """Return about how many characters of a split are used; None for all."""
        limits = {"dev": self.max_dev_characters, "test": self.max_test_characters}
        return limits.get(name)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter, or another document.

    Attributes:
        text: its lines with a line break between them.
        where: as `paddle_tasks.data.corpus.documents.Document.where`.
    """

    text: str
    where: str


@dataclass(frozen=True)
class ChapterSplit(Split[Chapter]):
    """The chapters of a split.

    Attributes:
        left_out: where each chapter is that shares text with train.
        n_unused: chapters beyond the limit of characters.
    """

    left_out: tuple[str, ...] = ()
    n_unused: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Further numbers about the split for result.json."""
        counts = {"characters": sum(len(chapter.text) for chapter in self.examples)}
        if self.left_out:
            counts["chapters_left_out_for_text_of_train"] = len(self.left_out)
        if self.n_unused:
            counts["chapters_not_used"] = self.n_unused
        return counts

    @property
    def remark(self) -> str:
        """A message for the user if chapters were left out because train has their text, or an empty string."""
        if not self.left_out:
            return ""
        names = join_names([_short(where) for where in self.left_out], _MAX_LISTED)
        remark = _("data.{split}: {count} chapters left out, since train has much of their text: {names}")
        return remark.format(split=self.name, count=len(self.left_out), names=names)


def load_chapters(data: NovelData, name: SplitName, seed: int, train: Sequence[Chapter] | None = None) -> ChapterSplit:
    """Read the chapters of a split.

    Args:
        data: the configuration.
        name: the split.
        seed: as for `paddle_tasks.data.corpus.corpora.load_documents`.
        train: the chapters of train; None for train itself and for files that are not compared with it.

    Raises:
        DataError: a source is missing or empty, or every chapter shares text with train.
    """
    documents = load_documents(data, name, seed)
    chapters = [write_chapter(document, data) for document in documents.examples]
    kept = chapters if train is None else _drop_shared(chapters, train, data, name)
    used, where = spread(kept, data.max_characters(name)), {chapter.where for chapter in kept}
    digest = _digest(data, name, documents.sha256, [chapter.where for chapter in used])
    return ChapterSplit(
        name,
        documents.path,
        digest,
        used,
        documents.bad_rows,
        left_out=tuple(chapter.where for chapter in chapters if chapter.where not in where),
        n_unused=len(kept) - len(used),
    )


def _drop_shared(
    chapters: Sequence[Chapter], train: Sequence[Chapter], data: NovelData, name: SplitName
) -> list[Chapter]:
    """Return the chapters that share no more text with train than the configuration allows."""
    if data.max_overlap is None or not chapters:
        return list(chapters)
    texts, others = ([chapter.text for chapter in part] for part in (chapters, train))
    shares = shared_shares(texts, others, data.overlap_window)
    kept = [chapter for chapter, share in zip(chapters, shares, strict=True) if share <= data.max_overlap]
    if not kept:
        message = _(
            "data.{split}: all {count} chapters share over {share:.0%} of their text with train, expected other "
            "chapters; data.max_overlap=null scores them nevertheless"
        )
        raise DataError(message.format(split=name, count=len(chapters), share=data.max_overlap))
    return kept


def _short(where: str) -> str:
    """Return the book and chapter of ``…/BOOK/CHAPTER/text.txt`` or ``…/BOOK.txt#CHAPTER``."""
    path = PurePosixPath(where)
    return path.name if "#" in path.name else "/".join(path.parts[-3:-1])


def write_chapter(document: Document, data: NovelData) -> Chapter:
    """Return a document as a text in the spelling of the configuration."""
    return Chapter(write_text("\n".join(document.lines), data), document.where)


def write_text(text: str, spelling: Spelling) -> str:
    """Return a text in the spelling of the configuration; line breaks stay."""
    for old, new in spelling.replace.items():
        text = text.replace(old, new)
    space = " " if spelling.spaces == "kept" else ""
    return "\n".join(_SPACE.sub(space, line).strip() for line in text.split("\n"))


def spread(chapters: Sequence[Chapter], max_characters: int | None) -> list[Chapter]:
    """Return chapters at equal distances that have about ``max_characters`` together; at least one."""
    total = sum(len(chapter.text) for chapter in chapters)
    if max_characters is None or total <= max_characters:
        return list(chapters)
    n_used = max(1, round(len(chapters) * max_characters / total))
    return [chapters[index] for index in np.linspace(0, len(chapters) - 1, n_used).round().astype(int)]


def _digest(data: NovelData, name: SplitName, documents: str, used: Sequence[str]) -> str:
    """Return a digest of everything that the texts of a split depend on."""
    content = [name, documents, data.spaces, data.replace, list(used)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
