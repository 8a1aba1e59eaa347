"""Names of metrics and scores for people."""

from __future__ import annotations

from paddle_tasks.language import _, in_context, mark_in_context

_DEDUPLICATED = "_deduplicated"
NAMED = (  # in English, the name of a metric is its key with spaces
    mark_in_context("metric", "accuracy"),
    mark_in_context("metric", "aspect f1"),
    mark_in_context("metric", "f1"),
    mark_in_context("metric", "loss"),
    mark_in_context("metric", "macro f1"),
    mark_in_context("metric", "next sentence accuracy"),
    mark_in_context("metric", "opinion f1"),
    mark_in_context("metric", "pair f1"),
    mark_in_context("metric", "perplexity"),
    mark_in_context("metric", "polarity accuracy"),
    mark_in_context("metric", "precision"),
    mark_in_context("metric", "recall"),
    mark_in_context("metric", "triplet f1"),
    mark_in_context("metric", "word accuracy"),
)
"""The metrics whose names are translated."""


def metric_name(metric: str) -> str:
    """Return the name of a metric in the current language.

    ``macro_f1`` → ``macro f1``; without the rows that train shares, ``f1_deduplicated`` → ``f1 deduplicated``.
    """
    name = in_context("metric", metric.removesuffix(_DEDUPLICATED).replace("_", " "))
    return _("{metric} deduplicated").format(metric=name) if metric.endswith(_DEDUPLICATED) else name


def score_name(split: str, metric: str) -> str:
    """Return the name of a metric of a split in the current language: ``dev``, ``macro_f1`` → ``dev macro f1``."""
    splits = {"train": _("train"), "dev": _("dev"), "test": _("test")}
    name, score = splits.get(split, split), metric_name(metric)
    # Chinese words follow each other without a space.
    return f"{name}{score}" if not (name[-1].isascii() or score[0].isascii()) else f"{name} {score}"
