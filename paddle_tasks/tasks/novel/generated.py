"""Metrics of what a model writes after passages of held-out and of train chapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paddle_tasks.data.corpus.novels import Chapter
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.metrics.generated_text import ORIGINAL, GeneratedTextMetrics
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
        `GeneratedTextMetrics`. Without train there are those of held-out prompts, but none of copies. To compare with,
        ``original`` has the metrics of what the authors wrote after the held-out prompts, at the same length.

        Args:
            continuer: the model.
            held_out: the chapters of another split.
            check_interrupt: called before texts are written; it may raise `Interrupted`.
        """
        sources = {"held_out": held_out, "train": self.train}
        scores = {name: self._score(continuer, part, check_interrupt) for name, part in sources.items() if part}
        return {**scores, ORIGINAL: self._measure([text for _prompt, text in self._passages(held_out)])}

    def _score(
        self, continuer: Continuer, chapters: Sequence[Chapter], check_interrupt: Callable[[], None]
    ) -> dict[str, float]:
        check_interrupt()
        prompts = [prompt for prompt, _text in self._passages(chapters)]
        started = time.perf_counter()
        records = continuer.records(prompts, self.options)
        seconds = time.perf_counter() - started
        texts = [output["text"] for record in records for output in record["outputs"]]
        return {**self._measure(texts), "characters_per_second": sum(map(len, texts)) / seconds}

    def _passages(self, chapters: Sequence[Chapter]) -> list[tuple[str, str]]:
        """Return prompts, each with the text that follows it, of the length of a continuation if chapters have it."""
        longest = max(len(chapter.text) for chapter in chapters)
        length = min(PROMPT_LENGTH + self.options.max_new_tokens, longest)
        passages = choose_passages(chapters, self.n_prompts, max(length, PROMPT_LENGTH))
        return [(passage[:PROMPT_LENGTH], passage[PROMPT_LENGTH:]) for passage in passages]

    def _measure(self, texts: Sequence[str]) -> dict[str, float]:
        metrics = GeneratedTextMetrics(self._known)
        metrics.update(texts)
        return metrics.result()

    @cached_property
    def _known(self) -> KnownTexts | None:
        return KnownTexts(chapter.text for chapter in self.train) if self.train else None


def choose_passages(chapters: Sequence[Chapter], n_passages: int, n_characters: int) -> list[str]:
    """Return passages of ``n_characters`` at equal distances over all chapters; fewer if there are not so many."""
    n_starts = np.array([max(len(chapter.text) - n_characters + 1, 0) for chapter in chapters], np.int64)
    total, ends = int(n_starts.sum()), np.cumsum(n_starts)
    places = np.linspace(0, total - 1, min(n_passages, total)).astype(np.int64)
    numbers = np.searchsorted(ends, places, side="right")
    starts = places - (ends - n_starts)[numbers]
    return [chapters[n].text[start : start + n_characters] for n, start in zip(numbers, starts, strict=True)]
