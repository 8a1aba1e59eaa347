"""Whether the predictions of a run give the scores in its result.json: a check without Paddle, weights and data.

It computes what every task's records allow: accuracy and mean loss of labelled rows, with precision, recall and F1 if
there are two labels; the accuracy of hidden tokens; accuracy, mean loss and perplexity of the characters of texts;
precision, recall and F1 of spans. `paddle-tasks verify` recomputes everything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paddle_tasks.language import _
from paddle_tasks.metrics.names import metric_name

Record = Mapping[str, Any]
_PERPLEXITY = "perplexity"
_TOLERANCE = 1e-5
"""The mean of losses may be computed in float32."""


def find_contradiction(records: Sequence[Record], scores: Mapping[str, Any], rows: int) -> str:
    """Return how the records of a split contradict its scores; empty if they do not, or hold nothing to compute.

    Args:
        records: the objects of predictions/SPLIT.jsonl.
        scores: the metrics of the split in result.json.
        rows: the number of rows in result.json.
    """
    try:
        computed = _compute(records, scores)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError):  # of another task, or changed ones
        return ""
    if "accuracy" in computed and _is_row(records[0]) and len(records) != rows:
        return _("{predictions} predictions of {rows} rows").format(predictions=len(records), rows=rows)
    for name, value in computed.items():
        stored = scores.get(name)
        if isinstance(stored, int | float) and not math.isclose(stored, value, rel_tol=_TOLERANCE, abs_tol=1e-6):
            return _("{metric} {stored:.4f}, but {computed:.4f} by its predictions").format(
                metric=metric_name(name), stored=stored, computed=value
            )
    return ""


def _is_row(record: Record) -> bool:
    return isinstance(record["gold"], str)


def _compute(records: Sequence[Record], scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that records allow; ``scores`` names labels, and has a perplexity for texts."""
    if not records or not all("gold" in record and "predicted" in record for record in records):
        return {}
    if all(_is_row(record) for record in records):
        is_text = _PERPLEXITY in scores
        return _text_metrics(records) if is_text else _label_metrics(records, list(scores.get("per_label") or ()))
    if all(isinstance(item, Mapping) for record in records for key in ("gold", "predicted") for item in record[key]):
        return _span_metrics(records)
    return {"accuracy": _item_accuracy(records)}


def _item_accuracy(records: Sequence[Record]) -> float:
    """Return the accuracy of the tokens or characters of all records."""
    pairs = [pair for record in records for pair in zip(record["gold"], record["predicted"], strict=True)]
    return _mean([gold == predicted for gold, predicted in pairs])


def _text_metrics(records: Sequence[Record]) -> dict[str, float]:
    """Return accuracy, mean loss and perplexity of the characters of texts; the loss of a record is its mean."""
    loss = math.fsum(len(record["gold"]) * record["loss"] for record in records)
    loss /= sum(len(record["gold"]) for record in records)
    return {"accuracy": _item_accuracy(records), "loss": loss, _PERPLEXITY: math.exp(loss)}


def _label_metrics(records: Sequence[Record], labels: Sequence[str]) -> dict[str, float]:
    """Return accuracy, mean loss and, of two labels, precision, recall and F1 of the second one."""
    metrics = {"accuracy": _mean([record["predicted"] == record["gold"] for record in records])}
    losses = [record["loss"] for record in records if isinstance(record.get("loss"), int | float)]
    if len(losses) == len(records):
        metrics["loss"] = _mean(losses)
    if len(labels) != 2:
        return metrics
    gold, predicted = (
        {row for row, record in enumerate(records) if record[key] == labels[1]} for key in ("gold", "predicted")
    )
    return {**metrics, **_set_metrics(gold, predicted)}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _span_metrics(records: Sequence[Record]) -> dict[str, float]:
    """Return precision, recall and F1 of the spans of all records."""
    gold, predicted = (
        {(row, *_key(span)) for row, record in enumerate(records) for span in record[key]}
        for key in ("gold", "predicted")
    )
    return _set_metrics(gold, predicted)


def _set_metrics(gold: set[Any], predicted: set[Any]) -> dict[str, float]:
    """Return precision, recall and F1; nothing if there is nothing to find or nothing was predicted."""
    if not gold or not predicted:
        return {}
    n_right = len(gold & predicted)
    return {
        "precision": n_right / len(predicted),
        "recall": n_right / len(gold),
        "f1": 2 * n_right / (len(gold) + len(predicted)),
    }


def _key(span: Record) -> tuple[Any, ...]:
    return span["start"], span["end"], span["label"]
