"""The data of pretraining: documents of many sources, what is held out dropped, and passages cut from the rest."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.array_cache import digest, kept
from paddle_tasks.data.corpus.documents import CorpusSection, Document, locate, read_documents
from paddle_tasks.data.corpus.near_duplicates import NearDuplicates
from paddle_tasks.data.tables.archives import MemberFilter
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError
from paddle_tasks.files import sha256
from paddle_tasks.text.masking import Masking

# Higher whenever what is found to be held out changes.
_VERSION = 1
# Characters. Looking through a million takes some 2 s, reading what was found a few ms.
_PAYS_FROM = 1_000_000
# Which file a catalogue name in ``held_out`` stands for.
_HELD_OUT: SplitName = "test"
Corpora = Annotated[tuple[CorpusSection, ...], Field(min_length=1)]


class MaskingSection(Section):
    """What is hidden: ``unit`` is a ``character`` (or word piece), or a ``word`` of jieba's, hidden whole.

    With words, ``character_share`` is the part of the rows of which single characters are hidden all the same.
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
            message = "expected mask_prob and random_prob of at most 1 together, they are {total}"
            raise PydanticCustomError("masking_probs", message, {"total": total})
        return self

    @property
    def masking(self) -> Masking:
        """The rates, for `paddle_tasks.text.masking`."""
        return Masking(self.rate, self.mask_prob, self.random_prob, self.character_share)


class WordPieceSection(Section):
    """The vocabulary that a model from scratch learns of its train documents; another brings its own."""

    size: Annotated[int, Field(ge=250, le=65_536)] = 8000
    min_count: Annotated[int, Field(ge=1)] = 2


class PretrainingData(Section):
    """The ``data`` section of pretraining: sources of documents for each split.

    Lines of ``train`` that stand in ``held_out``, exactly or nearly (character 5-grams, Jaccard), are dropped before
    anything else is done with them. A bad row of ``held_out`` always stops: what is not read cannot be dropped.
    """

    folder: str = "."  # that relative paths start from
    train: Corpora
    dev: Corpora
    test: Corpora | None = None
    held_out: tuple[CorpusSection, ...] = ()
    held_out_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    on_bad_row: Literal["stop", "skip"] = "stop"
    vocabulary: WordPieceSection = WordPieceSection()
    masking: MaskingSection = MaskingSection()
    next_sentence: bool = False

    def has(self, name: SplitName) -> bool:
        """Tell whether there is such a split."""
        return getattr(self, name) is not None

    def sources(self, name: SplitName) -> Sequence[CorpusSection]:
        """Return where the documents of a split are."""
        found: Sequence[CorpusSection] = getattr(self, name) or ()
        return found


@dataclass(frozen=True)
class Documents(Split[Document]):
    """The documents of a split, with how many lines of them were dropped for standing in held-out texts."""

    n_lines: int = 0
    n_dropped_lines: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """What result.json says of the split besides its rows."""
        return {"lines": self.n_lines, "dropped_lines": self.n_dropped_lines}

    @property
    def remark(self) -> str:
        """How many lines were dropped."""
        if not self.n_dropped_lines:
            return ""
        return (
            f"data.{self.name}: {self.n_dropped_lines:,} of {self.n_lines:,} lines dropped, which stand in "
            "data.held_out, exactly or nearly"
        )


def load_documents(section: PretrainingData, name: SplitName, seed: int) -> Documents:
    """Read a split's documents, each as often as its source's ``times`` says; train without what is held out.

    Args:
        section: the configuration.
        name: the split.
        seed: chooses the documents of a train source that are passed once more than others; dev and test are the same
            for every seed, so that scores compare.

    Raises:
        DataError: a source is missing or holds nothing, or rows of it cannot be used.
    """
    seed = seed if name == "train" else 0
    folder = Path(section.folder)
    held_out = _held_out(section, folder) if name == "train" else None
    examples: list[Document] = []
    bad_rows: list[BadRow] = []
    n_lines = n_dropped = 0
    for place, source in enumerate(section.sources(name)):
        found = list(read_documents(source, folder, name))
        bad_rows += [row for row in found if isinstance(row, BadRow)]
        documents = [row for row in found if isinstance(row, Document)]
        kept = list(_without(documents, held_out)) if held_out else documents
        n_lines += _n_lines(documents)
        n_dropped += _n_lines(documents) - _n_lines(kept)
        examples += _repeated(kept, source.times, [seed, place])
    digest = _digest(section, name, seed)
    return Documents(name, folder, digest, examples, bad_rows, n_lines=n_lines, n_dropped_lines=n_dropped)


class _HeldOut:
    """Finds held-out texts among others; of many, what was found is kept on disk: each run over them asks again."""

    def __init__(self, texts: Iterable[str], similarity: float) -> None:
        self._texts, self._similarity = list(texts), similarity
        self._key = digest([_VERSION, unicodedata.unidata_version, similarity], self._texts)

    @cached_property
    def _index(self) -> NearDuplicates:
        return NearDuplicates(self._texts, self._similarity)

    def find(self, texts: Sequence[str]) -> Array:
        """Return what `NearDuplicates.find` does, <bool>[texts]."""
        if sum(map(len, texts)) < _PAYS_FROM:
            return self._index.find(texts)
        found = kept(
            "held-out",
            digest([self._key], texts),
            lambda: {"found": self._index.find(texts)},
            lambda arrays: "found" in arrays and arrays["found"].shape == (len(texts),),
        )
        return found["found"]


def _held_out(section: PretrainingData, folder: Path) -> _HeldOut | None:
    if not section.held_out:
        return None
    texts = (line for source in section.held_out for document in _good(source, folder) for line in document.lines)
    return _HeldOut(texts, section.held_out_similarity)


def _good(source: CorpusSection, folder: Path) -> Iterator[Document]:
    for row in read_documents(source, folder, _HELD_OUT):
        if isinstance(row, BadRow):
            raise DataError(f"data.held_out: {row}")
        yield row


def _without(documents: Sequence[Document], held_out: _HeldOut) -> Iterator[Document]:
    """Yield the documents without the lines that are held out, and none that is held out as a whole."""
    lines = held_out.find([line for document in documents for line in document.lines])
    wholes = held_out.find(["\n".join(document.lines) for document in documents])
    ends = np.cumsum([len(document.lines) for document in documents])
    for document, known, whole in zip(documents, np.split(lines, ends)[:-1], wholes, strict=True):
        left = tuple(line for line, is_known in zip(document.lines, known, strict=True) if not is_known)
        if left and not whole:
            yield Document(left, document.where)


def _n_lines(documents: Iterable[Document]) -> int:
    return sum(len(document.lines) for document in documents)


def _repeated(documents: Sequence[Document], times: float, seed: list[int]) -> Iterator[Document]:
    whole, part = divmod(times, 1)
    once_more = np.random.default_rng(seed).random(len(documents)) < part
    for document, more in zip(documents, once_more, strict=True):
        yield from [document] * (int(whole) + int(more))


def _digest(section: PretrainingData, name: SplitName, seed: int) -> str:
    """Return a digest of all that a split's documents depend on: seed, sources with their files, what is held out."""
    folder = Path(section.folder)
    content: dict[str, object] = {"seed": seed}
    content["sources"] = [_content(source, folder, name) for source in section.sources(name)]
    if name == "train" and section.held_out:
        content["held_out"] = [_content(source, folder, _HELD_OUT) for source in section.held_out]
        content["held_out_similarity"] = section.held_out_similarity
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _content(source: CorpusSection, folder: Path, split: SplitName) -> list[object]:
    """Return how a source is read, and the SHA-256 of its file, or of each file of its folder by the path in there."""
    path, choice = locate(source.path, folder, split), MemberFilter(source.members, source.exclude)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*")} if path.is_dir() else {}
    members = {member: sha256(file) for member, file in files.items() if file.is_file() and choice.accepts(member)}
    return [source.model_dump(mode="json", exclude={"origin"}), members if path.is_dir() else sha256(path)]
