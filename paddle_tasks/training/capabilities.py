"""What some tasks can do besides the members of `paddle_tasks.training.protocol.Task`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # they are looked up without Paddle too
    from paddle import nn

    from paddle_tasks.generation.decoding import TextStream
    from paddle_tasks.models.graphs.network import Network, Networks, SavedModel


@runtime_checkable
class StreamingTask(Protocol):
    """A task whose models write texts piece by piece."""

    def stream(self, model: nn.Layer, text: str, **options: Any) -> TextStream:
        """Return an iterator over the pieces that continue a text; nothing is computed yet.

        Args:
            model: the model.
            text: the beginning.
            **options: those of `Task.predict`.
        """


@runtime_checkable
class CalibratingTask(Protocol):
    """A task that calibrates its best model on dev, when the training is over."""

    def start_final_scores(self) -> None:
        """Calibrate when dev is scored; it is called when the best model has been loaded."""

    def write_settings(self, folder: Path) -> None:
        """Write what was learnt into the folder of the best model; it is called when all splits have been scored."""


@runtime_checkable
class ExportableTask(Protocol):
    """A task whose models can be exported as networks.

    The class may have ``PADDLE_OPTIONS``, those options of `Task.predict` that need the trained Layer; exported models
    are offered without them.
    """

    @staticmethod
    def export_script() -> str:
        """Return the name of the script in assets/scripts that predicts with an exported folder."""

    @classmethod
    def networks(cls, saved: SavedModel) -> Sequence[Network]:
        """Return the networks of a model folder, as operations of which each format builds its graph.

        Raises:
            ConfigError: a part of the model cannot be described so.
        """

    @classmethod
    def write_export(cls, source: Path, folder: Path) -> None:
        """Write what the script and `load_exported` need besides networks and settings, such as the tokenizer.

        Args:
            source: its folder.
            folder: the exported folder.
        """

    @classmethod
    def load_exported(cls, folder: Path, networks: Networks) -> tuple[Any, nn.Layer]:
        """Return a task, and a Layer that computes with networks and that `evaluate` and `predict` take as the model.

        Args:
            folder: the exported folder.
            networks: those of `networks`, in some format.
        """


@runtime_checkable
class ExchangedTask(Protocol):
    """A task whose models other programs read and write as files."""

    def write_model_file(self, model: nn.Layer, path: Path, form: str) -> None:
        """Write the model to a file.

        Args:
            model: the model.
            path: the file.
            form: the name of the format.

        Raises:
            ConfigError: there is no such format; the message names those that there are.
        """

    @classmethod
    def read_model_file(cls, path: Path) -> tuple[Any, nn.Layer]:
        """Return a task and its model from a file in any of the formats.

        Raises:
            DataError: the file cannot be read.
        """
