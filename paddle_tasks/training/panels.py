"""What there is to look at besides figures: histograms, images, curves and vectors, whatever then shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from paddle import Tensor, nn

from paddle_tasks.arrays import Array

MOST_SHOWN = 5
_MOST_CHARACTERS = 400
_MOST_WEIGHTS = 20_000  # of a parameter: a sample of that size has the shape of the whole


NEVER = -1.0


@dataclass(frozen=True)
class Curve:
    """Yes or no, and how sure a model is of yes: what precision, recall and the false positive rate follow from.

    Attributes:
        is_positive: <bool>[rows].
        scores: <float>[rows] from 0 to 1, or `NEVER` for what is positive and would not be found at any threshold.
    """

    is_positive: Array
    scores: Array


@dataclass(frozen=True)
class Vectors:
    """Points of a space of many dimensions, and what is known of each.

    Attributes:
        values: <float32>[points, width].
        columns: what is known.
        rows: for each point a text in each column.
    """

    values: Array
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Panels:
    """Things to look at, each by its tag.

    Attributes:
        histograms: the values <float>[…] themselves, of which those that are not finite are left out.
        images: <uint8>[height, width, 3], red first.
        curves: drawn twice, as precision over recall and as ROC.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    histograms: Mapping[str, Array] = field(default_factory=dict)
    images: Mapping[str, Array] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    vectors: Mapping[str, Vectors] = field(default_factory=dict)

    def under(self, prefix: str) -> Panels:
        """Return the same with ``prefix/`` before each tag."""
        return Panels(**{name: {f"{prefix}/{tag}": part for tag, part in parts.items()} for name, parts in self._all()})

    def _all(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        return vars(self).items()


NOTHING = Panels()


def nothing() -> Panels:
    """Return no panels."""
    return NOTHING


def worst(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the errors with the highest loss, as texts."""
    found = sorted(records, key=lambda record: -record["loss"])[:MOST_SHOWN]
    return {f"worst_error_{number}": _told(record) for number, record in enumerate(found, start=1)}


def _told(record: Mapping[str, Any]) -> str:
    """Return a record in one line, since VisualDL shows every line break as a space."""
    sides = [f"{name}: {_plain(record.get(name))}" for name in ("kind", "gold", "predicted") if name in record]
    text = str(record.get("text", "")).replace("\n", " ")
    return " ‖ ".join(filter(None, [*sides, f"loss: {record['loss']:.3f}", shortened(text, _MOST_CHARACTERS)]))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"【{value.get('text', '')}｜{value.get('label', '')}】"
    if isinstance(value, (list, tuple)):
        return shortened(" ".join(map(str, value)), _MOST_CHARACTERS)
    return "–" if value is None else str(value)


def shortened(text: str, n_characters: int) -> str:
    """Return a text, or its beginning and an ellipsis."""
    return text if len(text) <= n_characters else f"{text[:n_characters]}…"


def weight_histograms(model: nn.Layer) -> Panels:
    """Return the weights of each parameter, of large ones a sample, under ``weights/NAME``."""
    return Panels(histograms={f"weights/{name}": _sample(value) for name, value in model.named_parameters()})


def gradient_histograms(model: nn.Layer) -> Panels:
    """Return the gradients of each parameter that has some, of large ones a sample, under ``gradients/NAME``."""
    found = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    return Panels(histograms={f"gradients/{name}": _sample(gradient) for name, gradient in found.items()})


def _sample(tensor: Tensor) -> Array:
    values: Array = tensor.detach().astype("float32").numpy().ravel()
    if len(values) <= _MOST_WEIGHTS:
        return values
    # Places drawn from a generator of their own: equal distances could hit the same column again and again.
    places = np.random.default_rng(len(values)).integers(len(values), size=_MOST_WEIGHTS)
    return np.asarray(values[places])
