"""Panels: what VisualDL shows besides scalars, independent of how it is written.

A panel is a text, a histogram, an image, a curve or a set of vectors, each under a tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.language import _, label_name

if TYPE_CHECKING:
    from paddle import Tensor, nn

MAX_WORST_ERRORS = 5
NEVER = -1.0
"""The score of a positive that is not found at any threshold."""
_MAX_CHARACTERS = 400
_MAX_WEIGHTS = 20_000
"""Of a parameter: a sample of this size has the distribution of the whole."""


@dataclass(frozen=True)
class Curve:
    """Binary decisions and their scores; precision, recall and the false positive rate follow from them.

    Attributes:
        is_positive: <bool>[rows].
        scores: <float>[rows] from 0 to 1, or `NEVER`.
    """

    is_positive: Array
    scores: Array


@dataclass(frozen=True)
class Vectors:
    """Points in a space of many dimensions, with a description of each.

    Attributes:
        values: <float32>[points, width].
        columns: the names of the columns of the description.
        rows: for each point a text in each column.
    """

    values: Array
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Panels:
    """Panels by tag.

    Attributes:
        histograms: the values <float>[…] themselves; values that are not finite are left out.
        images: <uint8>[height, width, 3], RGB.
        curves: drawn twice, as precision over recall and as ROC.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    histograms: Mapping[str, Array] = field(default_factory=dict)
    images: Mapping[str, Array] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    vectors: Mapping[str, Vectors] = field(default_factory=dict)

    def under(self, prefix: str) -> Panels:
        """Return the same panels with ``prefix/`` before each tag."""
        return Panels(
            **{kind: {f"{prefix}/{tag}": panel for tag, panel in panels.items()} for kind, panels in vars(self).items()}
        )


NOTHING = Panels()


def nothing() -> Panels:
    """Return no panels."""
    return NOTHING


def worst_errors(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the errors with the highest loss as texts by tag."""
    worst = sorted(records, key=lambda record: -record["loss"])[:MAX_WORST_ERRORS]
    return {f"worst_error_{number}": _describe(record) for number, record in enumerate(worst, start=1)}


def _describe(record: Mapping[str, Any]) -> str:
    """Return an error in one line, since VisualDL shows a line break as a space."""
    forms = {"kind": _("kind: {value}"), "gold": _("gold: {value}"), "predicted": _("predicted: {value}")}
    sides = [form.format(value=_plain(record[name])) for name, form in forms.items() if name in record]
    loss = _("loss: {value}").format(value=f"{record['loss']:.3f}")
    text = str(record.get("text", "")).replace("\n", " ")
    return " ‖ ".join(filter(None, [*sides, loss, shorten(text, _MAX_CHARACTERS)]))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"【{value.get('text', '')}｜{label_name(str(value.get('label', '')))}】"
    if isinstance(value, (list, tuple)):
        return shorten(" ".join(map(str, value)), _MAX_CHARACTERS)
    return "–" if value is None else label_name(str(value))


def shorten(text: str, n_characters: int) -> str:
    """Return a text, or its first characters and an ellipsis: ``shorten("长一点", 2)`` → ``"长一…"``."""
    return text if len(text) <= n_characters else f"{text[:n_characters]}…"


def weight_histograms(model: nn.Layer) -> Panels:
    """Return the weights of each parameter, a sample of large ones, under ``weights/NAME``."""
    return Panels(histograms={f"weights/{name}": _sample(value) for name, value in model.named_parameters()})


def gradient_histograms(model: nn.Layer) -> Panels:
    """Return the gradients of each parameter that has one, a sample of large ones, under ``gradients/NAME``."""
    gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    from paddle_tasks.models.gradients import gradient_entries  # imports Paddle

    samples = {f"gradients/{name}": _sample(gradient_entries(gradient)) for name, gradient in gradients.items()}
    return Panels(histograms=samples)


def _sample(tensor: Tensor) -> Array:
    values: Array = tensor.detach().astype("float32").numpy().ravel()
    if len(values) <= _MAX_WEIGHTS:
        return values
    # Random indices: equal steps could select the same column of a matrix again and again.
    indices = np.random.default_rng(len(values)).integers(len(values), size=_MAX_WEIGHTS)
    return np.asarray(values[indices])
