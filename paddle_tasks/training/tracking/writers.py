"""What the tracker expects of a writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from paddle import nn

from paddle_tasks.training.panels import Panels


class Writer(Protocol):
    """Appends scalars and texts to a file."""

    def write_scalar(self, step: int, epoch: int, tag: str, value: float) -> None:
        """Write one value of a tag."""

    def write_text(self, step: int, tag: str, text: str) -> None:
        """Write one text of a tag; a writer that shows no texts does nothing."""

    def position(self) -> int:
        """Return the length of the file in bytes, including everything written so far."""

    def close(self) -> None:
        """Write what is buffered and close the file."""


class PanelWriter(Writer, Protocol):
    """A writer that also shows panels."""

    def write_panels(self, step: int, panels: Panels) -> None:
        """Write panels."""

    def write_run_info(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Write what describes the whole run, unless an earlier process of the run has written it.

        Args:
            settings: the settings by name.
            metrics: tags of the scalars to show beside the settings.
            model: the model, whose graph is written.
        """
