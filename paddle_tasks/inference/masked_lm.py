"""The masked language models of the built-in pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle_tasks.files import is_dir
from paddle_tasks.inference.model_folders import model_folder
from paddle_tasks.models.pretrained.names import CONFIGS


def load_masked_lm_with_tokenizer(name: str) -> tuple[Any, Any]:
    """Return a masked language model in evaluation mode, and its tokenizer; for a run folder, the run's best model."""
    from paddle_tasks.models import cpu
    from paddle_tasks.models.masked_lm import load_masked_lm
    from paddle_tasks.models.pretrained.loading import resolve, tokenizer_folder
    from paddle_tasks.text.tokenizer import Tokenizer

    folder = Path(name).expanduser()
    if is_dir(folder) and not any((folder / file).is_file() for file in CONFIGS):
        name = str(model_folder(folder))
    model = load_masked_lm(name)
    model.eval()
    cpu.switch_in(model)
    return model, Tokenizer.load(tokenizer_folder(resolve(name)))
