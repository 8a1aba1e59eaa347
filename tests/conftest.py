"""Shared by all tests. `paddle_tasks` is imported before Paddle here, so that it sets threads as it does for users."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ["PADDLE_TASKS_LANGUAGE"] = "en"  # whatever the locale; tests of Chinese ask for it

from paddle_tasks import language
from paddle_tasks.figures import fonts

# A loaded machine must not fail a test: no deadline for a single example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """Keep the tests, and the processes that they start, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADDLE_TASKS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _float32():
    """Let the tests compute alike on every CPU; those of bfloat16 ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADDLE_TASKS_PRECISION", "float32")
        yield


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write messages in Chinese, in this process and in those that the test starts."""
    monkeypatch.setenv(language.VARIABLE, "zh")
    with language.using("zh"):
        yield


@pytest.fixture(autouse=True)
def _proxies_of_its_own():
    """Let urllib ask for proxies again in each test: the first call of a process decides for all later ones."""
    urllib.request.install_opener(None)


@pytest.fixture(scope="session")
def small_config() -> Callable[..., dict[str, Any]]:
    """Return a function that gives a sentiment configuration in a folder, which trains in a fraction of a second."""

    def make(folder: Path, **sections: dict[str, Any]) -> dict[str, Any]:
        config: dict[str, Any] = {
            "task": "sentiment",
            "seed": 1,
            "run_dir": str(folder / "run"),
            "data": {split: str(FIXTURES / f"training_{split}.tsv") for split in ("train", "dev", "test")},
            "model": {
                "encoder": "textcnn",
                "embedding_size": 8,
                "hidden_size": 8,
                "kernel_sizes": [2, 3],
                "dropout": 0.3,
            },
            "optimizer": {"learning_rate": 0.02},
            "training": {"epochs": 2, "batch_size": 4, "max_length": 16},
            "evaluation": {"batch_size": 4},
            "logging": {"every_steps": 1, "detail": "light"},  # pictures take longer than the training
        }
        return {**config, **{name: {**config[name], **values} for name, values in sections.items()}}

    return make


@pytest.fixture(scope="session")
def torch_python() -> str:
    """Return an interpreter that has torch and transformers: PADDLE_TASKS_TORCH_PYTHON, or this one."""
    python = os.environ.get("PADDLE_TASKS_TORCH_PYTHON", sys.executable)
    probe = subprocess.run([python, "-c", "import torch, transformers"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("torch and transformers cannot be imported; PADDLE_TASKS_TORCH_PYTHON names a Python that can")
    return python


@pytest.fixture
def no_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no installed font have any characters."""
    monkeypatch.setattr(fonts, "find_font", lambda _text: None)
    fonts.families.cache_clear()
    yield
    fonts.families.cache_clear()
