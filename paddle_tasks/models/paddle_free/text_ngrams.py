"""A linear model over the character n-grams of a text; a classifier can be mixed with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _
from paddle_tasks.models.pretrained import tensors

_SPACES = re.compile(r"\s\s+")


class TextNgrams:
    """A logistic regression over TF-IDF vectors of character n-grams.

    Texts are read in lower case, with one space for each run of white space. The value of an n-gram is
    (1 + ln count) * idf, and the vector of a text has length 1.

    Attributes:
        grams: the n-gram of each feature.
        idf: <float32>[features].
        weight: <float32>[features, columns]; one column for two labels, whose logits are 0 and its value, else one
            column for each label.
        bias: <float32>[columns].
    """

    def __init__(self, grams: Sequence[str], idf: Array, weight: Array, bias: Array) -> None:
        self.grams, self.idf, self.weight, self.bias = tuple(grams), idf, weight, bias
        self._index = {gram: number for number, gram in enumerate(self.grams)}
        self._sizes = sorted({len(gram) for gram in self.grams})

    # ---- files

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], columns: int) -> TextNgrams:
        """Return the model of what `arrays` returned.

        Args:
            arrays: the arrays.
            columns: the number of columns.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays do not fit together.
        """
        sizes = arrays["sizes"].reshape(-1).tolist()
        shapes = {"idf": (len(sizes),), "weight": (len(sizes), columns), "bias": (columns,)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} {list(arrays[name].shape)}, expected {list(shape)}")
        text = arrays["text"].astype(np.uint8).tobytes().decode("utf-8", "surrogatepass")
        if sum(sizes) != len(text):
            raise ValueError(f"text of {len(text)} characters, expected {sum(sizes)}")
        ends = np.cumsum(sizes).tolist()
        grams = [text[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        return cls(grams, *(arrays[name].astype(np.float32) for name in shapes))

    def arrays(self) -> dict[str, Array]:
        """Return the model as arrays: the n-grams in UTF-8 with their sizes in characters, and the numbers."""
        text = "".join(self.grams).encode("utf-8", "surrogatepass")
        sizes = np.array([len(gram) for gram in self.grams], np.uint8)
        return {
            "text": np.frombuffer(text, np.uint8),
            "sizes": sizes,
            "idf": self.idf,
            "weight": self.weight,
            "bias": self.bias,
        }

    @classmethod
    def read(cls, path: Path, n_labels: int) -> TextNgrams:
        """Read a file that `write` wrote.

        Raises:
            CheckpointError: it is missing, damaged or for another number of labels.
        """
        if not path.is_file():
            message = _("{path}: no such file; copy it from the run that trained the model")
            raise CheckpointError(message.format(path=path))
        try:
            return cls.from_arrays(tensors.read(path), n_columns(n_labels))
        except (KeyError, ValueError) as error:
            message = _("{path}: does not hold n-grams of this model ({error}); copy it from the run that trained it")
            raise CheckpointError(message.format(path=path, error=error)) from error

    def write(self, path: Path) -> None:
        """Write the model with its numbers in float16."""
        tensors.write(path, self.arrays(), half=True)

    def rounded(self) -> TextNgrams:
        """Return the model as `write` keeps it."""
        numbers = (array.astype(np.float16).astype(np.float32) for array in (self.idf, self.weight, self.bias))
        return TextNgrams(self.grams, *numbers)

    @property
    def n_labels(self) -> int:
        """The number of labels."""
        return max(2, len(self.bias))

    # ---- predictions

    def log_probs(self, texts: Sequence[str]) -> Array:
        """Return the log-probabilities of the labels <float64>[texts, labels]."""
        logits = self._with_zeros(np.array([self._units(text) for text in texts]).reshape(len(texts), -1))
        highest = logits.max(axis=1, keepdims=True)
        return np.asarray(logits - highest - np.log(np.exp(logits - highest).sum(axis=1, keepdims=True)))

    def _units(self, text: str) -> Array:
        columns, values = self.features(text)
        return np.asarray(values @ self.weight[columns].astype(np.float64) + self.bias)

    def _with_zeros(self, units: Array) -> Array:
        """Return the logits <float64>[rows, labels] of units <float64>[rows, columns]."""
        return np.pad(units, ((0, 0), (1, 0))) if units.shape[1] == 1 else units

    def features(self, text: str) -> tuple[Array, Array]:
        """Return the features that a text has <int64>[n] and their values <float64>[n]."""
        normal, _origins = _normalise(text)
        counts = Counter(self._index[gram] for _start, gram in self._occurrences(normal) if gram in self._index)
        columns = np.fromiter(counts, np.int64, len(counts))
        values = (1 + np.log(np.fromiter(counts.values(), np.float64, len(counts)))) * self.idf[columns]
        return columns, values / max(float(np.sqrt((values**2).sum())), np.finfo(np.float32).tiny)

    def _occurrences(self, normal: str) -> Iterator[tuple[int, str]]:
        """Yield the place and the text of each n-gram."""
        for size in self._sizes:
            for start in range(len(normal) - size + 1):
                yield start, normal[start : start + size]

    # ---- explanations

    def intercepts(self) -> Array:
        """Return the logits of a text without n-grams <float64>[labels]."""
        return np.asarray(self._with_zeros(self.bias[None].astype(np.float64))[0])

    def contributions(self, text: str) -> Array:
        """Return what each character of a text adds to the logits, <float64>[characters, labels].

        The share of an n-gram is divided equally among its occurrences and their characters. With `intercepts` the
        sum is the logits of the text.
        """
        normal, origins = _normalise(text)
        columns, values = self.features(text)
        shares = dict(zip(columns.tolist(), values[:, None] * self.weight[columns], strict=True))
        places = [(start, gram) for start, gram in self._occurrences(normal) if gram in self._index]
        counts = Counter(gram for _start, gram in places)
        units = np.zeros((len(text), len(self.bias)))
        for start, gram in places:
            characters = origins[start : start + len(gram)]
            np.add.at(units, characters, shares[self._index[gram]] / counts[gram] / len(gram))
        return self._with_zeros(units)


def n_columns(n_labels: int) -> int:
    """Return the number of columns of the weights for a number of labels."""
    return 1 if n_labels == 2 else n_labels


def _normalise(text: str) -> tuple[str, list[int]]:
    """Return a text as scikit-learn's analyser of characters reads it, and the original place of each character."""
    characters: list[Any] = list(text.lower())
    origins = [place for place, character in enumerate(text) for _lower in character.lower()]
    for found in _SPACES.finditer("".join(characters)):
        characters[found.start()] = " "
        characters[found.start() + 1 : found.end()] = [None] * (len(found[0]) - 1)
    kept = [place for place, character in enumerate(characters) if character is not None]
    return "".join(characters[place] for place in kept), [origins[place] for place in kept]
