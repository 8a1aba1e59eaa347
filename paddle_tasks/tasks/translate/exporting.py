"""What exports of translation models need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle import nn

from paddle_tasks.models.graphs.network import Network, Networks, SavedModel
from paddle_tasks.models.graphs.seq2seq import translator_networks
from paddle_tasks.tasks.base import BaseTask
from paddle_tasks.tasks.translate.exported import ExportedTranslator
from paddle_tasks.tasks.translate.exported_writers import network_translator
from paddle_tasks.tasks.translate.section import TranslateConfig


class ExportableTranslations(BaseTask[TranslateConfig]):
    """The members of `paddle_tasks.training.capabilities.ExportableTask`."""

    vocabulary: Any

    @staticmethod
    def export_script() -> str:
        """Return the name of the script that translates texts."""
        return "translations"

    @classmethod
    def networks(cls, saved: SavedModel) -> Sequence[Network]:
        """Return the encoder and the decoder."""
        del cls
        return translator_networks(saved)

    @classmethod
    def write_export(cls, source: Path, folder: Path) -> None:
        """Write nothing: the characters are among the settings."""

    @classmethod
    def load_exported(cls, folder: Path, networks: Networks) -> tuple[Any, nn.Layer]:
        """Return a task and a Layer that computes with networks."""
        task = cls.restore(folder)
        translator = network_translator(task.config.model, networks, task.vocabulary)
        return task, ExportedTranslator(translator)
