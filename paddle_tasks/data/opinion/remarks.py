"""Say what a split of reviews with spans holds."""

from __future__ import annotations

from paddle_tasks.data.opinion.examples import OpinionSplit
from paddle_tasks.data.tables.remarks import describe_labels, describe_texts


def describe_opinions(split: OpinionSplit) -> tuple[str, str]:
    """Return two lines about a split: its rows and lengths, and the labels of its spans with their counts."""
    labels = (span.label for example in split.examples for span in example.spans)
    return describe_texts(split), describe_labels(split, labels)
