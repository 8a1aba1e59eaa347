"""The records of classified texts; nothing here imports Paddle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.tasks.classification.decision import Decision
from paddle_tasks.tasks.classification.temperature import UNSURE_BELOW, Temperature

FindTruncated = Callable[[Sequence[str]], Sequence[bool]]
"""Returns for each text whether the model reads only a part of it."""


def prediction(
    labels: Sequence[str], names: Mapping[str, str], decision: Decision, probabilities: Array
) -> dict[str, Any]:
    """Return the predicted label, its name if it has one, and the probabilities <float>[labels] by label."""
    label = labels[int(decision.choose(probabilities[None])[0])]
    return {
        "predicted": label,
        **({"name": names[label]} if label in names else {}),
        "probabilities": {label: float(probability) for label, probability in zip(labels, probabilities, strict=True)},
    }


def make_records(texts: Sequence[str], predictions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a record for each text, from what `prediction` returned.

    It is ``{"input", "label", "score", "probabilities"}``, with the ``name`` of the label if it has one. The score is
    the probability of the label.
    """
    return [_record(text, **one) for text, one in zip(texts, predictions, strict=True)]


def _record(text: str, predicted: str, probabilities: Mapping[str, float], **name: str) -> dict[str, Any]:
    score = probabilities[predicted]
    return {"input": text, "label": predicted, **name, "score": score, "probabilities": probabilities}


def keep_most_probable(records: Sequence[dict[str, Any]], top_k: int | None) -> None:
    """Leave only the probabilities of the ``top_k`` most probable labels in records, the most probable first.

    Args:
        records: the records.
        top_k: the number of labels; None leaves all, in their order.

    Raises:
        ConfigError: it is not positive.
    """
    if top_k is None:
        return
    if top_k < 1:
        raise ConfigError(_("top_k: expected at least 1, found {found}").format(found=top_k))
    for record in records:
        ranking = sorted(record["probabilities"].items(), key=lambda item: -item[1])
        record["probabilities"] = dict(ranking[:top_k])


def mark_unsure(
    records: Sequence[dict[str, Any]], probabilities: Array, decision: Decision, temperature: Temperature
) -> None:
    """Mark the records that nearly had another label, if their probabilities <float>[rows, labels] are calibrated."""
    if temperature.is_known:
        for row in np.flatnonzero(decision.margins(probabilities) < UNSURE_BELOW):
            records[row]["unsure"] = True


def mark_truncated(
    records: Sequence[dict[str, Any]], lengths: Array, max_length: int, find_truncated: FindTruncated
) -> None:
    """Mark the records of texts that were cut.

    Args:
        records: the records.
        lengths: <int64>[rows], the numbers of tokens that the model read.
        max_length: the most that it reads; only such rows can be cut.
        find_truncated: looks at the whole texts.
    """
    full = [records[row] for row in np.flatnonzero(lengths >= max_length)]
    for record, is_truncated in zip(full, find_truncated([each["input"] for each in full]), strict=True):
        if is_truncated:
            record["truncated"] = True
