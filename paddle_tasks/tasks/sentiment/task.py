"""Sentiment: is a review positive or negative? The course's first trainer."""

from __future__ import annotations

from typing import ClassVar

from paddle import nn

from paddle_tasks.models.sentiment import SentimentClassifier
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.tasks.classification.task import ClassifierTask


class SentimentTask(ClassifierTask[ClassificationConfig]):
    """One label for one review, by `SentimentClassifier`."""

    Model: ClassVar[type[nn.Layer]] = SentimentClassifier
