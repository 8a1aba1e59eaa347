"""Folds for cross-validation, stratified by label, with equal texts in one fold.

The assignment depends on nothing but the texts, their labels and a seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, plural

E = TypeVar("E")


@dataclass(frozen=True)
class Part:
    """A part of a file: the held-out fold, or all the other folds.

    Attributes:
        folds: the number of folds.
        fold: the number of the held-out fold, from 0.
        seed: the seed of the shuffle before texts are assigned to folds.
        held_out: True for the held-out fold, False for the others.
    """

    folds: int
    fold: int
    seed: int
    held_out: bool

    def __str__(self) -> str:
        return f"{'' if self.held_out else 'all but '}fold {self.fold} of {self.folds}, seed {self.seed}"

    def select(self, examples: Sequence[E]) -> list[E]:
        """Return the examples that belong to this part, in their order.

        Raises:
            ConfigError: the part is empty, because there are too few distinct texts.
        """
        folds = assign_folds(examples, self.folds, self.seed)
        selected = [
            example for example, fold in zip(examples, folds, strict=True) if (fold == self.fold) == self.held_out
        ]
        if examples and not selected:
            n_texts = _count_texts(examples)
            texts = plural("{count} distinct text", "{count} distinct texts", n_texts)
            message = _("data.folds: {part} is empty, the file has {texts}")
            raise ConfigError(message.format(part=self._describe(), texts=texts))
        return selected

    def _describe(self) -> str:
        """Return what `__str__` does, in the language of messages; digests depend on `__str__`."""
        fold = (
            _("fold {fold} of {folds}, seed {seed}")
            if self.held_out
            else _("all but fold {fold} of {folds}, seed {seed}")
        )
        return fold.format(fold=self.fold, folds=self.folds, seed=self.seed)


def assign_folds(examples: Sequence[Any], folds: int, seed: int) -> list[int]:
    """Return the fold number of each example, which has a ``text`` and a ``label``.

    Examples with equal texts form one group, which has the most frequent label of its examples. The groups are
    assigned label by label, larger groups first. Each group goes to the fold with the fewest rows of its label and,
    if several folds tie, to the one with the fewest rows. If all texts are distinct, the folds' sizes differ by at
    most one row, in all and for each label.
    """
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        labels[example.text][example.label] += 1
    groups = {text: _most_frequent(counts) for text, counts in labels.items()}
    sizes = {text: counts.total() for text, counts in labels.items()}
    order = sorted(groups, key=lambda text: (groups[text], -sizes[text], _shuffle_key(text, seed)))
    label_rows: defaultdict[str, list[int]] = defaultdict(lambda: [0] * folds)
    rows, fold_of = [0] * folds, {}
    for text in order:
        same_label = label_rows[groups[text]]
        fold = min(range(folds), key=lambda fold: (same_label[fold], rows[fold]))
        same_label[fold] += sizes[text]
        rows[fold] += sizes[text]
        fold_of[text] = fold
    return [fold_of[example.text] for example in examples]


def _count_texts(examples: Sequence[Any]) -> int:
    return len({example.text for example in examples})


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda label: (-counts[label], label))


def _shuffle_key(text: str, seed: int) -> bytes:
    # A hash, so that neither the order of the rows nor numpy's version changes a text's fold.
    return hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).digest()
