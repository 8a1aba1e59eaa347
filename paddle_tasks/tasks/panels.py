"""VisualDL panels that several tasks share: labelled rows, text vectors, attention and images of matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.language import _, label_name
from paddle_tasks.metrics.confusion import count_confusions
from paddle_tasks.models.encoders.attention_map import attention_map
from paddle_tasks.training.panels import Curve, Panels, Vectors, shorten
from paddle_tasks.training.protocol import Record

MAX_VECTORS = 100
"""Each vector costs a forward pass, and the page draws all of them in the browser."""
MAX_CURVES = 10
_N_SAMPLES = 3
_MAX_CHARACTERS = 60  # of a text beside its vector
_MAX_TOKENS = 24  # of a text whose attention is shown


@dataclass(frozen=True)
class LabelledPanels:
    """The panels of rows with one label each.

    Attributes:
        labels: in the order of their indices.
        names: the names of the labels in images.
        gold: the index of each row's label <int64>[rows].
        predicted: the index of each row's predicted label <int64>[rows].
        probabilities: <float>[rows, labels].
        lengths: in characters <int64>[rows].
    """

    labels: Sequence[str]
    names: Sequence[str]
    gold: Array
    predicted: Array
    probabilities: Array
    lengths: Array

    def panels(self) -> Panels:
        """Return confusion, calibration, the curves of the most frequent labels, and histograms."""
        confidence = self.probabilities[np.arange(len(self.predicted)), self.predicted]
        is_right = self.gold == self.predicted
        return Panels(
            histograms={"confidence": confidence, "length": self.lengths, "length_of_errors": self.lengths[~is_right]},
            images={**self._confusion(), **calibration_image(confidence, is_right)},
            curves={self.labels[label]: self._curve(label) for label in most_frequent(self.gold)},
        )

    def _confusion(self) -> dict[str, Array]:
        counts, shown = count_confusions(self.gold, self.predicted, len(self.labels))
        return confusion_image(counts, [self.names[index] for index in shown])

    def _curve(self, label: int) -> Curve:
        return Curve(self.gold == label, self.probabilities[:, label])


def most_frequent(gold: Array) -> list[int]:
    """Return the indices of the most frequent labels in <int64>[rows], the most frequent first."""
    labels, counts = np.unique(gold, return_counts=True)
    return [int(label) for label in labels[np.argsort(-counts, kind="stable")][:MAX_CURVES]]


def sample_texts(records: Sequence[Record]) -> dict[str, str]:
    """Return the first rows with their labels and predictions, as texts by tag."""
    return {
        f"sample_{number}": _("gold: {gold} ‖ predicted: {predicted} ‖ {text}").format(
            gold=label_name(record["gold"]), predicted=label_name(record["predicted"]), text=record["text"]
        )
        for number, record in enumerate(records[:_N_SAMPLES], start=1)
    }


# ---- vectors


def choose_rows(n_rows: int) -> Array:
    """Return the rows <int64>[at most 100] whose vectors are shown, evenly spread over a split."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, MAX_VECTORS)).round().astype(np.int64))


def text_panels(
    model: nn.Layer, batches: Iterable[Batch], readable: Batch, records: Sequence[Record], vocabulary: Sequence[str]
) -> Panels:
    """Return the vectors of texts beside their records, and the attention in one text.

    Args:
        model: a classifier in evaluation mode.
        batches: the texts.
        readable: the one text whose attention is shown with the names of its tokens.
        records: the records of all rows of the split.
        vocabulary: the names of the tokens.
    """
    texts = list(batches)
    vectors = [model.text_vectors(*_inputs(batch)) for batch in texts]
    rows = [_description(records[row]) for batch in texts for row in batch.rows]
    images = attention_image(model.encoder, lambda: model.text_vectors(*_inputs(readable)), vocabulary)
    return replace(vector_panels(paddle.concat(vectors), rows), images=images)


def _inputs(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.input_ids, batch.token_type_ids, batch.lengths


def _description(record: Record) -> list[str]:
    gold, predicted = record["gold"], record["predicted"]
    text = shorten(record["text"], _MAX_CHARACTERS)
    return [label_name(gold), describe_result(is_right=gold == predicted), label_name(predicted), text]


def describe_result(*, is_right: bool) -> str:
    """Return the word for a right or a wrong prediction."""
    return _("right") if is_right else _("wrong")


def vector_panels(vectors: Tensor, rows: Sequence[Sequence[str]]) -> Panels:
    """Return vectors <float>[rows, width], each with its label, result, prediction and text."""
    values = vectors.astype("float32").numpy()
    return Panels(vectors={"vectors": Vectors(values, (_("label"), _("result"), _("predicted"), _("text")), rows)})


def readable_row(lengths: Array) -> int:
    """Return the first row that is short enough for an image with its tokens, or else the shortest.

    Args:
        lengths: the number of tokens of each row <int64>[rows].
    """
    short = np.flatnonzero(lengths <= _MAX_TOKENS)
    return int(short[0]) if len(short) else int(lengths.argmin())


# ---- images; matplotlib is slow to import, so it is imported only where something is drawn


def confusion_image(counts: Array, labels: Sequence[str]) -> dict[str, Array]:
    """Return the image of counts <int64>[gold, predicted], by tag."""
    from paddle_tasks import figures

    return {"confusion": figures.to_image(figures.confusion_matrix(counts, labels))}


def calibration_image(confidence: Array, is_right: Array) -> dict[str, Array]:
    """Return the image of how often decisions with a confidence <float>[rows] are right, by tag."""
    from paddle_tasks import figures

    if not len(confidence):
        return {}
    return {"calibration": figures.to_image(figures.calibration_curve(confidence, is_right))}


def matrix_image(tag: str, values: Array, names: Sequence[str], *, numbers: bool = True) -> dict[str, Array]:
    """Return the image of values <float>[names, names] by tag, with the numbers in its cells."""
    from paddle_tasks import figures

    return {tag: figures.to_image(figures.matrix(values, names, names, numbers=numbers))}


def attention_image(encoder: nn.Layer, read: Callable[[], Any], vocabulary: Sequence[str]) -> dict[str, Array]:
    """Return the image of the attention in an encoder's last layer, averaged over the heads, by tag.

    Args:
        encoder: an encoder; one without attention layers has no image.
        read: lets the encoder read the text.
        vocabulary: the names of the tokens.
    """
    attention = attention_map(encoder, read)
    if attention is None:
        return {}
    names = [vocabulary[token] for token in attention.input_ids[:_MAX_TOKENS].tolist()]
    weights = attention.weights.mean(axis=0)[: len(names), : len(names)]
    return matrix_image("attention", weights, names, numbers=False)
