"""What the tasks that give one label to one text share; not a task itself."""

SUMMARY_METRICS = (
    "accuracy",
    "accuracy_deduplicated",
    "macro_f1",
    "f1",
    "loss",
    "accuracy_of_network",
    "accuracy_of_ngrams",
)
TABLE_METRICS: tuple[str, ...] = ("accuracy_of_network",)
