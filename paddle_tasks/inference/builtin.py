"""How built-in pipelines are made: their models, and what computes their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_tasks.files import is_dir
from paddle_tasks.inference.model_folders import model_folder
from paddle_tasks.inference.records import Display
from paddle_tasks.models.pretrained.names import CONFIGS
from paddle_tasks.training.demonstration import Demonstration

Answers = Sequence[dict[str, Any]]
Answer = Callable[..., Answers]
"""Takes a list of texts and the options of a pipeline; returns a record for each text."""


@dataclass(frozen=True)
class Builtin:
    """How a built-in pipeline is made.

    Attributes:
        load: returns the model with a name, and its tokenizer.
        build: makes the pipeline from a model and a tokenizer.
        model: the name of the default model.
        options: the options of a call.
        display: returns a record as lines for people.
        demonstration: how a page shows the records.
    """

    load: Callable[[str], tuple[Any, Any]]
    build: Callable[[Any, Any], Answer]
    model: str
    options: tuple[str, ...]
    display: Display
    demonstration: Demonstration


def fill_mask(model: Any, tokenizer: Any) -> Answer:
    """Return what fills masks."""
    from paddle_tasks.generation.fill_mask import FillMask

    return FillMask(model, tokenizer)


def rewrite(model: Any, tokenizer: Any) -> Answer:
    """Return what rewrites texts."""
    from paddle_tasks.inference.rewrite import Rewriter

    return Rewriter(model, tokenizer)


def embed(encoder: Any, tokenizer: Any) -> Answer:
    """Return what computes sentence vectors."""
    from paddle_tasks.inference.embed import Embedder

    return Embedder(encoder, tokenizer)


def load_any_encoder(name: str) -> tuple[Any, Any]:
    """Return an encoder and its tokenizer; for a run folder, those of the run's best model."""
    from paddle_tasks.models import cpu
    from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
    from paddle_tasks.models.pretrained.saving import load_encoder
    from paddle_tasks.text.tokenizer import Tokenizer

    folder = Path(name).expanduser()
    if is_dir(folder):
        folder = folder if any((folder / file).is_file() for file in CONFIGS) else model_folder(folder)
        encoder, source = load_encoder(folder), folder
    else:
        encoder, source = load_pretrained(name), tokenizer_folder(resolve(name))
    cpu.switch_in(encoder)
    return encoder, Tokenizer.load(source)


def load_masked_lm(name: str) -> tuple[Any, Any]:
    """Return a masked language model in evaluation mode, and its tokenizer; for a run folder, the run's best model."""
    from paddle_tasks.models import cpu, masked_lm
    from paddle_tasks.models.pretrained.loading import resolve, tokenizer_folder
    from paddle_tasks.text.tokenizer import Tokenizer

    folder = Path(name).expanduser()
    if is_dir(folder) and not any((folder / file).is_file() for file in CONFIGS):
        name = str(model_folder(folder))
    model = masked_lm.load_masked_lm(name)
    model.eval()
    cpu.switch_in(model)
    return model, Tokenizer.load(tokenizer_folder(resolve(name)))
