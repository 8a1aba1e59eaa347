"""Interpolated modified Kneser-Ney smoothing from its formulas, with dictionaries of tuples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

Gram = tuple[int, ...]


class Oracle:
    """A model of plain Python; the start token is -1."""

    def __init__(self, documents: Sequence[Sequence[int]], n_tokens: int, order: int, *, continuation=True) -> None:
        self.order, self.n_tokens = order, n_tokens
        self.counts = {length: count(documents, length, order, continuation) for length in range(1, order + 1)}
        self.discounts = {length: discounts(counter) for length, counter in self.counts.items()}
        self.followers = defaultdict(dict)
        for counter in self.counts.values():
            for gram, number in counter.items():
                self.followers[gram[:-1]][gram[-1]] = number

    def prob(self, context: Gram, token: int) -> float:
        """Return P(token | the last order - 1 tokens of the context)."""
        context = context[max(len(context) - self.order + 1, 0) :]
        lower = self.prob(context[1:], token) if context else 1 / self.n_tokens
        counts = self.followers.get(context)
        if not counts:
            return lower
        total, discount = sum(counts.values()), self.discounts[len(context) + 1]
        number = counts.get(token, 0)
        reserved = sum(discount[min(other, 3)] for other in counts.values())
        return (number - discount[min(number, 3)] + reserved * lower) / total

    def document(self, document: Sequence[int]) -> list[float]:
        """Return the probability of every token of a document."""
        ids = (-1, *document)
        return [self.prob(ids[:position], ids[position]) for position in range(1, len(ids))]


def count(documents: Sequence[Sequence[int]], length: int, order: int, continuation: bool) -> Counter[Gram]:
    occurrences: Counter[Gram] = Counter()
    preceding = defaultdict(set)
    for document in documents:
        ids = (-1, *document)
        for end in range(1, len(ids)):
            if end + 1 >= length:
                gram = ids[end + 1 - length : end + 1]
                occurrences[gram] += 1
                if end + 1 > length:
                    preceding[gram].add(ids[end - length])
    if length == order or not continuation:
        return occurrences
    return Counter({gram: len(preceding[gram]) if gram[0] != -1 else occurrences[gram] for gram in occurrences})


def discounts(counter: Counter[Gram]) -> list[float]:
    n = Counter(counter.values())
    if n[1] and n[2] and n[3]:
        y = n[1] / (n[1] + 2 * n[2])
        found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        if min(found) > 0:
            return [0.0, *found]
    return [0.0, 0.5, 1.0, 1.5]
