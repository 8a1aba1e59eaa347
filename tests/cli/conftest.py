"""The command line in a folder of its own, with small data, and one run that was trained on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddle_tasks import train

from ..helpers import ROOT, CommandLine

QUICK = ROOT / "configs" / "quick" / "sentiment.yaml"
HEADER, *ROWS = (ROOT / "tests" / "fixtures" / "sentiment.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
SPLITS = {"train": ROWS[:12], "dev": ROWS[8:], "test": ROWS[10:]}
TINY = {"training.epochs": 2, "training.batch_size": 8, "logging.visualdl": False}


def write_splits(folder: Path) -> dict[str, str]:
    """Write train, dev and test into a folder, and return the keys that name them."""
    for name, rows in SPLITS.items():
        (folder / f"{name}.tsv").write_text(HEADER + "".join(rows), encoding="utf-8")
    return {f"data.{name}": str(folder / f"{name}.tsv") for name in SPLITS}


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path) -> CommandLine:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys, monkeypatch)


@pytest.fixture
def settings(tmp_path) -> list[str]:
    """KEY=VALUE of a small run on data in the working folder."""
    return [f"{key}={value}".replace("False", "false") for key, value in {**write_splits(tmp_path), **TINY}.items()]


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A finished run, which no test may change."""
    folder = tmp_path_factory.mktemp("cli")
    return train(QUICK, run_dir=folder / "run", **write_splits(folder), **TINY).folder
