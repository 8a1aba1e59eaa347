"""How the page of `serve` shows what a model does: declared by each task, drawn without knowing the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

RecordKind = Literal["label", "spans", "candidates", "variants", "outputs", "fields"]
"""What the records of a model hold, by their keys.

- ``label``: a ``label`` with its ``score``, and ``probabilities`` by label.
- ``spans``: ``spans`` of the text, and perhaps ``triplets`` with ``aspect``, ``opinion``, ``polarity`` and ``prob``.
- ``candidates``: ``masks`` with their ``candidates``, and ``fillings`` of the whole text.
- ``variants``: ``variants`` of the text with their ``changes``.
- ``outputs``: ``outputs`` that a model has written.
- ``fields``: anything else.
"""


@dataclass(frozen=True)
class Demonstration:
    """How a page shows a model; the lines of its records come from the task's ``display``.

    Attributes:
        kind: what the records hold.
        examples: inputs to try; the fields of an input with several have tabs between them.
        options: the options of a call that the page makes, if the model takes them.
        labels: what labels mean, in English; the page shows the translation that the catalogue has of it.
    """

    kind: RecordKind = "fields"
    examples: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
