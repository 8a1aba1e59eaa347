"""The configurations that ship: each is of the task that it is named after, and loads and dumps back equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddle_tasks import tasks
from paddle_tasks.config import dump, parse_yaml, validate
from paddle_tasks.data.catalogue import names
from paddle_tasks.workflows.train import load_config

from .helpers import ROOT

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
# Their data is too large to ship, or not ours to give: the user names it.
WITHOUT_DATA = {"sentiment-imdb"}

each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))


@each_config
def test_a_configuration_is_of_the_task_that_it_is_named_after(path: Path):
    config = load_config(path)
    assert config.task == path.stem.partition("-")[0]
    assert validate(parse_yaml(dump(config), "dump"), tasks.find(config.task).Config, "dump") == config


@each_config
def test_its_data_ships_unless_its_first_lines_say_otherwise(path: Path):
    data = load_config(path).data
    ships = all(source is None or source in names() for source in (data.train, data.dev, data.test))
    assert ships == (path.stem not in WITHOUT_DATA)
    if not ships:
        heading = path.read_text(encoding="utf-8").partition("task:")[0]
        assert "do not ship" in heading
        assert "https://" in heading
        assert "data.train=" in heading
