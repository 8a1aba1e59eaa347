"""The n-gram model of the task: its configuration, and its scores of chapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from paddle_tasks.arrays import Array
from paddle_tasks.config import CountOrZero, Section
from paddle_tasks.data.corpus.character_rows import EncodedTexts
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.novels import Chapter, ChapterSplit, NovelData
from paddle_tasks.language import _
from paddle_tasks.models.ngrams.kneser_ney import KneserNey
from paddle_tasks.tasks.novel.scoring import CharacterScores
from paddle_tasks.tasks.novel.section import N_CONTINUATIONS
from paddle_tasks.training.protocol import Evaluation

Notify = Callable[[str], None]
Encoder = Literal["kneser-ney", "kneser-ney-mixture"]
ENCODER: Encoder = "kneser-ney"
MIXTURE: Encoder = "kneser-ney-mixture"


class NgramSection(Section):
    """The ``model`` section of the baseline: interpolated modified Kneser-Ney smoothing.

    ``order`` is the length of the longest n-grams, in characters. ``mixture`` is the run folder of a causal model of
    the same data; then the model that is scored is the weighted mean of both, with the weight that suits dev best.
    ``n_prompts`` passages of train and of test are continued, to measure repetitions and copies; 0 for none.
    """

    encoder: Encoder = ENCODER
    order: Annotated[int, Field(ge=1, le=8)] = 5
    mixture: str | None = None
    n_prompts: CountOrZero = N_CONTINUATIONS

    @model_validator(mode="after")
    def _is_consistent(self) -> NgramSection:
        if (self.mixture is None) == (self.encoder == MIXTURE):
            message = _("expected the encoder {encoder} exactly if mixture is given")
            raise PydanticCustomError("mixture", message, {"encoder": MIXTURE})
        return self


class FittedNgrams:
    """The vocabulary and the n-grams of train.

    Attributes:
        vocabulary: the characters.
        model: the n-gram model; its tokens are the outputs of the vocabulary.
        seconds: the time that counting took.
    """

    def __init__(self, train: Sequence[Chapter], data: NovelData, section: NgramSection, notify: Notify) -> None:
        self.vocabulary = CharacterVocabulary.learn((chapter.text for chapter in train), data.vocabulary.min_count)
        note = _("{model}: counting n-grams of up to {order} characters in {chapters:,} chapters")
        notify(note.format(model=ENCODER, order=section.order, chapters=len(train)))
        started = time.perf_counter()
        self.model = KneserNey.fit(self._documents(train), self.vocabulary.n_outputs, section.order)
        self.seconds = time.perf_counter() - started

    @property
    def n_parameters(self) -> int:
        """The probabilities and weights of the n-grams."""
        return self.model.n_parameters

    def evaluate(self, split: ChapterSplit) -> Evaluation:
        """Score every character of a split."""
        scores = self.score_characters(split)
        coverage = self.model.coverage(self._documents(split.examples))
        metrics = {**scores.metrics(), "contexts": {str(row.length): asdict(row) for row in coverage}}
        return Evaluation(metrics, scores.records(split.examples, self.vocabulary))

    def score_characters(self, split: ChapterSplit) -> CharacterScores:
        """Return the scores of every character of a split."""
        documents = self._documents(split.examples)
        texts = EncodedTexts.encode([chapter.text for chapter in split.examples], self.vocabulary)
        losses, predicted = _join(self.model.log_probs(documents)), _join(self.model.most_probable(documents))
        n_unknown = len(self.vocabulary.unknown_types(chapter.text for chapter in split.examples))
        part = (np.flatnonzero(texts.is_target), -losses, predicted.astype(np.int64))
        return CharacterScores.collect(texts, [part], n_unknown)

    def next_log_probs(self, texts: EncodedTexts, indices: Array) -> Array:
        """Return the log-probabilities of all characters in the place of some, <float32>[characters, n_outputs].

        Args:
            texts: chapters as ids.
            indices: <int64>[characters], their places in ``texts.ids``.
        """
        first = texts.starts[np.searchsorted(texts.starts, indices, side="right") - 1] + 1
        starts = np.maximum(first, indices - self.model.order + 1)
        contexts = [texts.ids[start:end] for start, end in zip(starts, indices, strict=True)]
        log_probs: Array = self.model.start(contexts)[1]
        return log_probs

    def _documents(self, chapters: Sequence[Chapter]) -> list[Array]:
        return [self.vocabulary.encode(chapter.text) for chapter in chapters]


def _join(parts: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0), *parts])
