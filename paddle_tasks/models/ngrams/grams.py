"""Number and count the n-grams of documents of token ids.

The n-grams of each order are numbered. A gram is its context (the number of its first n - 1 tokens, a gram of the order
below) and its last token, which are combined into one key. The keys of an order are sorted, so that the grams of one
context are adjacent, and a gram is found by binary search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array

MISSING = -1
"""The number of a gram that does not occur in train, or that would begin before its document."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Documents one after another, each with a start token before it.

    Attributes:
        tokens: <int32>[positions]; the start token is the number of ordinary tokens.
        predicted: <int64>[tokens], the positions of ordinary tokens.
        lengths: <int64>[documents], the number of ordinary tokens of each document.
    """

    tokens: Array
    predicted: Array
    lengths: Array

    @classmethod
    def of(cls, documents: Sequence[Sequence[int] | Array], n_tokens: int) -> Stream:
        """Join documents.

        Args:
            documents: the ids of each document, from 0 to ``n_tokens - 1``.
            n_tokens: the size of the vocabulary.

        Raises:
            ValueError: an id is out of range.
        """
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        is_start = np.zeros(lengths.sum() + len(lengths), np.bool_)
        is_start[np.cumsum(lengths + 1) - lengths - 1] = True
        predicted = np.flatnonzero(~is_start)
        tokens = np.full(len(is_start), n_tokens, np.int32)
        if len(predicted):
            tokens[predicted] = check_ids(np.concatenate([np.asarray(ids, np.int64) for ids in documents]), n_tokens)
        return cls(tokens, predicted, lengths)

    def split(self, values: Array) -> list[Array]:
        """Return the values of the ordinary tokens, one array for each document."""
        return np.split(values, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else []


def check_ids(ids: Array, n_tokens: int) -> Array:
    """Return the ids if all are from 0 to ``n_tokens - 1``.

    Raises:
        ValueError: one is not.
    """
    is_wrong = (ids < 0) | (ids >= n_tokens)
    if is_wrong.any():
        raise ValueError(f"token id {ids[is_wrong][0]}: expected 0 to {n_tokens - 1}")
    return ids


@dataclass(frozen=True, eq=False)
class GramTable:
    """The grams of one order above 1 that occur in train.

    Attributes:
        keys: <int64>[grams], ascending: context * n_tokens + last token.
        starts: <int32>[contexts + 1]; the grams of context c are those from ``starts[c]`` to ``starts[c + 1] - 1``.
        n_tokens: the size of the vocabulary.
    """

    keys: Array
    starts: Array
    n_tokens: int

    @classmethod
    def from_keys(cls, keys: Array, n_contexts: int, n_tokens: int) -> GramTable:
        """Return the table of sorted keys."""
        starts = np.searchsorted(keys, np.arange(n_contexts + 1) * n_tokens)
        return cls(keys, starts.astype(np.int32), n_tokens)

    @classmethod
    def from_sizes(cls, sizes: Array, tokens: Array, n_tokens: int) -> GramTable:
        """Return the table of the number of grams of each context and the last tokens of all grams."""
        starts = np.append(np.int32(0), np.cumsum(sizes, dtype=np.int32))
        return cls(np.repeat(np.arange(len(sizes)) * n_tokens, sizes) + tokens, starts, n_tokens)

    @property
    def sizes(self) -> Array:
        """The number of grams of each context, <int32>[contexts]."""
        return np.diff(self.starts)

    @property
    def contexts(self) -> Array:
        """The context of each gram, <int32>[grams]."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), self.sizes)

    def last_tokens(self, start: int = 0, end: int | None = None) -> Array:
        """Return the last tokens of the grams of a range, <int64>[grams]."""
        tokens: Array = self.keys[start:end] % self.n_tokens
        return tokens

    def find(self, contexts: Array, tokens: Array) -> Array:
        """Return the numbers of grams, or `MISSING`, <int32> of the shape of the arguments.

        Args:
            contexts: <int32>, numbers of the order below, or `MISSING`.
            tokens: <int32>, last tokens of the same shape; the start token is in no gram.
        """
        numbers = np.full(contexts.shape, MISSING, np.int32)
        possible = np.nonzero((contexts != MISSING) & (tokens < self.n_tokens))
        wanted = contexts[possible].astype(np.int64) * self.n_tokens + tokens[possible]
        numbers[possible] = self._search(wanted)
        return numbers

    def _search(self, wanted: Array) -> Array:
        distinct, inverse = np.unique(wanted, return_inverse=True)  # a search in ascending order stays in the cache
        rows = np.minimum(np.searchsorted(self.keys, distinct), len(self.keys) - 1)
        found: Array = np.where(self.keys[rows] == distinct, rows, MISSING)[inverse]
        return found


@dataclass(eq=False)
class GramCounts:
    """The grams of one order with their counts.

    Attributes:
        table: the grams; None for order 1, whose grams are the tokens themselves and the start token.
        counts: <int32>[grams].
        suffixes: <int32>[grams], the numbers of the grams without their first tokens, of the order below.
    """

    table: GramTable | None
    counts: Array
    suffixes: Array


def count_grams(stream: Stream, n_tokens: int, order: int) -> list[GramCounts]:
    """Return the grams of each order from 1 to ``order``, counted as Kneser-Ney smoothing counts them.

    A gram of the highest order counts its occurrences. A gram of a lower order counts the different tokens that precede
    it, or, if it begins with the start token, which nothing precedes, its occurrences. Orders without any gram are left
    out.
    """
    numbers = stream.tokens
    counts = np.bincount(numbers, minlength=n_tokens + 1).astype(np.int32)
    levels = [GramCounts(None, counts, np.zeros(0, np.int32))]
    for _ in range(1, order):
        level, numbers = _count_longer(stream, numbers, len(levels[-1].counts), n_tokens)
        if not len(level.counts):  # no document is so long
            break
        n_preceding = np.bincount(level.suffixes, minlength=len(levels[-1].counts)).astype(np.int32)
        levels[-1].counts = np.where(n_preceding > 0, n_preceding, levels[-1].counts)
        levels.append(level)
    return levels


def _count_longer(stream: Stream, shorter: Array, n_contexts: int, n_tokens: int) -> tuple[GramCounts, Array]:
    """Count the occurrences of the grams one token longer, and return them and their numbers <int32>[positions].

    Args:
        stream: the documents.
        shorter: <int32>[positions], the number of the gram that ends at each position.
        n_contexts: how many such grams there are.
        n_tokens: the size of the vocabulary.
    """
    ends = stream.predicted[shorter[stream.predicted - 1] != MISSING]
    keys = shorter[ends - 1].astype(np.int64) * n_tokens + stream.tokens[ends]
    keys, grams, counts = _number(keys)
    suffixes = np.zeros(len(keys), np.int32)
    suffixes[grams] = shorter[ends]
    numbers = np.full(len(shorter), MISSING, np.int32)
    numbers[ends] = grams
    return GramCounts(GramTable.from_keys(keys, n_contexts, n_tokens), counts, suffixes), numbers


def _number(keys: Array) -> tuple[Array, Array, Array]:
    """Return distinct keys in ascending order, the number of each key <int32>[keys], and the counts <int32>[distinct].

    `np.unique` does the same with twice as much memory.
    """
    order = np.argsort(keys)
    keys = keys[order]
    is_first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    numbers = np.empty(len(keys), np.int32)
    numbers[order] = np.cumsum(is_first, dtype=np.int32) - 1
    firsts = np.flatnonzero(is_first)
    return keys[firsts], numbers, np.diff(firsts, append=len(keys)).astype(np.int32)


def walk_orders(stream: Stream, tables: Sequence[GramTable]) -> Iterator[tuple[Array, Array]]:
    """Yield, for each table, the contexts and the grams of all ordinary tokens, <int32>[tokens] each."""
    shorter = stream.tokens
    for table in tables:
        contexts = shorter[stream.predicted - 1]
        grams = table.find(contexts, stream.tokens[stream.predicted])
        yield contexts, grams
        shorter = np.full(len(stream.tokens), MISSING, np.int32)
        shorter[stream.predicted] = grams
