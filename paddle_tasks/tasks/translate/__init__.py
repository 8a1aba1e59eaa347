"""Translating: encoder-decoders from one text to another, character by character."""

from paddle_tasks.training.demonstration import Demonstration

SUMMARY_METRICS = ("bleu", "chrf", "loss", "accuracy")
TABLE_METRICS = ("bleu", "chrf", "exact_match")
ALIASES = ("translation",)
PREDICTOR = "paddle_tasks.tasks.translate.predictor:TextTranslator"

DEMONSTRATION = Demonstration(
    "outputs",
    (
        "太守闻之，遣人问其故。",
        "上闻之大怒，遂斩之。",
        "后数岁，病卒，年六十二。",
    ),
)
