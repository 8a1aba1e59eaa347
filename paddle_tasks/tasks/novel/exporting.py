"""What exports of language models need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle import nn

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json_object, write_json
from paddle_tasks.models.graphs.causal_lm import causal_shape, language_model_networks
from paddle_tasks.models.graphs.network import Network, Networks, SavedModel
from paddle_tasks.models.graphs.writers import CausalNetworkWriter
from paddle_tasks.tasks.base import BaseTask
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.tasks.novel.exported import ExportedCausalModel, ExportedWindowModel
from paddle_tasks.tasks.novel.exported_writers import SHAPE_FILE, network_writer
from paddle_tasks.tasks.novel.section import NovelConfig


class ExportableNovels(BaseTask[NovelConfig]):
    """The members of `paddle_tasks.training.capabilities.ExportableTask`."""

    vocabulary: Any

    @staticmethod
    def export_script() -> str:
        """Return the name of the script that continues texts."""
        return "continuations"

    @classmethod
    def networks(cls, saved: SavedModel) -> Sequence[Network]:
        """Return the network that rates next characters."""
        del cls
        return language_model_networks(saved)

    @classmethod
    def write_export(cls, source: Path, folder: Path) -> None:
        """Write the shape of the cache."""
        del cls
        shape = causal_shape(SavedModel.read(source, read_settings(source)))
        write_json(folder / SHAPE_FILE, {"layers_heads_size": shape})

    @classmethod
    def load_exported(cls, folder: Path, networks: Networks) -> tuple[Any, nn.Layer]:
        """Return a task and a Layer that computes with a network."""
        task = cls.restore(folder)
        shape = read_json_object(folder / SHAPE_FILE, CheckpointError)["layers_heads_size"]
        writer = network_writer(read_settings(folder), shape, networks, task.vocabulary)
        if isinstance(writer, CausalNetworkWriter):
            return task, ExportedCausalModel(writer)
        return task, ExportedWindowModel(networks)
