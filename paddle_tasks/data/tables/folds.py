"""Fold a file for cross-validation: by label, equal texts together, a function of the texts and a seed alone."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from paddle_tasks.errors import ConfigError

E = TypeVar("E")


@dataclass(frozen=True)
class Part:
    """A part of a file: one fold (``held_out``), or all the others.

    Attributes:
        folds: how many folds the file has.
        fold: the number of the one that is held out, counted from 0.
        seed: shuffles the texts before they are dealt.
    """

    folds: int
    fold: int
    seed: int
    held_out: bool

    def __str__(self) -> str:
        return f"{'' if self.held_out else 'all but '}fold {self.fold} of {self.folds}, seed {self.seed}"

    def of(self, examples: Sequence[E]) -> list[E]:
        """Return the part's examples in their order.

        Raises:
            ConfigError: there are too few distinct texts.
        """
        folds = assign(examples, self.folds, self.seed)
        found = [example for example, at in zip(examples, folds, strict=True) if (at == self.fold) == self.held_out]
        if examples and not found:
            n_texts = len(_texts(examples))
            raise ConfigError(f"data.folds: {self} is empty, the file has {n_texts} distinct text{'s' * (n_texts > 1)}")
        return found


def assign(examples: Sequence[Any], folds: int, seed: int) -> list[int]:
    """Return the fold of each example, which has a ``text`` and a ``label``.

    Equal texts are one group, which counts for its most frequent label. Label by label the groups are dealt, the
    larger first, each to the fold with the fewest rows of that label, and of those to the smallest one: with
    distinct texts, the folds differ by one row of each label at most, and by one row in all.
    """
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        labels[example.text][example.label] += 1
    groups = {text: _most_frequent(counts) for text, counts in labels.items()}
    sizes = {text: counts.total() for text, counts in labels.items()}
    order = sorted(groups, key=lambda text: (groups[text], -sizes[text], _shuffled(text, seed)))
    rows: defaultdict[str, list[int]] = defaultdict(lambda: [0] * folds)
    totals, found = [0] * folds, {}
    for text in order:
        own = rows[groups[text]]
        fold = min(range(folds), key=lambda fold: (own[fold], totals[fold]))
        own[fold] += sizes[text]
        totals[fold] += sizes[text]
        found[text] = fold
    return [found[example.text] for example in examples]


def _texts(examples: Sequence[Any]) -> set[str]:
    return {example.text for example in examples}


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda label: (-counts[label], label))


def _shuffled(text: str, seed: int) -> bytes:
    # A hash, so that neither the rows' order nor numpy's version moves a text to another fold.
    return hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).digest()
