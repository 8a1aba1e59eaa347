"""Translating: encoder-decoders from one text to another, character by character."""

SUMMARY_METRICS = ("bleu", "chrf", "loss", "accuracy")
TABLE_METRICS = ("bleu", "chrf", "exact_match")
ALIASES = ("translation",)
PREDICTOR = "paddle_tasks.tasks.translate.predictor:TextTranslator"
