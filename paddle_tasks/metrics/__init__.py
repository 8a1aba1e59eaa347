"""Metrics: batches and processes add sums and counts; means are computed once, at the end."""

HEADLINE_METRICS = (
    "accuracy",
    "accuracy_deduplicated",
    "word_accuracy",
    "next_sentence_accuracy",
    "macro_f1",
    "f1",
    "triplet_f1",
    "loss",
)
"""The metrics of a split that are shown on the terminal and in a model card, if the task computes them."""
