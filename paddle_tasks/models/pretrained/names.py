"""Where the models of this package and the files of a model folder are."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).parents[2] / "assets" / "models"
BUILTIN = "builtin/"
"""Comes before the name of a model of this package."""
CONFIGS = ("config.json", "model_config.json")  # PaddleNLP wrote the second up to version 2.4
