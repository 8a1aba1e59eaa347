"""A new project: editable copies of the configurations that ship, with the sample data that they name."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from paddle_tasks.data.tables.catalogue import SAMPLES, SplitName, shipped_file
from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.files import exists, expand_user
from paddle_tasks.language import _
from paddle_tasks.workflows.shipped_configs import config_names, configs_folder

_README = Path(__file__).parents[1] / "assets" / "project" / "README.md"
_SPLITS: tuple[SplitName, ...] = ("train", "dev", "test")
_SAMPLE = re.compile(r"\bbuiltin/(\w+)")


def init(folder: str | Path, names: Sequence[str] = ()) -> Path:
    """Write a project into a new or empty folder, and return the folder.

    Args:
        folder: the folder.
        names: the configurations to copy, such as ``quick/sentiment``; all by default.

    Raises:
        ConfigError: the folder has content, or there is no configuration of a name.
    """
    target = expand_user(folder)
    _check(target, names)
    with tempfile.TemporaryDirectory() as temporary:
        samples = {sample for name in names or config_names() for sample in _copy_config(name, Path(temporary))}
        for sample in sorted(samples):
            shutil.copytree(SAMPLES / sample, Path(temporary, "data", sample))
        shutil.copyfile(_README, Path(temporary, _README.name))
        shutil.copytree(temporary, target, dirs_exist_ok=True)
    return target


def _check(target: Path, names: Sequence[str]) -> None:
    if exists(target) and not (target.is_dir() and not any(target.iterdir())):
        message = _("{folder}: exists and is not an empty folder; name a new one")
        raise ConfigError(message.format(folder=target))
    for name in names:
        if name not in config_names():
            message = _(
                "{name}: no configuration of this name ships{near}; `paddle-tasks list configs` prints the names"
            )
            raise ConfigError(message.format(name=name, near=did_you_mean(name, config_names())))


def _copy_config(name: str, folder: Path) -> set[str]:
    """Copy a configuration that names the copied samples, and return their names."""
    text = (configs_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    lines = text.split("\n")
    samples = {found for line in lines if (found := _sample_of(line))}
    target = folder / "configs" / f"{name}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(map(_with_path, lines)), encoding="utf-8")
    return samples


def _sample_of(line: str) -> str:
    """Return the sample that a line names as the data of a split, or an empty string."""
    found = _SAMPLE.search(line)
    return found[1] if found and _split_of(line) and (SAMPLES / found[1]).is_dir() else ""


def _split_of(line: str) -> SplitName | None:
    return next((split for split in _SPLITS if line.strip().startswith(f"{split}:")), None)


def _with_path(line: str) -> str:
    """Return a line with the path of the copied sample in place of its name."""
    sample, split = _sample_of(line), _split_of(line)
    if not sample or split is None:
        return line
    path = Path("data", shipped_file(SAMPLES / sample, split).relative_to(SAMPLES))
    return _SAMPLE.sub(path.as_posix(), line)
