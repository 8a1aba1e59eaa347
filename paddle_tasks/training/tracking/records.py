"""VisualDL's records, built here: its own functions fail on today's numpy and protobuf, or change what they get.

Of VisualDL 2.5.3: `add_pr_curve` and `add_roc_curve` call `np.float`, and the true positive rate of the latter is over
the wrong sum; `add_image` multiplies a dark picture with 255; `add_histogram` refuses NaN; `add_hparams` refuses bools
and drops lists. A tag may hold no ``%``, which the reader takes for ``/``, and may be that of one kind of record only.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from visualdl.proto.record_pb2 import Record

from paddle_tasks import config
from paddle_tasks.arrays import Array
from paddle_tasks.metrics.curves import histogram, threshold_counts
from paddle_tasks.training.panels import Curve, Panels, Vectors

_MOST_DIMENSIONS = 200


def tidy(tag: str) -> str:
    """Return a tag that VisualDL can read."""
    return tag.replace("%", "percent")


def records_of(step: int, panels: Panels) -> Iterator[Record]:
    """Yield the record of each panel; histograms without a finite value and vectors without a point have none."""
    yield from (_record(step, tag, text=Record.Text(encoded_text_string=text)) for tag, text in panels.texts.items())
    for tag, values in panels.histograms.items():
        counted = histogram(values)
        if counted:
            yield _record(step, tag, histogram=Record.Histogram(hist=counted[0], bin_edges=counted[1]))
    for tag, pixels in panels.images.items():
        yield _record(step, tag, image=Record.Image(encoded_image_string=png(pixels)))
    for tag, curve in panels.curves.items():
        yield from _curves(step, tag, curve)
    for tag, vectors in panels.vectors.items():
        if len(vectors.values):
            yield _record(step, tag, embeddings=_embeddings(vectors))


def png(pixels: Array) -> bytes:
    """Return an image <uint8>[height, width, 3] as the bytes of a PNG."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, format="png", compress_level=1)
        return file.getvalue()


def _curves(step: int, tag: str, curve: Curve) -> Iterator[Record]:
    """Yield both curves under tags of their own, ``…/pr/NAME`` and ``…/roc/NAME``."""
    counts = threshold_counts(curve.is_positive, curve.scores)
    common = {
        "TP": counts.true_positives,
        "FP": counts.false_positives,
        "TN": counts.true_negatives,
        "FN": counts.false_negatives,
    }
    found = Record.PRCurve(**common, precision=counts.precision, recall=counts.recall)
    yield _record(step, _within(tag, "pr"), pr_curve=found)
    rates = Record.ROC_Curve(**common, tpr=counts.recall, fpr=counts.false_positive_rate)
    yield _record(step, _within(tag, "roc"), roc_curve=rates)


def _within(tag: str, folder: str) -> str:
    split, _, name = tag.partition("/")
    return f"{split}/{folder}/{name}"


def _embeddings(vectors: Vectors) -> Record.Embeddings:
    points = [
        Record.Embedding(label=[" ".join(text.split()) for text in row], vectors=values.tolist())
        for row, values in zip(vectors.rows, _narrow(vectors.values), strict=True)
    ]
    return Record.Embeddings(label_meta=list(vectors.columns), embeddings=points)


def _narrow(values: Array) -> Array:
    """Return points <float>[points, width] in at most 200 dimensions: the page draws two points of any that have more.

    They are turned, which keeps the distances between up to 200 points, and of more all that principal components can.
    """
    if values.shape[1] <= _MOST_DIMENSIONS:
        return values
    left, sizes, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    return np.asarray((left * sizes)[:, :_MOST_DIMENSIONS])


def hparams_record(values: Mapping[str, Any], metrics: Sequence[str]) -> Record:
    """Return the record of a run's settings; what is neither a number nor a text is written as in a configuration.

    The dots of their names become slashes: VisualDL's table looks for the values of ``a.b`` in a part named ``a``.

    Args:
        values: the settings, by name.
        metrics: the tags of the scalars that are shown beside them.
    """
    found = Record.HParam()
    for key, value in values.items():
        found.hparamInfos.append(_hparam(key.replace(".", "/"), value))
    for metric in metrics:
        found.metricInfos.append(Record.HParam.HparamInfo(name=tidy(metric), float_value=0))
    return _record(1, "hparam", hparam=found)


def _hparam(name: str, value: Any) -> Record.HParam.HparamInfo:
    if isinstance(value, int) and not isinstance(value, bool):
        return Record.HParam.HparamInfo(name=name, int_value=value)
    if isinstance(value, float):
        return Record.HParam.HparamInfo(name=name, float_value=value)
    text = value if isinstance(value, str) else config.inline(value)
    return Record.HParam.HparamInfo(name=name, string_value=text)


def _record(step: int, tag: str, **content: Any) -> Record:
    now = round(time.time() * 1000)
    return Record(values=[Record.Value(id=step, tag=tidy(tag), timestamp=now, **content)])
