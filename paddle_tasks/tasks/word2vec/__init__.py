"""Word vectors by skip-gram or CBOW, scored by analogy questions."""

SUMMARY_METRICS = ("accuracy", "accuracy_answered", "multiplied_accuracy", "answered")
TABLE_METRICS = ("accuracy_answered", "answered")
