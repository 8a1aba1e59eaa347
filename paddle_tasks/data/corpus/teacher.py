"""Vectors of a teacher for the texts of passages; another program computes them, from a file of texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.config import Count, Section
from paddle_tasks.data.corpus.passages import Passages
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.files import expand_user, write_text
from paddle_tasks.language import _

NO_VECTOR = -1
"""In place of the number of a vector for a row whose text has none."""
_INSIDE = "##"
_UNKNOWN = "[UNK]"
_ROWS_AT_ONCE = 65_536


class TeacherSection(Section):
    """A teacher's vectors of texts.

    Attributes:
        texts: a file with one text a line; written if it does not exist, from the passages of train.
        vectors: a .npy file, <float16|float32>[texts, size], in the same order.
        n_texts: how many different passages are written, chosen at random; all by default.
    """

    texts: str
    vectors: str
    n_texts: Count | None = None


@dataclass(frozen=True, eq=False)
class TeacherVectors:
    """The vectors of rows, as differences from their mean and of length 1.

    Attributes:
        vectors: <float16>[texts, size].
        numbers: <int64>[rows], the number of each row's vector, or `NO_VECTOR`.
    """

    vectors: Array
    numbers: Array

    @property
    def size(self) -> int:
        """The size of a vector."""
        return int(self.vectors.shape[1])

    def of(self, rows: Sequence[int]) -> tuple[Array, Array]:
        """Return the places of the rows that have a vector, <int64>[n], and these vectors, <float32>[n, size]."""
        numbers = self.numbers[np.asarray(rows, np.int64)]
        places = np.flatnonzero(numbers != NO_VECTOR)
        return places, self.vectors[numbers[places]].astype(np.float32)


def passage_texts(passages: Passages, vocabulary: Sequence[str]) -> Iterator[str]:
    """Yield the text of each passage, see `join_tokens`; unknown tokens are left out."""
    entries = ["" if entry == _UNKNOWN else entry for entry in vocabulary]
    for passage in passages:
        yield join_tokens([entries[token] for token in passage["ids"].tolist()])


def join_tokens(tokens: Sequence[str]) -> str:
    """Return the text of tokens, with a space between words of letters and digits.

    >>> join_tokens(["hello", "world", "##s", "好"])
    'hello worlds好'
    """
    parts: list[str] = []
    for token in tokens:
        is_inside = token.startswith(_INSIDE) and len(token) > len(_INSIDE)
        if not is_inside and parts and _is_ascii_letter(parts[-1][-1:]) and _is_ascii_letter(token[:1]):
            parts.append(" ")
        parts.append(token.removeprefix(_INSIDE) if is_inside else token)
    return "".join(parts)


def _is_ascii_letter(character: str) -> bool:
    return character.isascii() and character.isalnum()


def load_teacher(
    section: TeacherSection, folder: str, passages: Passages, vocabulary: Sequence[str], seed: int
) -> TeacherVectors:
    """Return the teacher's vectors of passages.

    Args:
        section: the files.
        folder: relative paths start from here.
        passages: the rows of train.
        vocabulary: the tokens.
        seed: selects the texts that are written if there are too many.

    Raises:
        ConfigError: there are no vectors yet; the message says where their texts are.
        DataError: the files do not belong together, or to these passages.
    """
    texts_path, vectors_path = (expand_user(folder) / expand_user(name) for name in (section.texts, section.vectors))
    texts = list(passage_texts(passages, vocabulary))
    if not texts_path.exists():
        write_text(texts_path, "".join(f"{text}\n" for text in _choose(texts, section.n_texts, seed)))
    numbers = {text: number for number, text in enumerate(_read_lines(texts_path))}
    if not vectors_path.exists():
        message = _(
            "data.teacher.vectors: {vectors} does not exist; {texts} has {count:,} texts, one a line: write their "
            "vectors <float16>[{count}, size] in this order, and run the same command again"
        )
        raise ConfigError(message.format(vectors=vectors_path, texts=texts_path, count=len(numbers)))
    found = np.array([numbers.get(text, NO_VECTOR) for text in texts], np.int64)
    _check_found(found, texts_path)
    return TeacherVectors(_centre(_read_vectors(vectors_path, texts_path, len(numbers))), found)


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(_("{path}: cannot be read as UTF-8 text ({error})").format(path=path, error=error)) from None


def _choose(texts: Sequence[str], n_texts: int | None, seed: int) -> list[str]:
    different = list(dict.fromkeys(text for text in texts if text))
    if n_texts is None or n_texts >= len(different):
        return different
    chosen = np.random.default_rng(seed).choice(len(different), n_texts, replace=False)
    return [different[number] for number in np.sort(chosen).tolist()]


def _check_found(numbers: Array, path: Path) -> None:
    if len(numbers) and not (numbers != NO_VECTOR).any():
        message = _("data.teacher.texts: {path} has no text of train; rename or delete it, and it is written anew")
        raise DataError(message.format(path=path))


def _read_vectors(path: Path, texts: Path, n_texts: int) -> Array:
    """Return the vectors <float16|float32>[texts, size] of a .npy file, which is not read into memory."""
    try:
        vectors: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(_("{path}: cannot be read as a .npy file ({error})").format(path=path, error=error)) from None
    if vectors.ndim != 2 or len(vectors) != n_texts or vectors.dtype not in (np.float16, np.float32):
        message = _(
            "{path}: expected float16 or float32 [{count}, size], a vector for each line of {texts}, found {found}"
        )
        found = f"{vectors.dtype} {list(vectors.shape)}"
        raise DataError(message.format(path=path, count=n_texts, texts=texts, found=found))
    return vectors


def _centre(vectors: Array) -> Array:
    """Return the differences from the mean, each of length 1, <float16>[texts, size]."""
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = np.empty(vectors.shape, np.float16)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        part = vectors[start : start + _ROWS_AT_ONCE].astype(np.float32) - mean
        centred[start : start + _ROWS_AT_ONCE] = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
    return centred
