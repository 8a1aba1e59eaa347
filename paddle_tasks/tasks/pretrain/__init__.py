"""Pretraining: a masked language model, with next-sentence prediction or over whole words."""

from paddle_tasks.training.demonstration import Demonstration

SUMMARY_METRICS = ("accuracy", "word_accuracy", "next_sentence_accuracy", "loss")
TABLE_METRICS: tuple[str, ...] = ()

DEMONSTRATION = Demonstration(
    "candidates",
    (
        "今天天气真[MASK]。",
        "我喜欢在[MASK][MASK]里看书。",
    ),
)
