"""The setting ``model.word_vectors``: a file of vectors for the entries of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import ConfigError, DataError, UserError, at, join_alternatives, nearest_path
from paddle_tasks.files import exists, expand_user, is_dir, list_siblings, sha256, short_name
from paddle_tasks.language import _
from paddle_tasks.models.encoders.start_vectors import WITH_EMBEDDINGS
from paddle_tasks.tasks.classification.section import ClassifierSection
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.vector_files import read_vectors

KEY = "model.word_vectors"


@dataclass(frozen=True, eq=False)
class StartVectors:
    """The vectors of the entries that a file has.

    Attributes:
        path: the file.
        digest: its SHA-256.
        ids: <int64>[found], the entries.
        vectors: <float32>[found, size].
        n_entries: the size of the vocabulary.
    """

    path: Path
    digest: str
    ids: Array
    vectors: Array
    n_entries: int

    @classmethod
    def read(cls, section: ClassifierSection, tokenizer: Tokenizer) -> StartVectors | None:
        """Return the vectors of a vocabulary; None if none are asked for.

        Raises:
            ConfigError: the encoder has embeddings of another size.
            DataError: the file cannot be read, or has no entry of the vocabulary.
        """
        if section.word_vectors is None:
            return None
        path = expand_user(section.word_vectors)
        words, vectors = _read(path)
        if vectors.shape[1] != section.embedding_size:
            message = _("{key}: the vectors of {file} have {width} numbers, the embeddings {size}; set {setting}")
            setting = f"model.embedding_size={vectors.shape[1]}"
            values = {"width": vectors.shape[1], "size": section.embedding_size, "setting": setting}
            raise ConfigError(message.format(key=KEY, file=short_name(path), **values))
        found = _find(tokenizer, words)
        if not found or not vectors[list(found.values())].any():
            message = _("{key}: {file} has none of the {count:,} entries of the vocabulary; its words are {shown}, …")
            shown = ", ".join(map(repr, words[:3]))
            count = len(tokenizer.vocabulary)
            raise DataError(message.format(key=KEY, file=short_name(path), count=count, shown=shown))
        ids, places = np.array(list(found), np.int64), list(found.values())
        return cls(path, sha256(path), ids, vectors[places], len(tokenizer.vocabulary))

    def describe(self) -> str:
        """Return how many entries start with a vector of the file."""
        message = _("vectors: {found:,} of {count:,} vocabulary entries are in {file}; the others start at random")
        return message.format(found=len(self.ids), count=self.n_entries, file=short_name(self.path))


def check_word_vectors(section: ClassifierSection) -> None:
    """Check the setting before data is read.

    Raises:
        ConfigError: the encoder has no embeddings to start.
        DataError: there is no such file.
    """
    if section.word_vectors is None:
        return
    if section.encoder not in WITH_EMBEDDINGS:
        message = _("{key}: for the encoders {kinds}, found {encoder}")
        kinds = join_alternatives(WITH_EMBEDDINGS)
        raise ConfigError(message.format(key=KEY, kinds=kinds, encoder=section.encoder))
    path = expand_user(section.word_vectors)
    if not exists(path) or is_dir(path):
        near = nearest_path(path, list_siblings(path))
        raise DataError(_("{key}: no such file {file}{near}").format(key=KEY, file=short_name(path), near=near))


def _read(path: Path) -> tuple[list[str], Array]:
    try:
        return read_vectors(path)
    except UserError as error:
        raise DataError(at(KEY, error)) from None


def _find(tokenizer: Tokenizer, words: Sequence[str]) -> dict[int, int]:
    """Return the place of each entry's vector; a word in capitals serves an entry that has no other."""
    exact = {word: place for place, word in enumerate(words)}
    lowered = {word.lower(): place for word, place in reversed(exact.items())} if tokenizer.lowercase else {}
    places = {**lowered, **exact}
    return {id_: places[entry] for id_, entry in enumerate(tokenizer.vocabulary) if entry in places}
