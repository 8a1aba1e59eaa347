"""Builds VisualDL's records, because its own functions fail with current numpy and protobuf or change their input.

In VisualDL 2.5.3, `add_pr_curve` and `add_roc_curve` call `np.float`, and the latter divides the true positives by the
wrong sum; `add_image` multiplies a dark picture by 255; `add_histogram` refuses NaN; `add_hparams` refuses bools and
drops lists. A tag must not contain ``%``, which the reader takes for ``/``, and must have one kind of record only.
"""

from __future__ import annotations

import io
import struct
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

_MAX_DIMENSIONS = 200
_LENGTH = struct.Struct("<Q")


def clean_tag(tag: str) -> str:
    """Return a tag that VisualDL can read."""
    return tag.replace("%", "percent")


def build_records(step: int, panels: Panels) -> Iterator[Record]:
    """Yield the records of panels; histograms without finite values and vectors without points are left out."""
    yield from (_record(step, tag, text=Record.Text(encoded_text_string=text)) for tag, text in panels.texts.items())
    for tag, values in panels.histograms.items():
        counts_and_edges = histogram(values)
        if counts_and_edges:
            counts, edges = counts_and_edges
            yield _record(step, tag, histogram=Record.Histogram(hist=counts, bin_edges=edges))
    for tag, pixels in panels.images.items():
        yield _record(step, tag, image=Record.Image(encoded_image_string=encode_png(pixels)))
    for tag, curve in panels.curves.items():
        yield from _curve_records(step, tag, curve)
    for tag, vectors in panels.vectors.items():
        if len(vectors.values):
            yield _record(step, tag, embeddings=_embeddings(vectors))


def encode_png(pixels: Array) -> bytes:
    """Return an image <uint8>[height, width, 3] encoded as PNG."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, format="png", compress_level=1)
        return file.getvalue()


def _curve_records(step: int, tag: str, curve: Curve) -> Iterator[Record]:
    """Yield the precision-recall curve under ``SPLIT/pr/NAME`` and the ROC curve under ``SPLIT/roc/NAME``."""
    counts = threshold_counts(curve.is_positive, curve.scores)
    common = {
        "TP": counts.true_positives,
        "FP": counts.false_positives,
        "TN": counts.true_negatives,
        "FN": counts.false_negatives,
    }
    pr_curve = Record.PRCurve(**common, precision=counts.precision, recall=counts.recall)
    yield _record(step, _subtag(tag, "pr"), pr_curve=pr_curve)
    roc_curve = Record.ROC_Curve(**common, tpr=counts.recall, fpr=counts.false_positive_rate)
    yield _record(step, _subtag(tag, "roc"), roc_curve=roc_curve)


def _subtag(tag: str, folder: str) -> str:
    split, _, name = tag.partition("/")
    return f"{split}/{folder}/{name}"


def _embeddings(vectors: Vectors) -> Record.Embeddings:
    points = [
        Record.Embedding(label=[" ".join(text.split()) for text in row], vectors=values.tolist())
        for row, values in zip(vectors.rows, _reduce_dimensions(vectors.values), strict=True)
    ]
    return Record.Embeddings(label_meta=list(vectors.columns), embeddings=points)


def _reduce_dimensions(values: Array) -> Array:
    """Return points <float>[points, width] in at most 200 dimensions; of wider points, the page would draw only two.

    Projecting onto the principal components keeps the distances between up to 200 points exactly, and between more
    points as well as possible.
    """
    if values.shape[1] <= _MAX_DIMENSIONS:
        return values
    left, sizes, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    return np.asarray((left * sizes)[:, :_MAX_DIMENSIONS])


def build_hparams_record(values: Mapping[str, Any], metrics: Sequence[str]) -> Record:
    """Return the record of a run's settings; a value that is no number or text is written as in a configuration.

    Dots in names become slashes, because VisualDL's table looks up ``a.b`` as ``b`` in a part named ``a``.

    Args:
        values: the settings by name.
        metrics: tags of the scalars to show beside them.
    """
    hparams = Record.HParam()
    for key, value in values.items():
        hparams.hparamInfos.append(_hparam(key.replace(".", "/"), value))
    for metric in metrics:
        hparams.metricInfos.append(Record.HParam.HparamInfo(name=clean_tag(metric), float_value=0))
    return _record(1, "hparam", hparam=hparams)


def _hparam(name: str, value: Any) -> Record.HParam.HparamInfo:
    if isinstance(value, int) and not isinstance(value, bool):
        return Record.HParam.HparamInfo(name=name, int_value=value)
    if isinstance(value, float):
        return Record.HParam.HparamInfo(name=name, float_value=value)
    text = value if isinstance(value, str) else config.dump_inline(value)
    return Record.HParam.HparamInfo(name=name, string_value=text)


def _record(step: int, tag: str, **content: Any) -> Record:
    now = round(time.time() * 1000)
    return Record(values=[Record.Value(id=step, tag=clean_tag(tag), timestamp=now, **content)])


def make_scalar(step: int, tag: str, value: float, seconds: float) -> Record:
    """Return the record of one scalar; ``seconds`` count from 1970."""
    return Record(values=[Record.Value(id=step, tag=clean_tag(tag), timestamp=round(seconds * 1000), value=value)])


def make_meta(seconds: float) -> Record:
    """Return the record with which VisualDL begins a log, without a name to display."""
    meta = Record.MetaData(display_name="")
    return Record(values=[Record.Value(id=0, tag="meta_data_tag", timestamp=round(seconds * 1000), meta_data=meta)])


def encode_record(record: Record) -> bytes:
    """Return a record as in a log: its length (8 bytes, little-endian) and its content."""
    payload: bytes = record.SerializeToString()
    return _LENGTH.pack(len(payload)) + payload
