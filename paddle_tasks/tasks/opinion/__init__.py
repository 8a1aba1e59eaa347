"""Opinion extraction: aspects, opinion words, pairs and polarities in reviews."""

from paddle_tasks.language import mark_in_context

NAMED_LABELS = (
    mark_in_context("label", "aspect"),
    mark_in_context("label", "opinion"),
    mark_in_context("label", "positive"),
    mark_in_context("label", "neutral"),
    mark_in_context("label", "negative"),
)
"""The labels and polarities of known data sets, which have names in other languages."""

SUMMARY_METRICS = ("macro_f1", "f1", "triplet_f1", "loss")
TABLE_METRICS = ("triplet_f1",)
