"""Checks of exported networks: they answer what the trained model answers on real rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import ConfigError, ExportError
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.names import ASSETS, BUILTIN
from paddle_tasks.training.protocol import Evaluation

TOLERANCE = 1e-4
"""The largest difference of float32 values, relative to those above 1."""


@dataclass(frozen=True)
class Rows:
    """The rows on which models are compared.

    Attributes:
        split: the split, as the task has read it.
        name: its name.
    """

    split: Any
    name: SplitName


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        rows: how many there are.
        different: the first differences other than of numbers, as (row, key, found, expected).
        largest: the largest difference of two numbers, relative to values above 1.
    """

    rows: int
    different: Sequence[tuple[int, str, Any, Any]]
    largest: float


def read_rows(task: Any, run: Path, data: str | None) -> Rows:
    """Read the rows to compare models on: a file, the test or dev split of the run, or the sample of a shipped model.

    Raises:
        ConfigError: there are none.
        DataError: they cannot be read.
    """
    names: tuple[SplitName, ...] = ("test", "dev")
    own = next((name for name in names if task.config.data.has(name)), None)
    sample = f"{BUILTIN}{run.name}"
    if run.parent == ASSETS:  # it ships without its data
        own, data = None, data or (sample if sample in catalogue.names() else None)
    if data is not None:
        return Rows(task.load_split("test", data), "test")
    if own is None:
        message = _("{run}: has neither test nor dev rows to compare the exported model on; name a file with --data")
        raise ConfigError(message.format(run=run))
    return Rows(task.load_split(own), own)


def compare(found: Evaluation, expected: Evaluation) -> Comparison:
    """Return how the records of an exported model differ from those of the trained one."""
    pairs = list(zip(found.predictions, expected.predictions, strict=True))
    numbers, others = [0.0], []
    for row, (one, other) in enumerate(pairs):
        for key, value, wanted in _leaves("", one, other):
            if isinstance(value, float) and isinstance(wanted, float):
                numbers.append(abs(value - wanted) / max(1.0, abs(wanted)))
            elif value != wanted:
                others.append((row, key, value, wanted))
    return Comparison(len(pairs), others, float(np.max(numbers)))


def _leaves(key: str, found: Any, expected: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the values of two JSON trees of the same shape with their dotted keys; a part of another shape as it is."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping) and found.keys() == expected.keys():
        for name in found:
            yield from _leaves(f"{key}.{name}".strip("."), found[name], expected[name])
    elif isinstance(found, (list, tuple)) and isinstance(expected, (list, tuple)) and len(found) == len(expected):
        for one, other in zip(found, expected, strict=True):
            yield from _leaves(key, one, other)
    else:
        yield key, found, expected


def require_equal(comparison: Comparison, run: str | Path, form: str) -> None:
    """Raise an error unless all answers are equal and all numbers nearly so.

    Raises:
        ExportError: they are not.
    """
    if comparison.different:
        row, key, found, expected = comparison.different[0]
        message = _(
            "--format {form}: the exported model does not answer as {run}: {count} of {rows} rows differ, "
            "the first in row {row}: {key} is {found!r}, expected {expected!r}"
        )
        count = len({row for row, *_others in comparison.different})
        values = {"form": form, "run": run, "count": count, "rows": comparison.rows, "row": row}
        raise ExportError(message.format(**values, key=key, found=found, expected=expected))
    if not comparison.largest <= TOLERANCE:
        message = _(
            "--format {form}: the exported model does not compute as {run}: values of {rows} rows differ by up to "
            "{found:.2g}, expected at most {limit:g}"
        )
        values = {"form": form, "run": run, "rows": comparison.rows}
        raise ExportError(message.format(**values, found=comparison.largest, limit=TOLERANCE))


def require_epsilons(found: Counter[float], model: Any) -> None:
    """Raise an error unless a graph has the layer normalisations of a trained Layer, each with its epsilon.

    Layers that share their weights occur once in the Layer and several times in the graph.

    Raises:
        ExportError: it has others.
    """
    norms = [layer for layer in model.sublayers() if type(layer).__name__ == "LayerNorm"]
    expected = Counter(float(np.float32(layer._epsilon)) for layer in norms)
    if found.keys() != expected.keys() or any(found[epsilon] < count for epsilon, count in expected.items()):
        message = _("--format: the graph has layer normalisations with the epsilons {found}, expected {expected}")
        raise ExportError(message.format(found=dict(found), expected=dict(expected)))
