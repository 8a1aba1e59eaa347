"""Pretraining: a masked language model, with next-sentence prediction or over whole words."""

SUMMARY_METRICS = ("accuracy", "word_accuracy", "next_sentence_accuracy", "loss")
TABLE_METRICS: tuple[str, ...] = ()
