"""A toy language: a text is translated by a lexicon, in reverse order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

LEXICON = dict(zip("甲乙丙丁戊己庚辛壬癸", "一二三四五六七八九十", strict=True))


def translate(text: str) -> str:
    """Return the translation of a text."""
    return "".join(LEXICON[character] for character in reversed(text))


def write(path: Path, n_rows: int, lengths: tuple[int, int], seed: int) -> str:
    """Write random pairs as a table and return its path.

    Args:
        path: the file.
        n_rows: the number of pairs.
        lengths: the minimum and maximum length of a text.
        seed: of the texts.
    """
    generator = np.random.default_rng(seed)
    texts = [
        "".join(generator.choice(list(LEXICON), generator.integers(*lengths, endpoint=True))) for _ in range(n_rows)
    ]
    rows = "".join(f"{text}\t{translate(text)}\n" for text in texts)
    path.write_text(f"source\ttarget\n{rows}", encoding="utf-8")
    return str(path)


def config(folder: Path, model: dict[str, Any], **training: Any) -> dict[str, Any]:
    """Return a configuration whose dev split has short texts and whose test split has long ones.

    Train has texts that are longer still, so that each position of a test text is seen often and a model learns it on
    any CPU.
    """
    data = {
        "train": write(folder / "train.tsv", 6000, (1, 14), 1),
        "dev": write(folder / "dev.tsv", 60, (1, 4), 2),
        "test": write(folder / "test.tsv", 60, (10, 12), 3),
    }
    return {
        "task": "translate",
        "seed": 3,
        "run_dir": str(folder / "run"),
        "data": data,
        "model": {"dropout": 0.0, **model},
        "optimizer": {"learning_rate": 5e-3 if model["architecture"] == "rnn" else 3e-3},
        "training": {"epochs": 14, "batch_size": 64, **training},
        "evaluation": {"every_steps": 10000},
        "generation": {"max_new_tokens": 30, "num_beams": 2},
        "logging": {"visualdl": False},
    }
