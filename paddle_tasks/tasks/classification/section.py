"""The configuration of the tasks that give one label to one text."""

from __future__ import annotations

from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.models.classifier import Output
from paddle_tasks.models.encoders.build import EncoderSection
from paddle_tasks.models.heads import Head
from paddle_tasks.models.pooling import Pooling
from paddle_tasks.training.settings import RunSection


class ClassifierSection(EncoderSection):
    """The ``model`` section: an encoder, how its states become one vector, and the head over it.

    ``head`` is ``linear`` (dropout and one map), ``mlp`` (256 units, ReLU, dropout, output), or ``course`` (a pooler,
    which is the encoder's own where it has one, 200 units, ReLU, dropout, output).
    """

    pooling: Pooling = "cls"
    head: Head = "linear"
    output: Output = "softmax"


class ClassificationConfig(RunSection):
    """The whole configuration of a task that gives one label to one text."""

    data: DataSection
    model: ClassifierSection
