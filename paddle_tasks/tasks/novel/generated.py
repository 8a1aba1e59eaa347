"""Metrics of what a model writes after passages of held-out and of train chapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
        train: the chapters of train, in which copies are looked for; empty if they are not at hand.
        n_prompts: the number of passages of train, and of held-out chapters; fewer if there are not so many.
        options: how they are continued.
    """

    train: Sequence[Chapter]
    n_prompts: int
    options: GenerationSection

    def score(
        self, continuer: Continuer, held_out: Sequence[Chapter], check_interrupt: Callable[[], None] = lambda: None
    ) -> dict[str, dict[str, float]]:
        """Return the metrics of texts under ``held_out`` and ``train``, where their prompts are from.

        These are ``characters_per_second`` of all texts of a kind, which are written at once, and the metrics of
        `GeneratedTextMetrics`. Without train there are those of held-out prompts, but none of copies.

        Args:
            continuer: the model.
            held_out: the chapters of another split.
            check_interrupt: called before texts are written; it may raise `Interrupted`.
        """
        sources = {"held_out": held_out, "train": self.train}
        return {name: self._score(continuer, part, check_interrupt) for name, part in sources.items() if part}

    def _score(
        self, continuer: Continuer, chapters: Sequence[Chapter], check_interrupt: Callable[[], None]
    ) -> dict[str, float]:
        check_interrupt()
        prompts = choose_prompts(chapters, self.n_prompts, PROMPT_LENGTH)
        started = time.perf_counter()
        records = continuer.records(prompts, self.options)
        seconds = time.perf_counter() - started
        texts = [output["text"] for record in records for output in record["outputs"]]
        metrics = GeneratedTextMetrics(self._known)
        metrics.update(texts)
        return {**metrics.result(), "characters_per_second": sum(map(len, texts)) / seconds}

    @cached_property
    def _known(self) -> KnownTexts | None:
        return KnownTexts(chapter.text for chapter in self.train) if self.train else None


def choose_prompts(chapters: Sequence[Chapter], n_prompts: int, n_characters: int) -> list[str]:
    """Return passages of ``n_characters`` at equal distances over all chapters; fewer if there are not so many."""
    n_starts = np.array([max(len(chapter.text) - n_characters + 1, 0) for chapter in chapters], np.int64)
    total, ends = int(n_starts.sum()), np.cumsum(n_starts)
    places = np.linspace(0, total - 1, min(n_prompts, total)).astype(np.int64)
    numbers = np.searchsorted(ends, places, side="right")
    starts = places - (ends - n_starts)[numbers]
    return [chapters[n].text[start : start + n_characters] for n, start in zip(numbers, starts, strict=True)]
