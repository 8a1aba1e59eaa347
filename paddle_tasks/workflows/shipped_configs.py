"""The configurations that ship with the package, by name; in a source tree they are its top-level folder configs/."""

from __future__ import annotations

from pathlib import Path

from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.files import exists, expand_user, is_file
from paddle_tasks.language import _

_PACKAGE = Path(__file__).parents[1]
_SUFFIXES = (".yaml", ".yml")


def configs_folder() -> Path:
    """Return the folder of the configurations: inside an installed package, or beside it in a source tree."""
    inside = _PACKAGE / "configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def config_names() -> list[str]:
    """Return the names of the configurations, such as ``sentiment`` and ``quick/sentiment``."""
    folder = configs_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_config(source: str | Path) -> Path:
    """Return the file of a configuration: a path, or the name of one that ships.

    A file goes before a name. ``find_config("quick/sentiment")`` ends with ``configs/quick/sentiment.yaml``.

    Raises:
        ConfigError: there is neither a file nor a configuration of that name.
    """
    path, name = expand_user(source), Path(source).as_posix()
    names = config_names()
    if name in names and not is_file(path):
        return configs_folder() / f"{name}.yaml"
    if path.suffix in _SUFFIXES or exists(path):
        return path
    message = _("{name}: no such configuration file, and none of this name ships{near}")
    near = did_you_mean(name, names) or did_you_mean(path.name, names)
    raise ConfigError(message.format(name=name, near=near or _("; `paddle-tasks list configs` prints the names")))
