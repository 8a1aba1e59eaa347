"""News: what is a headline about? THUCNews titles and CLUE's TNEWS."""

from __future__ import annotations

from typing import ClassVar

from paddle import nn

from paddle_tasks.models.news import NewsClassifier
from paddle_tasks.tasks.classification.task import TextClassification


class Task(TextClassification):
    """One of several topics for one headline, by `NewsClassifier`."""

    Model: ClassVar[type[nn.Layer]] = NewsClassifier
