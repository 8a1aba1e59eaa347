"""The n-gram twin of the language models: interpolated modified Kneser-Ney on the same chapters and vocabulary."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from paddle_tasks.config import Section
from paddle_tasks.data.corpus.character_rows import EncodedTexts
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.novels import Chapter, ChapterSplit, NovelData, load_chapters
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.models.ngrams.kneser_ney import KneserNey
from paddle_tasks.tasks.novel.scoring import CharacterScores
from paddle_tasks.training.protocol import BaselineScores, Evaluation
from paddle_tasks.training.settings import AnyRunSection

ENCODER = "kneser-ney"


class NgramSection(Section):
    """The ``model`` section of the baseline: n-grams of characters up to ``order``."""

    encoder: Literal["kneser-ney"] = "kneser-ney"
    order: Annotated[int, Field(ge=1, le=8)] = 5


class NgramBaseline:
    """The baseline of novels."""

    model_section = NgramSection
    options: tuple[str, ...] = ("order",)

    def recognises(self, encoder: str) -> bool:
        """Return whether ``model.encoder`` is the name of the n-gram model."""
        return encoder.startswith("kneser")

    def complete(self, model: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``model`` section; ``order`` is the length of the longest n-grams."""
        return {**NgramSection().model_dump(mode="json"), **model, **options}

    def fit(self, config: AnyRunSection, notify: Callable[[str], None]) -> BaselineScores:
        """Read the chapters, count the n-grams of train and score the other splits."""
        splits = load_splits(config.data, config.seed)  # type: ignore[arg-type] # the task's own section
        for split in splits.values():
            notify(describe_rows(split))
            if split.remark:
                notify(f"remark: {split.remark}")
        section: Any = config.model
        notify(f"{ENCODER}: counting n-grams of up to {section.order} characters")
        started = time.perf_counter()
        twin = NgramTwin.fit(splits["train"].examples, config.data, section.order)  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        scores: dict[SplitName, Evaluation] = {
            name: twin.evaluate(split.examples) for name, split in splits.items() if name != "train"
        }
        return BaselineScores(splits, twin.model.n_parameters, seconds, scores)


class NgramTwin:
    """An n-gram model over the characters of train.

    Attributes:
        model: the n-gram model.
        vocabulary: its characters, those of every model of this data.
    """

    def __init__(self, model: KneserNey, vocabulary: CharacterVocabulary) -> None:
        self.model, self.vocabulary = model, vocabulary

    @classmethod
    def fit(cls, chapters: Sequence[Chapter], data: NovelData, order: int) -> NgramTwin:
        """Return the model of chapters."""
        texts = [chapter.text for chapter in chapters]
        vocabulary = CharacterVocabulary.learn(texts, data.vocabulary.min_count)
        model = KneserNey.fit([vocabulary.encode(text) for text in texts], vocabulary.n_outputs, order)
        return cls(model, vocabulary)

    def score(self, chapters: Sequence[Chapter]) -> CharacterScores:
        """Return the scores of every character of chapters."""
        texts = [chapter.text for chapter in chapters]
        documents = [self.vocabulary.encode(text) for text in texts]
        encoded = EncodedTexts.encode(texts, self.vocabulary)
        log_probs, predicted = self.model.log_probs(documents), self.model.most_probable(documents)
        part = np.flatnonzero(encoded.is_target), -np.concatenate(log_probs), np.concatenate(predicted)
        return CharacterScores.collect(encoded, [part], len(self.vocabulary.unknown_types(texts)))

    def evaluate(self, chapters: Sequence[Chapter]) -> Evaluation:
        """Return metrics and records of chapters."""
        scores = self.score(chapters)
        return Evaluation(scores.metrics(), scores.records(chapters, self.vocabulary))


def load_splits(data: NovelData, seed: int) -> dict[SplitName, ChapterSplit]:
    """Return the chapters of all splits; train is read first, as the others are compared with it."""
    splits: dict[SplitName, ChapterSplit] = {"train": load_chapters(data, "train", seed)}
    names: tuple[SplitName, ...] = ("dev", "test")
    for name in names:
        if data.has(name):
            splits[name] = load_chapters(data, name, seed, splits["train"].examples)
    for split in splits.values():
        require_good(split, data.on_bad_row)
    return splits
