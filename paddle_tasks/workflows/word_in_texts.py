"""One word in several texts: its vector in each context, beside the one vector that an embedding table has for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.errors import DataError
from paddle_tasks.files import is_file
from paddle_tasks.language import _
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.inspection.encoders import encode
from paddle_tasks.text.tokenizer import Encoded
from paddle_tasks.workflows.inspect import ReadingModel, reading_model


@dataclass(frozen=True, eq=False)
class WordInTexts:
    """The vectors of a word.

    Attributes:
        word: the word.
        texts: the texts that contain it.
        static: the mean of its rows in the embedding table <float32>[size], the same in each text.
        contextual: the mean of its last states in each text <float32>[texts, width].
    """

    word: str
    texts: tuple[str, ...]
    static: Array
    contextual: Array

    @property
    def cosines(self) -> Array:
        """The cosine of each two contextual vectors <float32>[texts, texts]."""
        units = _units(self.contextual)
        return np.asarray(units @ units.T)

    @property
    def static_cosines(self) -> Array:
        """The cosine of each contextual vector and the static one <float32>[texts]; NaN if their sizes differ."""
        if self.static.shape[-1] != self.contextual.shape[-1]:
            return np.full(len(self.texts), np.nan, np.float32)
        return np.asarray(_units(self.contextual) @ _units(self.static[None])[0])


def _units(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that are not blank.

    Raises:
        DataError: there is no such file.
    """
    if not is_file(path):
        raise DataError(_("{file}: no such file; expected texts, one a line").format(file=path))
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def word_in_texts(model: str | Path, word: str, texts: Sequence[str]) -> WordInTexts:
    """Return the vectors of a word in texts; texts without it are left out.

    Args:
        model: as for `paddle_tasks.inspect`.
        word: the word.
        texts: texts that contain it; its first place in each counts.

    Raises:
        UserError: there is no such model.
        DataError: fewer than two texts contain the word as whole tokens.
    """
    found = reading_model(str(model))
    chosen, vectors, ids = [], [], np.zeros(0, np.int64)
    for text in texts:
        encoded = found.encode(text)
        places = _places(encoded, text.find(word), len(word))
        if len(places):
            chosen.append(text)
            vectors.append(_states(found, encoded)[places].mean(axis=0))
            ids = encoded.input_ids[places].astype(np.int64)
    if len(chosen) < 2:
        message = _("{word}: found in {count} of {total} texts, expected at least two that contain it as whole tokens")
        raise DataError(message.format(word=word, count=len(chosen), total=len(texts)))
    return WordInTexts(word, tuple(chosen), _static(found, ids), np.stack(vectors))


def _places(encoded: Encoded, start: int, length: int) -> Array:
    """Return the positions of the tokens of a range of characters; none if they are not exactly its tokens."""
    offsets, end = encoded.offsets, start + length
    if start < 0:
        return np.zeros(0, np.int64)
    inside = (offsets[:, 0] < end) & (offsets[:, 1] > start) & (offsets[:, 1] > offsets[:, 0])
    places = np.flatnonzero(inside)
    exact = len(places) and offsets[places[0], 0] == start and offsets[places[-1], 1] == end
    return places if exact else places[:0]


def _states(model: ReadingModel, encoded: Encoded) -> Array:
    ids, types = (array.astype(np.int64)[None] for array in (encoded.input_ids, encoded.token_type_ids))
    states, _vectors = encode(model.encoder, ids, types, np.array([ids.shape[1]]))
    return np.asarray(states[0])


def _static(model: ReadingModel, ids: Array) -> Array:
    """Return the mean of the rows of some ids in the embedding table."""
    encoder = model.encoder
    is_pretrained = isinstance(encoder, PretrainedEncoder)
    table = encoder.model.embeddings.word_embeddings if is_pretrained else encoder.embedding
    return np.asarray(table.weight[paddle.to_tensor(ids)].numpy().mean(axis=0))
