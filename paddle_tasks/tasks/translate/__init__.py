"""Translating: encoder-decoders from one text to another, character by character."""

from paddle_tasks.training.demonstration import Demonstration

SUMMARY_METRICS = ("bleu", "chrf", "loss", "accuracy")
TABLE_METRICS = ("bleu", "chrf", "exact_match")
ALIASES = ("translation",)
PREDICTOR = "paddle_tasks.tasks.translate.predictor:TextTranslator"

DEMONSTRATION = Demonstration(
    "outputs",
    (
        "主人见而奇之，使与其子同学。",
        "猎者不取雁，谓其来有信，类君子也。",
    ),
)
