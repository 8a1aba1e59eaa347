"""What exports of opinion models need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle import nn

from paddle_tasks.models.graphs.network import Network, Networks, SavedModel
from paddle_tasks.models.graphs.spans import tagger_networks
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.tasks.encoder import EncoderTask
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.tasks.opinion.exported import ExportedTagger
from paddle_tasks.tasks.opinion.exported_tagger import write_chain
from paddle_tasks.tasks.opinion.section import OpinionConfig


class ExportableOpinions(EncoderTask[OpinionConfig]):
    """The members of `paddle_tasks.training.capabilities.ExportableTask`."""

    @staticmethod
    def export_script() -> str:
        """Return the name of the script for spans."""
        return "spans"

    @classmethod
    def networks(cls, saved: SavedModel) -> Sequence[Network]:
        """Return the networks of states, emissions and pairs."""
        del cls
        return tagger_networks(saved)

    @classmethod
    def write_export(cls, source: Path, folder: Path) -> None:
        """Write the tokenizer, and the scores of the chain of tags."""
        super().write_export(source, folder)
        write_chain(source / WEIGHTS, folder, len(read_settings(source)["labels"]))

    @classmethod
    def load_exported(cls, folder: Path, networks: Networks) -> tuple[Any, nn.Layer]:
        """Return a task and a Layer that computes with networks."""
        task = cls.restore(folder)
        return task, ExportedTagger(networks, folder, len(task.names.labels), len(task.names.polarities))
