"""A translation model whose weights and vocabulary training starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.files import expand_user, is_file, list_siblings, sha256
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.names import ASSETS, BUILTIN
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.model_settings import checking_settings, find_model_folder, read_settings
from paddle_tasks.tasks.translate.section import TranslateConfig, TranslateModel

_FREE = {"start", "dropout"}
"""Settings of a model that its weights do not depend on."""


@dataclass(frozen=True)
class StartModel:
    """The model that ``model.start`` names.

    Attributes:
        folder: its model folder.
    """

    folder: Path

    @classmethod
    def find(cls, config: TranslateConfig) -> StartModel | None:
        """Return the model that a configuration starts from; None if it starts from random weights.

        Raises:
            ConfigError: there is no such model, it is of another task, or its sizes are not those of the configuration.
            CheckpointError: its settings cannot be read.
        """
        name = config.model.start
        if name is None:
            return None
        found = cls(_folder(name))
        found.check(config.model)
        return found

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return read_settings(self.folder)

    def check(self, section: TranslateModel) -> None:
        """Check that the weights fit a model of these settings.

        Raises:
            ConfigError: they do not; the message has the settings that differ.
        """
        task = self._settings["config"]["task"]
        if task != "translate":
            message = _("model.start: {folder} is a model of the task {found}, expected one of {expected}")
            raise ConfigError(message.format(folder=self.folder, found=task, expected="translate"))
        if not is_file(self.folder / WEIGHTS):
            message = _("model.start: {folder} has no {file}; name the run that trained the model")
            raise ConfigError(message.format(folder=self.folder, file=WEIGHTS))
        same = {name: getattr(section, name) for name in _FREE}
        differences = configuration.list_differences(self.config.model.model_copy(update=same), section)
        if differences:
            message = _("model.start: the sizes of {folder} are not those of this configuration ({differences})")
            listing = "; ".join(f"model.{line}" for line in differences)
            raise ConfigError(message.format(folder=self.folder, differences=listing))

    @cached_property
    def config(self) -> TranslateConfig:
        """The configuration of its training."""
        return configuration.validate(self._settings["config"], TranslateConfig, str(self.folder / SETTINGS))

    @property
    def vocabulary(self) -> CharacterVocabulary:
        """Its vocabulary."""
        with checking_settings(self.folder):
            return CharacterVocabulary(list(self._settings["characters"]))

    @property
    def digest(self) -> str:
        """The SHA-256 of its weights."""
        return sha256(self.folder / WEIGHTS)


def _folder(name: str) -> Path:
    path = expand_user(name)
    if name.startswith(BUILTIN):
        path = ASSETS / name.removeprefix(BUILTIN)
    found = find_model_folder(path)
    if found:
        return found
    near = did_you_mean(name, [f"{BUILTIN}translate", *list_siblings(path, folders_only=True)])
    message = _("model.start: {name}: no such run or model folder{near}")
    raise ConfigError(message.format(name=name, near=near))
