"""The file formats of word2vec: text and binary, as word2vec.c and gensim write and read them.

Both end a word at a space, so a space within a word is written as ``␣`` and read back as a space. Other white space,
such as a full-width space, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import DataError
from paddle_tasks.files import atomic_file, exists
from paddle_tasks.language import _

Format = Literal["text", "binary"]
FORMATS: Mapping[str, Format] = {"word2vec-text": "text", "word2vec-binary": "binary"}
"""The formats by their names on the command line."""
SPACE = "␣"


def write_vectors(path: Path, words: Sequence[str], vectors: Array, form: Format) -> None:
    """Write words and their vectors <float32>[words, size].

    Raises:
        DataError: two words would be the same, a word is empty, or it has a line break.
    """
    names = [word.replace(" ", SPACE) for word in words]
    for word in words:
        if not word or "\n" in word or "\r" in word:
            raise DataError(
                _("{path}: {word!r} cannot be written, since a word ends at a line break").format(path=path, word=word)
            )
    if len(set(names)) < len(names):
        raise DataError(_("{path}: two words differ only in a space and {space}").format(path=path, space=SPACE))
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(f"{len(names)} {vectors.shape[1]}\n".encode())
        for name, vector in zip(names, vectors.astype("<f4"), strict=True):
            file.write(name.encode() + b" " + (vector.tobytes() if form == "binary" else _numbers(vector)) + b"\n")


def _numbers(vector: Array) -> bytes:
    return " ".join(map(repr, vector.tolist())).encode()  # repr of a float64 that holds a float32 is exact


def read_vectors(path: Path) -> tuple[list[str], Array]:
    """Return the words of a file of either format and their vectors, <float32>[words, size].

    Of a word that occurs again, the first vector counts.

    Raises:
        DataError: the file is missing, has neither format, or a number is not finite.
    """
    if not exists(path) or path.is_dir():
        raise DataError(
            _("{path}: no such file; expected word vectors in word2vec's text or binary format").format(path=path)
        )
    with path.open("rb") as file:
        n_words, size = _read_header(path, file)
        start = file.tell()
        _check_length(path, n_words, size)
        try:
            words, vectors = _read_text(file, n_words, size)
        except ValueError:
            file.seek(start)
            words, vectors = _read_binary(path, file, n_words, size)
    if not np.isfinite(vectors).all():
        word = words[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
        message = _("{path}: the vector of {word!r} has a number that is not finite")
        raise DataError(message.format(path=path, word=word))
    return _without_repeats([word.replace(SPACE, " ") for word in words], vectors)


def _without_repeats(words: list[str], vectors: Array) -> tuple[list[str], Array]:
    first = {word: place for place, word in reversed(list(enumerate(words)))}
    if len(first) == len(words):
        return words, vectors
    places = sorted(first.values())
    return [words[place] for place in places], vectors[places]


def _read_header(path: Path, file: IO[bytes]) -> tuple[int, int]:
    try:
        n_words, size = map(int, file.readline(100).split())
    except ValueError:
        n_words = size = 0
    if n_words < 1 or size < 1:
        message = _("{path}: expected a first line with the number of words and the size of a vector")
        raise DataError(message.format(path=path))
    return n_words, size


def _check_length(path: Path, n_words: int, size: int) -> None:
    """Check that a file can hold so many vectors, before memory is taken for them; "0 " is the shortest number."""
    least, found = 2 * n_words * size, path.stat().st_size
    if found < least:
        message = _("{path}: too short for {count:,} vectors of {size} numbers: {found:,} bytes")
        raise DataError(message.format(path=path, count=n_words, size=size, found=found))


def _read_text(file: IO[bytes], n_words: int, size: int) -> tuple[list[str], Array]:
    """Read lines ``word number … number``.

    Raises:
        ValueError: a line is not like that; the file may be binary.
    """
    words, vectors = [], np.empty((n_words, size), np.float32)
    for place in range(n_words):
        word, *numbers = file.readline().rstrip(b"\r\n ").rsplit(b" ", size)
        if len(numbers) != size:
            raise ValueError
        vectors[place] = np.array(numbers, dtype=np.float64)
        words.append(word.decode())
    return words, vectors


def _read_binary(path: Path, file: IO[bytes], n_words: int, size: int) -> tuple[list[str], Array]:
    content = file.read()
    words, vectors, place = [], np.empty((n_words, size), np.float32), 0
    for number in range(n_words):
        end = content.find(b" ", place)
        data = content[end + 1 : end + 1 + 4 * size]
        if end < 0 or len(data) < 4 * size:
            message = _("{path}: ends after {count:,} of {total:,} words, or is not in word2vec's format")
            raise DataError(message.format(path=path, count=number, total=n_words))
        words.append(content[place:end].lstrip(b"\n").decode("utf-8", "replace"))
        vectors[number] = np.frombuffer(data, "<f4")
        place = end + 1 + 4 * size
    if content[place:].strip(b"\n"):
        raise DataError(_("{path}: not in word2vec's text or binary format").format(path=path))
    return words, vectors
