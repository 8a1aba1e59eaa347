"""What there is to look at of a split that was scored: made of labels and probabilities, whatever they are those of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.models.encoders.attention_map import attention_map
from paddle_tasks.training.panels import Curve, Panels, Vectors, shortened

MOST_VECTORS = 100  # each costs a forward pass, and the page draws them in the browser
MOST_CURVES = 10
_N_SAMPLES = 3
_MOST_CHARACTERS = 60  # of a text beside its vector
_MOST_TOKENS = 24  # of a text whose attention is shown


@dataclass(frozen=True)
class Judged:
    """Rows that one label was given to.

    Attributes:
        labels: in the order of their indices.
        names: what they are called in images.
        gold: the index of each row's label <int64>[rows].
        predicted: the index of the label it was given <int64>[rows].
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
            images={**self._confusion(), **calibration(confidence, is_right)},
            curves={self.labels[label]: self._curve(label) for label in frequent(self.gold)},
        )

    def _confusion(self) -> dict[str, Array]:
        counts = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)
        np.add.at(counts, (self.gold, self.predicted), 1)
        return confusion(counts, self.names)

    def _curve(self, label: int) -> Curve:
        return Curve(self.gold == label, self.probabilities[:, label])


def frequent(gold: Array) -> list[int]:
    """Return the indices of the labels with most rows, the most frequent first."""
    labels, counts = np.unique(gold, return_counts=True)
    return [int(label) for label in labels[np.argsort(-counts, kind="stable")][:MOST_CURVES]]


def samples(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the first rows with what is predicted of them, as texts."""
    return {
        f"sample_{number}": f"gold: {record['gold']} ‖ predicted: {record['predicted']} ‖ {record['text']}"
        for number, record in enumerate(records[:_N_SAMPLES], start=1)
    }


# ---- vectors


def shown_rows(n_rows: int) -> Array:
    """Return the rows <int64>[at most 100] whose vectors are shown, from all parts of a split."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, MOST_VECTORS)).round().astype(np.int64))


def text_panels(
    model: nn.Layer,
    batches: Iterable[Batch],
    readable: Batch,
    records: Sequence[Mapping[str, Any]],
    vocabulary: Sequence[str],
) -> Panels:
    """Return the vectors of texts beside what predictions/SPLIT.jsonl says of their rows, and the attention in one.

    Args:
        model: a classifier, evaluating.
        batches: of the texts.
        readable: of that one, in whose image each token has its name.
        records: of all rows.
        vocabulary: the names of the tokens.
    """
    read = list(batches)
    vectors = [model.text_vectors(*_inputs(batch)) for batch in read]
    rows = [records[row] for batch in read for row in batch.rows]
    known = [_known(record, record["gold"], record["predicted"]) for record in rows]
    shown = attention(model.encoder, lambda: model.text_vectors(*_inputs(readable)), vocabulary)
    return replace(described(paddle.concat(vectors), known), images=shown)


def _inputs(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.input_ids, batch.token_type_ids, batch.lengths


def described(vectors: Tensor, rows: Sequence[Sequence[str]]) -> Panels:
    """Return vectors <float>[rows, width] with label, what was made of it, prediction and text of each row."""
    values = vectors.astype("float32").numpy()
    return Panels(vectors={"vectors": Vectors(values, ("label", "result", "predicted", "text"), rows)})


def _known(record: Mapping[str, Any], gold: str, predicted: str) -> list[str]:
    return [gold, "right" if gold == predicted else "wrong", predicted, shortened(record["text"], _MOST_CHARACTERS)]


def readable_row(lengths: Array) -> int:
    """Return the first of some rows that is short enough for an image with its tokens, or else the shortest."""
    short = np.flatnonzero(lengths <= _MOST_TOKENS)
    return int(short[0]) if len(short) else int(lengths.argmin())


# ---- images: matplotlib takes its time to load, so only where they are drawn


def confusion(counts: Array, labels: Sequence[str]) -> dict[str, Array]:
    """Return the image of counts <int64>[gold, predicted] by its tag."""
    from paddle_tasks import figures

    return {"confusion": figures.to_image(figures.confusion_matrix(counts, labels))}


def calibration(confidence: Array, is_right: Array) -> dict[str, Array]:
    """Return how often decisions are right that were made with a confidence <float>[rows], by its tag."""
    from paddle_tasks import figures

    if not len(confidence):
        return {}
    return {"calibration": figures.to_image(figures.calibration_curve(confidence, is_right))}


def matrix(tag: str, values: Array, names: Sequence[str], *, numbers: bool = True) -> dict[str, Array]:
    """Return the image of values <float>[names, names] by its tag, with the numbers in its cells."""
    from paddle_tasks import figures

    return {tag: figures.to_image(figures.matrix(values, names, names, numbers=numbers))}


def attention(encoder: nn.Layer, read: Callable[[], Any], vocabulary: Sequence[str]) -> dict[str, Array]:
    """Return the image of what each token of a text looks at, the mean over the heads, by its tag.

    Args:
        encoder: whose last layer it is; one without such layers has no image.
        read: has it read the text.
        vocabulary: the names of the tokens.
    """
    found = attention_map(encoder, read)
    if found is None:
        return {}
    names = [vocabulary[token] for token in found.input_ids[:_MOST_TOKENS].tolist()]
    return matrix("attention", found.weights.mean(axis=0)[: len(names), : len(names)], names, numbers=False)
