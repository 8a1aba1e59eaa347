"""Sentiment: is a review positive or negative?"""

from paddle_tasks.language import mark_in_context
from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.training.demonstration import Demonstration

__all__ = ["ALIASES", "DEMONSTRATION", "PREDICTOR", "SUMMARY_METRICS", "TABLE_METRICS"]

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

DEMONSTRATION = Demonstration(
    "label",
    (
        "房间干净，就是早餐太差了",
        "前台姑娘很耐心，还帮我们叫了车，下次还住这里。",
        "空调吵了一整晚，根本睡不着。",
        "书的内容不错，可惜纸张太薄，字都透过来了。",
    ),
    {"explain": True},
)
