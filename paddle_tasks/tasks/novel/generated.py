"""Metrics of what a model writes after beginnings of held-out and of train chapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paddle_tasks.data.corpus.novels import Chapter
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.metrics.generated_text import GeneratedTextMetrics
from paddle_tasks.tasks.novel.continuing import Continuer
from paddle_tasks.text.copied_text import KnownTexts

PROMPT_LENGTH = 32
"""Characters of a prompt."""


@dataclass(frozen=True)
class GenerationCheck:
    """Continues passages and measures the continuations.

    Attributes:
        train: the chapters of train, in which copies are looked for.
        n_prompts: the number of passages of train, and of held-out chapters.
        options: how they are continued.
    """

    train: Sequence[Chapter]
    n_prompts: int
    options: GenerationSection

    def score(self, continuer: Continuer, held_out: Sequence[Chapter]) -> dict[str, dict[str, float]]:
        """Return the metrics of `GeneratedTextMetrics` under ``held_out`` and ``train``, where the prompts are from."""
        sources = {"held_out": held_out, "train": self.train}
        return {name: self._score(continuer, chapters) for name, chapters in sources.items()}

    def _score(self, continuer: Continuer, chapters: Sequence[Chapter]) -> dict[str, float]:
        metrics = GeneratedTextMetrics(self._known)
        records = continuer.records(choose_prompts(chapters, self.n_prompts, PROMPT_LENGTH), self.options)
        metrics.update([output["text"] for record in records for output in record["outputs"]])
        return metrics.result()

    @cached_property
    def _known(self) -> KnownTexts:
        return KnownTexts(chapter.text for chapter in self.train)


def choose_prompts(chapters: Sequence[Chapter], n_prompts: int, n_characters: int) -> list[str]:
    """Return passages of ``n_characters`` at equal distances over all chapters; fewer if there are not so many."""
    n_starts = np.array([max(len(chapter.text) - n_characters + 1, 0) for chapter in chapters], np.int64)
    total, ends = int(n_starts.sum()), np.cumsum(n_starts)
    places = np.linspace(0, total - 1, min(n_prompts, total)).astype(np.int64)
    numbers = np.searchsorted(ends, places, side="right")
    starts = places - (ends - n_starts)[numbers]
    return [chapters[n].text[start : start + n_characters] for n, start in zip(numbers, starts, strict=True)]
