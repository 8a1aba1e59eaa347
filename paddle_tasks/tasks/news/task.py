"""News: the topic of a headline. THUCNews titles and CLUE's TNEWS."""

from __future__ import annotations

from typing import ClassVar

from paddle import nn

from paddle_tasks.models.news import NewsClassifier
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.tasks.classification.task import ClassifierTask


class NewsTask(ClassifierTask[ClassificationConfig]):
    """One of several topics for one headline, by `NewsClassifier`."""

    Model: ClassVar[type[nn.Layer]] = NewsClassifier
