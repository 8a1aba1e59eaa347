"""Sentiment: is a review positive or negative?"""

from paddle_tasks.language import mark_in_context
from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS

__all__ = ["ALIASES", "PREDICTOR", "SUMMARY_METRICS", "TABLE_METRICS"]

NAMED_LABELS = (
    mark_in_context("label", "positive"),
    mark_in_context("label", "negative"),
    # IMDb's folders
    mark_in_context("label", "pos"),
    mark_in_context("label", "neg"),
)
"""The labels of known data sets, which have names in other languages."""

ALIASES = ("sentiment-analysis", "text-classification")
"""What others call a pipeline with the model of this task that ships."""
PREDICTOR = "paddle_tasks.tasks.classification.predictor:TextPredictor"
