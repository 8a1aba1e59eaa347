"""Shipped configurations: each has the task that its name begins with, and loads and dumps back equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import tasks
from paddle_tasks.config import dump, parse_yaml, validate
from paddle_tasks.data.tables.catalogue import names
from paddle_tasks.workflows.config import load_config

from .helpers import ROOT

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
# The data is too large to ship or may not be shipped; the first lines of the file say how to name it.
WITHOUT_DATA = {
    "sentiment-imdb": ("do not ship", "https://", "data.train="),
    "opinion-cote": ("does not ship", "https://", "data.train="),
    "news-tnews": ("does not ship", "https://", "data.train="),
    **dict.fromkeys(
        ("novel-gpt", "novel-bert-fc", "novel-bert-lstm", "novel-bert-lstm-attention"),
        ("do not ship", "data.folder", "data.train="),
    ),
    **dict.fromkeys(("translate", "translate-books", "translate-rnn"), ("do not ship", "data.train=")),
    "pretrain-bert": ("public corpora", "data.folder", "docs/pretraining.md"),
    "word2vec": ("Neither", "data.folder", "data.train="),
    "pretrain-ernie": ("public corpora", "data.folder", "docs/pretraining.md"),
}

each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))


@each_config
def test_a_configuration_is_named_after_its_task(path: Path):
    config = load_config(path)
    assert config.task == path.stem.partition("-")[0]
    assert validate(parse_yaml(dump(config), "dump"), tasks.find(config.task).Config, "dump") == config


@each_config
def test_its_data_ships_unless_its_first_lines_say_otherwise(path: Path):
    name = str(path.relative_to(ROOT / "configs").with_suffix(""))
    assert (paths(load_config(path).data) <= set(names())) == (name not in WITHOUT_DATA)
    heading = path.read_text(encoding="utf-8").partition("task:")[0]
    assert [words for words in WITHOUT_DATA.get(name, ()) if words not in heading] == []


def paths(data: Any) -> set[str]:
    """Return the sources of the splits of a section; a split has one or several."""
    splits = [getattr(data, name) for name in ("train", "dev", "test")]
    sources = [source for split in splits for source in ([split] if isinstance(split, str) else split or ())]
    return {source if isinstance(source, str) else source.path for source in sources}
