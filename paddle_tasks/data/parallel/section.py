"""The ``data`` section of a task that translates: the files of pairs, and what a model reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from paddle_tasks.config import Count, Section
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.data.tables.section import LayoutSection, SplitsSection
from paddle_tasks.language import _

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class EntriesSection(Section):
    """The vocabulary of both sides: the characters that occur at least ``min_count`` times in train."""

    min_count: Count = 2


class HeldOutBooks(Section):
    """Books that are held out whole: train leaves out those of dev and test, which have nothing else.

    Dev and test may therefore be read from the file of train.
    """

    dev: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_split(self) -> HeldOutBooks:
        if not self.dev or not self.test or set(self.dev) & set(self.test):
            raise PydanticCustomError(
                "books", _("expected at least one book of dev and one of test, and no book of both")
            )
        return self


class PairLayout(LayoutSection):
    """The layout of files of pairs.

    ``columns`` names the columns of ``source`` and ``target``, so that either side may be translated, and perhaps that
    of ``book``.

    Attributes:
        held_out_books: books that train does not have; null leaves the files as they are.
    """

    held_out_books: HeldOutBooks | None = None


class ParallelData(SplitsSection, PairLayout):
    """The files of each split, and what a model reads of them.

    Attributes:
        vocabulary: the characters that have an entry of their own.
        strip_punctuation: the share of train pairs whose sources lose their punctuation marks, others in each epoch.
        max_length: the maximum number of characters of either side of a train pair; longer pairs are left out.
    """

    vocabulary: EntriesSection = EntriesSection()
    strip_punctuation: Fraction = 0.0
    max_length: Count | None = None

    def usable(self, pairs: Sequence[Pair]) -> Sequence[Pair]:
        """Return the pairs whose sides have at most ``max_length`` characters."""
        if self.max_length is None:
            return pairs
        return [pair for pair in pairs if max(len(pair.source), len(pair.target)) <= self.max_length]
