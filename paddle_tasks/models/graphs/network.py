"""A network that can be exported: its inputs, its outputs, and how it is built of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json_object
from paddle_tasks.models.graphs.graph import Graph, Kind, Value
from paddle_tasks.models.graphs.parts import Parts
from paddle_tasks.models.pretrained import tensors

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


class Input(NamedTuple):
    """An input of a network.

    Attributes:
        kind: the type of its elements.
        axes: the names of free axes and the sizes of the others.
    """

    kind: Kind
    axes: tuple[str | int, ...]


@dataclass(frozen=True)
class Network:
    """A network with its weights.

    Attributes:
        name: of its file.
        inputs: by name, in the order of the file.
        build: adds the network to a graph and returns its outputs by name.
    """

    name: str
    inputs: Mapping[str, Input]
    build: Callable[[Graph, Mapping[str, Value]], Mapping[str, Value]]


class Networks(Protocol):
    """The networks of an exported model, ready to compute."""

    def run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of a network by name."""


class SavedModel(NamedTuple):
    """The files of a model folder that describe its networks.

    Attributes:
        encoder: config.json, which a folder without an encoder does not have.
        settings: the settings of the task: its configuration, labels and more.
        parts: the tensors.
    """

    encoder: Mapping[str, Any]
    settings: Mapping[str, Any]
    parts: Parts

    @property
    def section(self) -> Mapping[str, Any]:
        """The ``model`` section of the configuration."""
        section: Mapping[str, Any] = self.settings["config"]["model"]
        return section

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> SavedModel:
        """Read a model folder with these settings.

        Raises:
            CheckpointError: a file cannot be read.
        """
        config = folder / _CONFIG
        encoder = read_json_object(config, CheckpointError) if config.is_file() else {}
        return cls(encoder, settings, Parts(tensors.read(folder / _WEIGHTS)))


TOKEN_AXES = ("batch", "length")
TOKENS: Mapping[str, Input] = {"input_ids": Input("int64", TOKEN_AXES), "lengths": Input("int64", ("batch",))}
"""The inputs of a network that reads padded texts."""
PAIRS: Mapping[str, Input] = {**TOKENS, "token_type_ids": Input("int64", TOKEN_AXES)}
"""The inputs of a network that reads padded pairs of texts."""
