"""Scores: sums and counts travel, means are made once, at the end."""

SHOWN = (
    "accuracy",
    "accuracy_deduplicated",
    "word_accuracy",
    "next_sentence_accuracy",
    "macro_f1",
    "f1",
    "triplet_f1",
    "loss",
)
"""The metrics that people see of a split, on the screen and in a model's card, where it has them."""
