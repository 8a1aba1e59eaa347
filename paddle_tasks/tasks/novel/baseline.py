"""The baseline of novels: an n-gram model of the same chapters and vocabulary, alone or mixed with a causal model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from paddle_tasks.data.corpus.novels import ChapterSplit, NovelData, load_chapters
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.language import _
from paddle_tasks.tasks.novel.continuing import Continuer
from paddle_tasks.tasks.novel.generated import GenerationCheck
from paddle_tasks.tasks.novel.mixture import FittedMixture, load_partner
from paddle_tasks.tasks.novel.ngrams import ENCODER, MIXTURE, FittedNgrams, NgramSection, Notify
from paddle_tasks.tasks.novel.section import DECODING
from paddle_tasks.training.protocol import BaselineScores, Evaluation
from paddle_tasks.training.settings import AnyRunSection

Splits = Mapping[SplitName, ChapterSplit]


class NgramBaseline:
    """The baseline of novels."""

    model_section = NgramSection
    options: tuple[str, ...] = ("order", "mixture", "n_prompts")

    def recognises(self, encoder: str) -> bool:
        """Return whether ``model.encoder`` is the name of the n-gram model or of its mixture."""
        return encoder in {ENCODER, MIXTURE}

    def complete(self, model: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``model`` section; the options are settings of `NgramSection`."""
        implied = {"encoder": MIXTURE} if "mixture" in options else {}
        return {**NgramSection().model_dump(mode="json"), **model, **implied, **options}

    def fit(self, config: AnyRunSection, notify: Callable[[str], None]) -> BaselineScores:
        """Read the chapters, count the n-grams of train and score the other splits."""
        data: Any = config.data
        section: Any = config.model
        splits = load_splits(data, config.seed)
        _describe(splits, notify)
        ngrams = FittedNgrams(splits["train"].examples, data, section, notify)
        model: FittedNgrams | FittedMixture = ngrams
        if section.mixture is not None:
            model = FittedMixture(ngrams, load_partner(config.task, section.mixture), splits["dev"], notify)
        scores: dict[SplitName, Evaluation] = {
            name: model.evaluate(split) for name, split in splits.items() if name != "train"
        }
        if "test" in scores and section.n_prompts:
            check = GenerationCheck(splits["train"].examples, section.n_prompts, DECODING)
            writer = Continuer(model.model, model.vocabulary, data)
            scores["test"] = _with_generated(scores["test"], check.score(writer, splits["test"].examples))
        return BaselineScores(splits, model.n_parameters, ngrams.seconds, scores)


def _with_generated(evaluation: Evaluation, generated: Mapping[str, Any]) -> Evaluation:
    return replace(evaluation, metrics={**evaluation.metrics, "generated": generated})


def _describe(splits: Splits, notify: Notify) -> None:
    for split in splits.values():
        notify(describe_rows(split))
        if split.remark:
            notify(_("remark: {remark}").format(remark=split.remark))


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
