"""The sentiment Layer."""

from __future__ import annotations

from paddle_tasks.models.classifier import TextClassifier


class SentimentClassifier(TextClassifier):
    """Classifies reviews by their sentiment."""
