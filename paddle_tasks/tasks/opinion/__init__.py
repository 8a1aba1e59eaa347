"""Opinion extraction: aspects, opinion words, pairs and polarities in reviews."""

from paddle_tasks.language import mark_in_context
from paddle_tasks.training.demonstration import Demonstration

PREDICTOR = "paddle_tasks.tasks.opinion.predictor:OpinionPredictor"

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

DEMONSTRATION = Demonstration(
    "spans",
    (
        "房间干净，就是早餐太差了",
        "屏幕清晰，手感也不错，但是电池不耐用",
        "位置很方便，服务热情，价格有点贵",
    ),
    labels={label: label for label in NAMED_LABELS},
)
