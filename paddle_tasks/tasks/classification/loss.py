"""The loss that `training.loss` asks for, over the labels of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paddle_tasks.data.tables.splits import LabelledText
from paddle_tasks.errors import ConfigError, did_you_mean, some_of
from paddle_tasks.models.losses import ClassificationLoss, balanced_weights
from paddle_tasks.training.settings import LossSection

_KEY = "training.loss.class_weights"


def build_loss(section: LossSection, labels: Sequence[str], train: Sequence[LabelledText]) -> ClassificationLoss:
    """Return the loss of a task.

    Args:
        section: the settings.
        labels: the labels in their order.
        train: the examples that balanced weights are counted on.

    Raises:
        ConfigError: the class weights are not those of the labels.
    """
    return ClassificationLoss(
        label_smoothing=section.label_smoothing,
        class_weights=_class_weights(section, labels, train),
        focal_gamma=section.focal_gamma,
        r_drop=section.r_drop,
        teacher_weight=section.teacher_weight,
    )


def _class_weights(section: LossSection, labels: Sequence[str], train: Sequence[LabelledText]) -> list[float] | None:
    given = section.class_weights
    if given is None:
        return None
    if given == "balanced":
        index = {label: place for place, label in enumerate(labels)}
        return balanced_weights([index[example.label] for example in train], len(labels))
    return _by_label(given, labels) if isinstance(given, Mapping) else _in_order(given, labels)


def _by_label(given: Mapping[str, float], labels: Sequence[str]) -> list[float]:
    for label in given:
        if label not in labels:
            raise ConfigError(f"{_KEY}.{label}: no such label{did_you_mean(label, labels)} (one of {some_of(labels)})")
    return [given.get(label, 1.0) for label in labels]


def _in_order(given: Sequence[float], labels: Sequence[str]) -> list[float]:
    if len(given) != len(labels):
        raise ConfigError(
            f"{_KEY}: expected a number for each of the {len(labels)} labels {some_of(labels)}, found {len(given)}"
        )
    return list(given)
