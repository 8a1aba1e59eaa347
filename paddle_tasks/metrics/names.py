"""Names of metrics and scores for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paddle_tasks.language import _, in_context, mark_in_context
from paddle_tasks.wrapping import pad, width_of

_DEDUPLICATED = "_deduplicated"
NAMED = (  # in English, the name of a metric is its key with spaces
    mark_in_context("metric", "accuracy"),
    mark_in_context("metric", "accuracy answered"),
    mark_in_context("metric", "accuracy at half"),
    mark_in_context("metric", "accuracy of network"),
    mark_in_context("metric", "accuracy of ngrams"),
    mark_in_context("metric", "answered"),
    mark_in_context("metric", "aspect f1"),
    mark_in_context("metric", "bleu"),
    mark_in_context("metric", "characters per second"),
    mark_in_context("metric", "chrf"),
    mark_in_context("metric", "copied 20"),
    mark_in_context("metric", "copying"),
    mark_in_context("metric", "ended"),
    mark_in_context("metric", "exact match"),
    mark_in_context("metric", "expected"),
    mark_in_context("metric", "ece"),
    mark_in_context("metric", "ece uncalibrated"),
    mark_in_context("metric", "f1"),
    mark_in_context("metric", "f1 at half"),
    mark_in_context("metric", "f1 of network"),
    mark_in_context("metric", "f1 of ngrams"),
    mark_in_context("metric", "generated"),
    mark_in_context("metric", "long copies"),
    mark_in_context("metric", "longest copy"),
    mark_in_context("metric", "loss"),
    mark_in_context("metric", "loss of network"),
    mark_in_context("metric", "loss of ngrams"),
    mark_in_context("metric", "macro f1"),
    mark_in_context("metric", "macro f1 of network"),
    mark_in_context("metric", "macro f1 of ngrams"),
    mark_in_context("metric", "multiplied accuracy"),
    mark_in_context("metric", "multiplied accuracy answered"),
    mark_in_context("metric", "next sentence accuracy"),
    mark_in_context("metric", "ngram weight"),
    mark_in_context("metric", "opinion f1"),
    mark_in_context("metric", "overlaps"),
    mark_in_context("metric", "pair f1"),
    mark_in_context("metric", "partial f1"),
    mark_in_context("metric", "partial precision"),
    mark_in_context("metric", "partial recall"),
    mark_in_context("metric", "per section"),
    mark_in_context("metric", "perplexity"),
    mark_in_context("metric", "polarity accuracy"),
    mark_in_context("metric", "precision"),
    mark_in_context("metric", "proper ends"),
    mark_in_context("metric", "recall"),
    mark_in_context("metric", "spans"),
    mark_in_context("metric", "threshold"),
    mark_in_context("metric", "triplet f1"),
    mark_in_context("metric", "triplet precision"),
    mark_in_context("metric", "triplet recall"),
    mark_in_context("metric", "triplet threshold"),
    mark_in_context("metric", "triplets"),
    mark_in_context("metric", "unknown share"),
    mark_in_context("metric", "word accuracy"),
)
"""The metrics, and parts of results, whose names are translated."""


def metric_name(metric: str) -> str:
    """Return the name of a metric in the current language.

    ``macro_f1`` → ``macro f1``; without the rows that train shares, ``f1_deduplicated`` → ``f1 deduplicated``.
    """
    name = in_context("metric", metric.removesuffix(_DEDUPLICATED).replace("_", " "))
    return _("{metric} deduplicated").format(metric=name) if metric.endswith(_DEDUPLICATED) else name


def split_name(split: str) -> str:
    """Return the name of a split in the current language."""
    return {"train": _("train"), "dev": _("dev"), "test": _("test")}.get(split, split)


def score_line(split: str, metrics: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the scores of a split as a line: ``dev   accuracy 0.9000  macro_f1 0.8000``.

    Metrics have their keys as names, as in result.json.
    """
    scores = "  ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics)
    return f"{heading(split_name(split))}{scores}"


def heading(name: str) -> str:
    """Return a name with the spaces behind it that put what follows below each other in `score_line` and `run_line`."""
    names = [_("dev"), _("test"), in_context("heading", "run")]
    return pad(name, max(map(width_of, names)) + 2)


def run_line(run: object) -> str:
    """Return the line that names the folder of a run: ``run   runs/sentiment``."""
    return f"{heading(in_context('heading', 'run'))}{run}"


def score_name(split: str, metric: str) -> str:
    """Return the name of a metric of a split in the current language: ``dev``, ``macro_f1`` → ``dev macro f1``."""
    name, score = split_name(split), metric_name(metric)
    # Chinese words follow each other without a space.
    return f"{name}{score}" if not (name[-1].isascii() or score[0].isascii()) else f"{name} {score}"
