"""Builds the loss that ``training.loss`` describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paddle_tasks.data.tables.splits import LabelledText
from paddle_tasks.errors import ConfigError, did_you_mean, join_names
from paddle_tasks.language import _
from paddle_tasks.models.losses import ClassificationLoss, balanced_weights
from paddle_tasks.tasks.classification.section import LossSection

_KEY = "training.loss.class_weights"


def build_loss(section: LossSection, labels: Sequence[str], train: Sequence[LabelledText]) -> ClassificationLoss:
    """Return the loss of a classifier.

    Args:
        section: the settings.
        labels: in the order of the logits.
        train: the examples whose labels balanced class weights are computed from.

    Raises:
        ConfigError: the class weights do not fit the labels.
    """
    return ClassificationLoss(
        label_smoothing=section.label_smoothing,
        class_weights=_class_weights(section, labels, train),
        focal_gamma=section.focal_gamma,
        r_drop=section.r_drop,
        teacher_weight=section.teacher_weight,
    )


def _class_weights(section: LossSection, labels: Sequence[str], train: Sequence[LabelledText]) -> list[float] | None:
    weights = section.class_weights
    if weights is None:
        return None
    if weights == "balanced":
        index = {label: number for number, label in enumerate(labels)}
        return balanced_weights([index[example.label] for example in train], len(labels))
    return _by_label(weights, labels) if isinstance(weights, Mapping) else _in_order(weights, labels)


def _by_label(weights: Mapping[str, float], labels: Sequence[str]) -> list[float]:
    for label in weights:
        if label not in labels:
            raise ConfigError(
                _("{key}: no such label{near} (one of {known})").format(
                    key=f"{_KEY}.{label}", near=did_you_mean(label, labels), known=join_names(labels)
                )
            )
    return [weights.get(label, 1.0) for label in labels]


def _in_order(weights: Sequence[float], labels: Sequence[str]) -> list[float]:
    if len(weights) != len(labels):
        raise ConfigError(
            _("{key}: expected a number for each of the {count} labels {labels}, found {found}").format(
                key=_KEY, count=len(labels), labels=join_names(labels), found=len(weights)
            )
        )
    return list(weights)
