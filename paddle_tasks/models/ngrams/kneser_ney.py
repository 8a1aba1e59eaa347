"""Interpolated modified Kneser-Ney smoothing.

S. F. Chen and J. Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", Harvard University,
TR-10-98, 1998. With c the counts of `count_grams`, D the discount of a count and h' the context h without its first
token::

    P(w | h) = (c(h w) - D(c(h w))) / c(h) + b(h) P(w | h'),   b(h) = sum over w of D(c(h w)) / c(h)

The probability of a token without context is interpolated with 1 / vocabulary size in the same way. As in the files of
ARPA's format, the interpolated probability of every gram and the weight b of every context are stored: the probability
of a gram that does not occur is that of its suffix times the weight of its context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError, SetupError
from paddle_tasks.files import atomic_file
from paddle_tasks.language import _
from paddle_tasks.memory import require_memory
from paddle_tasks.models.ngrams.grams import (
    MISSING,
    GramCounts,
    GramTable,
    Stream,
    check_ids,
    count_grams,
    walk_orders,
)
from paddle_tasks.text.packing import concatenate_ranges

Documents = Sequence[Sequence[int] | Array]
"""The token ids of each document."""

_VERSION = 1
_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""Used for an order whose counts do not allow an estimate: small data, or a vocabulary without rare tokens."""


@dataclass(frozen=True)
class Coverage:
    """How many contexts of a length occur in train; contexts with the start token are not counted.

    Attributes:
        length: the number of tokens of a context.
        n_seen: the contexts of this length that some token follows in train.
        n_possible: the size of the vocabulary to the power of the length.
        share_seen: the share of the tokens of other documents whose context of this length was seen; tokens with fewer
            tokens before them are left out. NaN if there are none.
    """

    length: int
    n_seen: int
    n_possible: int
    share_seen: float


@dataclass(frozen=True, eq=False)
class _Level:
    """One order above 1.

    Attributes:
        table: the grams.
        probs: <float32>[grams], the interpolated probabilities.
        backoffs: <float32>[contexts], the weights of the order below; 1 for a context that nothing follows.
    """

    table: GramTable
    probs: Array
    backoffs: Array

    def best(self, contexts: Array) -> tuple[Array, Array]:
        """Return the highest probability after each context, and its token.

        Args:
            contexts: <int32>[contexts], distinct, each with a gram.
        """
        starts, sizes = self.table.starts[contexts], self.table.sizes[contexts]
        grams, firsts = concatenate_ranges(starts, sizes), np.cumsum(sizes) - sizes
        probs = self.probs[grams]
        highest = np.maximum.reduceat(probs, firsts)
        where = np.flatnonzero(probs == np.repeat(highest, sizes))
        return highest, self.table.keys[grams[where[np.searchsorted(where, firsts)]]] % self.table.n_tokens


class KneserNey:
    """An n-gram language model; a `paddle_tasks.generation.next_token.NextTokenModel`.

    A document begins with a start token, which is context only. Each probability depends on at most ``order - 1``
    tokens of the same document before it.

    Attributes:
        order: the length of the longest grams; at most that of the longest document with its start token.
        n_tokens: the size of the vocabulary; ids are from 0 to ``n_tokens - 1``.
    """

    def __init__(self, unigrams: Array, levels: Sequence[_Level]) -> None:
        """Take the probabilities of tokens without context <float32>[n_tokens], and the orders from 2 on."""
        self.order, self.n_tokens = len(levels) + 1, len(unigrams)
        self._unigrams, self._levels = unigrams, tuple(levels)

    @classmethod
    def fit(cls, documents: Documents, n_tokens: int, order: int = 5) -> KneserNey:
        """Return the model of the grams of documents.

        Args:
            documents: the token ids of each document.
            n_tokens: the size of the vocabulary.
            order: the length of the longest grams, at least 1.

        Raises:
            ValueError: an id is out of range, there is no token at all, or ``order`` is below 1.
        """
        stream = Stream.of(documents, n_tokens)
        if order < 1 or not len(stream.predicted):
            raise ValueError(f"expected an order of at least 1 and at least one token, found order {order}")
        grams = count_grams(stream, n_tokens, order)[::-1]
        unigrams = _unigram_probs(grams.pop().counts[:n_tokens])
        levels, lower = [], np.append(unigrams, np.float32(0))  # the start token is never predicted
        while grams:  # the counts of an order take much memory, so they are dropped at once
            levels.append(_interpolate(grams.pop(), lower))
            lower = levels[-1].probs
        return cls(unigrams, levels)

    @property
    def n_parameters(self) -> int:
        """The number of probabilities and of weights other than 1."""
        n_weights = sum(int((level.table.sizes > 0).sum()) for level in self._levels)
        return self.n_tokens + sum(len(level.probs) for level in self._levels) + n_weights

    # ---- documents

    def log_probs(self, documents: Documents) -> list[Array]:
        """Return the log-probability of every token of documents in nats, <float64>[tokens] for each document."""
        stream = Stream.of(documents, self.n_tokens)
        probs = self._unigrams[stream.tokens[stream.predicted]].astype(np.float64)
        for level, (contexts, grams) in zip(self._levels, walk_orders(stream, self._tables), strict=True):
            probs *= np.where(contexts == MISSING, 1.0, level.backoffs[contexts])
            is_seen = grams != MISSING
            probs[is_seen] = level.probs[grams[is_seen]]
        return stream.split(np.log(probs))

    def most_probable(self, documents: Documents) -> list[Array]:
        """Return the most probable token at the place of every token of documents, <int64>[tokens] for each.

        A token that does not follow a context is less probable there than the most probable token of the shorter
        context, so that only the latter and the tokens that follow are compared.
        """
        stream = Stream.of(documents, self.n_tokens)
        tokens = np.full(len(stream.predicted), self._unigrams.argmax())
        probs = self._unigrams[tokens].astype(np.float64)
        for level, (contexts, _grams) in zip(self._levels, walk_orders(stream, self._tables), strict=True):
            rows = np.flatnonzero((contexts != MISSING) & (level.table.sizes[contexts] > 0))
            if len(rows):
                distinct, inverse = np.unique(contexts[rows], return_inverse=True)
                higher, candidates = (values[inverse] for values in level.best(distinct))
                probs[rows] *= level.backoffs[contexts[rows]]
                is_better = higher >= probs[rows]
                tokens[rows[is_better]], probs[rows[is_better]] = candidates[is_better], higher[is_better]
        return stream.split(tokens)

    def coverage(self, documents: Documents) -> list[Coverage]:
        """Return how many contexts of each length occur in train, and how many of those of other documents."""
        stream = Stream.of(documents, self.n_tokens)
        n_before = concatenate_ranges(np.zeros(len(stream.lengths), np.int64), stream.lengths)
        found: list[Coverage] = []
        end = self.n_tokens  # the start token has the last number, and so have the grams that begin with it
        for level, (contexts, _grams) in zip(self._levels, walk_orders(stream, self._tables), strict=True):
            length, is_followed = len(found) + 1, level.table.sizes > 0
            chosen = contexts[n_before >= length]
            is_seen = (chosen != MISSING) & is_followed[chosen]
            share = float(is_seen.mean()) if len(chosen) else float("nan")
            found.append(Coverage(length, int(is_followed[:end].sum()), self.n_tokens**length, share))
            end = int(level.table.starts[end])
        return found

    @property
    def _tables(self) -> list[GramTable]:
        return [level.table for level in self._levels]

    # ---- the next token

    def start(self, prompts: Documents) -> tuple[Array, npt.NDArray[np.float32]]:
        """Return the state after prompts, which may be empty, and the log-probabilities of the next tokens.

        The state is the last ``order - 1`` tokens of each row, <int32>[rows, order - 1]; `MISSING` fills its beginning.
        """
        state = self._state(prompts, at_start=True)
        return state, self._logits(state)

    def advance(self, state: Array, tokens: Sequence[int]) -> tuple[Array, npt.NDArray[np.float32]]:
        """Append one token to each row and return the new state and the log-probabilities after it."""
        new = check_ids(np.asarray(tokens, np.int64), self.n_tokens).astype(np.int32)
        state = np.concatenate([state, new[:, None]], axis=1)[:, 1:]
        return state, self._logits(state)

    def select(self, state: Array, rows: Sequence[int]) -> Array:
        """Return the state of these rows."""
        selected: Array = state[np.asarray(rows, np.int64)]
        return selected

    def distribution(self, context: Sequence[int], *, at_start: bool = False) -> Array:
        """Return the probabilities of all tokens after a context, <float64>[n_tokens].

        Args:
            context: token ids; only the last ``order - 1`` count.
            at_start: whether the document begins with the context.
        """
        state = self._state([context], at_start=at_start)
        return self._probs([int(number) for (number,) in self._context_numbers(state)])

    def _state(self, contexts: Documents, *, at_start: bool) -> Array:
        """Return the last tokens of contexts, with a start token before them or not, <int32>[rows, order - 1]."""
        width = self.order - 1
        state = np.full((len(contexts), width), MISSING, np.int32)
        for row, context in enumerate(contexts):
            ids = check_ids(np.asarray(context, np.int64), self.n_tokens)
            kept = np.insert(ids, 0, self.n_tokens if at_start else MISSING)[max(len(ids) + 1 - width, 0) :]
            state[row, width - len(kept) :] = kept
        return state

    def _logits(self, state: Array) -> npt.NDArray[np.float32]:
        numbers = self._context_numbers(state)
        logits = np.empty((len(state), self.n_tokens), np.float32)
        for row in range(len(state)):
            np.log(self._probs([int(column[row]) for column in numbers]), out=logits[row], casting="same_kind")
        return logits

    def _context_numbers(self, state: Array) -> list[Array]:
        """Return the numbers of the contexts of each length from 1 on, <int32>[rows] each."""
        numbers, found = state, []
        for table in self._tables:
            found.append(numbers[:, -1])
            numbers = table.find(numbers[:, :-1], state[:, len(found) :])
        return found

    def _probs(self, contexts: Sequence[int]) -> Array:
        probs = self._unigrams.astype(np.float64)
        for level, context in zip(self._levels, contexts, strict=True):
            if context != MISSING:
                start, end = level.table.starts[context], level.table.starts[context + 1]
                probs *= level.backoffs[context]
                probs[level.table.last_tokens(start, end)] = level.probs[start:end]
        return probs

    # ---- files

    def save(self, path: Path) -> None:
        """Write the model to an .npz file, without pickled objects."""
        arrays: dict[str, Any] = {"version": np.array(_VERSION), "unigrams": self._unigrams}
        small = np.uint16 if self.n_tokens <= 1 << 16 else np.int32
        for order, level in enumerate(self._levels, start=2):
            arrays[f"tokens_{order}"] = level.table.last_tokens().astype(small)
            arrays[f"sizes_{order}"] = level.table.sizes.astype(np.int32)
            arrays[f"probs_{order}"], arrays[f"backoffs_{order}"] = level.probs, level.backoffs
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> KneserNey:
        """Return the model that `save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged, or of another kind or version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                require_memory(sum(member.file_size for member in file.zip.infolist()), str(path))
                arrays = {name: file[name] for name in file.files}
        except SetupError:
            raise
        except Exception as error:  # zipfile, zlib and numpy raise many kinds
            message = _("{path}: not a readable .npz file: {error}")
            raise CheckpointError(message.format(path=path, error=error)) from None
        version = arrays.get("version")
        if version is None or version != _VERSION:
            message = _("{path}: not an n-gram model of version {version}")
            raise CheckpointError(message.format(path=path, version=_VERSION))
        try:
            n_levels, unigrams = sum(name.startswith("tokens_") for name in arrays), arrays["unigrams"]
            return cls(unigrams, [_load_level(arrays, order, len(unigrams)) for order in range(2, n_levels + 2)])
        except (LookupError, TypeError, ValueError) as error:
            message = _("{path}: not a readable .npz file: {error}")
            raise CheckpointError(message.format(path=path, error=error)) from None


def _load_level(arrays: dict[str, Array], order: int, n_tokens: int) -> _Level:
    table = GramTable.from_sizes(arrays[f"sizes_{order}"], arrays[f"tokens_{order}"], n_tokens)
    return _Level(table, arrays[f"probs_{order}"], arrays[f"backoffs_{order}"])


def estimate_discounts(counts: Array) -> Array:
    """Return what to subtract from counts of 0, 1, 2, and 3 or more, <float64>[4].

    From n1 to n4, the numbers of grams that count 1 to 4: Y = n1 / (n1 + 2 n2), D1 = 1 - 2 Y n2 / n1,
    D2 = 2 - 3 Y n3 / n2, D3 = 3 - 4 Y n4 / n3. If one of these is not defined, or not above 0, the discounts are 0.5, 1
    and 1.5, as KenLM's fallback.

    Args:
        counts: <int64>[grams].
    """
    n1, n2, n3, n4 = (int(number) for number in np.bincount(np.minimum(counts, 5), minlength=6)[1:5])
    if n1 and n2 and n3:
        ratio = n1 / (n1 + 2 * n2)
        discounts = (1 - 2 * ratio * n2 / n1, 2 - 3 * ratio * n3 / n2, 3 - 4 * ratio * n4 / n3)
        if min(discounts) > 0:
            return np.array([0.0, *discounts])
    return np.array([0.0, *_FALLBACK_DISCOUNTS])


def _unigram_probs(counts: Array) -> Array:
    discounts = estimate_discounts(counts)[np.minimum(counts, 3)]
    probs: Array = (counts - discounts + discounts.sum() / len(counts)) / counts.sum()
    return probs.astype(np.float32)


def _interpolate(grams: GramCounts, lower: Array) -> _Level:
    """Return the probabilities and weights of an order, given the probabilities <float32>[grams] of that below."""
    assert grams.table is not None
    contexts, n_contexts = grams.table.contexts, len(grams.table.starts) - 1
    discounts = estimate_discounts(grams.counts)[np.minimum(grams.counts, 3)]
    totals = np.maximum(np.bincount(contexts, grams.counts, n_contexts), 1)
    backoffs = np.bincount(contexts, discounts, n_contexts) / totals
    probs = (grams.counts - discounts) / totals[contexts] + backoffs[contexts] * lower[grams.suffixes]
    backoffs[grams.table.sizes == 0] = 1
    return _Level(grams.table, probs.astype(np.float32), backoffs.astype(np.float32))
