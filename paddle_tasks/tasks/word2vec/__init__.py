"""Word vectors by skip-gram or CBOW, scored by analogy questions."""

from paddle_tasks.training.demonstration import Demonstration

SUMMARY_METRICS = ("accuracy", "accuracy_answered", "multiplied_accuracy", "answered")
TABLE_METRICS = ("accuracy_answered", "answered")

DEMONSTRATION = Demonstration(
    "fields",
    (
        "北京",
        "老师",
    ),
)
