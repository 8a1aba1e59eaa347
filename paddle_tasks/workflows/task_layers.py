"""The Layer of a configuration, a run or a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paddle import nn

from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import expand_user, is_file
from paddle_tasks.inference.model_folders import named_folder
from paddle_tasks.inference.pipelines import Predictor, load_layer
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.loading import without_downloads
from paddle_tasks.process_state import default_settings, random_generator
from paddle_tasks.workflows.config import load_config

_SUFFIXES = (".yaml", ".yml")
_CONFIG = "config.yaml"


def is_configuration(name: str) -> bool:
    """Return whether a name is that of a configuration file."""
    return Path(name).suffix in _SUFFIXES


def build_layer(name: str, settings: Sequence[str] = ()) -> nn.Layer:
    """Return the Layer that a training with a configuration starts from.

    The data is read, because the sizes of vocabulary and output layer depend on it. Nothing is downloaded: a PaddleNLP
    model that is not in the cache has random weights.

    Args:
        name: the configuration file.
        settings: KEY=VALUE that replace those of the file.

    Raises:
        UserError: the configuration is wrong, or its data or encoder cannot be read.
    """
    config = load_config(name, settings)
    task = tasks.find(config.task)(config)
    with default_settings(), without_downloads():
        task.read()
        with random_generator():
            return task.build_model()


def find_trained(name: str) -> Predictor | None:
    """Return the trained model of a run folder, of a task's model folder or of a built-in model.

    None if there is no such folder, or if it is that of an encoder without a task.

    Raises:
        CheckpointError: a run has no model yet.
    """
    folder = named_folder(expand_user(name))
    kept = (tasks.SETTINGS, f"model/{tasks.SETTINGS}", _CONFIG)
    return load_layer(name, device="cpu") if any(is_file(folder / file) for file in kept) else None


def refuse_settings(name: str, settings: Sequence[str]) -> None:
    """Refuse settings for what has no configuration.

    Raises:
        ConfigError: there are some.
    """
    if settings:
        message = _("{setting}: settings are for a configuration file; {name} has its own")
        raise ConfigError(message.format(setting=settings[0], name=name))
