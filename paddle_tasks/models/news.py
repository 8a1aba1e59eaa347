"""The news Layer."""

from __future__ import annotations

from paddle_tasks.models.classifier import TextClassifier


class NewsClassifier(TextClassifier):
    """Classifies headlines by their topic."""
