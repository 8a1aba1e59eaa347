"""A part of a model: the formula of its number of parameters, and how its parameters are recognised by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class CourseAnswer:
    """The number that the course's notes give, and why it differs.

    Attributes:
        count: the number of parameters.
        reason: a sentence.
    """

    count: int
    reason: str


@dataclass(frozen=True)
class Part:
    """A part of a model, with or without parts of its own.

    Attributes:
        name: what it is called, for people.
        formula: how its number of parameters is computed, ``12 × (4 × 768 × 768)``; empty if it is the sum of parts.
        own_count: what the formula gives; 0 with parts.
        pattern: a regular expression that is found in the names of its parameters; empty with parts.
        parts: its parts.
        course: the course's answer, where it differs.
        products: the weights among them that multiply every token, for the estimate of operations.
    """

    name: str
    formula: str = ""
    own_count: int = 0
    pattern: str = ""
    parts: tuple[Part, ...] = field(default=())
    course: CourseAnswer | None = None
    products: int = 0

    @property
    def count(self) -> int:
        """The number of parameters that the formulas give."""
        return self.own_count + sum(part.count for part in self.parts)

    @property
    def n_products(self) -> int:
        """The number of weights that multiply every token, in this part and its parts."""
        return self.products + sum(part.n_products for part in self.parts)

    def leaves(self) -> Iterator[Part]:
        """Yield the parts without parts."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()

    def under(self, prefix: str) -> Part:
        """Return this part as that of a Layer that is a part of another one.

        Args:
            prefix: a regular expression for what stands before the names of its parameters there.
        """
        inner = tuple(part.under(prefix) for part in self.parts)
        if not self.pattern:
            return replace(self, parts=inner)
        rest = self.pattern[1:] if self.pattern.startswith("^") else f".*({self.pattern})"
        return replace(self, parts=inner, pattern=f"^{prefix}{rest}")

    def measure(self, sizes: Mapping[str, int]) -> int:
        """Return the number of parameters of a real Layer that belong to this part.

        Args:
            sizes: the size of each parameter, by its name in the Layer.
        """
        patterns = [re.compile(leaf.pattern) for leaf in self.leaves()]
        return sum(size for name, size in sizes.items() if any(pattern.search(name) for pattern in patterns))
