"""The interpolation of a language model with its n-gram twin, scored on the same characters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paddle_tasks.generation.mixture import fit_weight, mix_log_probs
from paddle_tasks.tasks.novel.scoring import CharacterScores


def best_weight(model: CharacterScores, twin: CharacterScores) -> float:
    """Return the weight of the model, beside that of its twin, that makes the characters most probable."""
    chosen = model.texts.is_target
    return fit_weight(-model.losses[chosen].astype(np.float64), -twin.losses[chosen].astype(np.float64))


def mixture_metrics(model: CharacterScores, twin: CharacterScores, weight: float) -> dict[str, float]:
    """Return loss and perplexity of the mixture with a weight, and the weight; its names begin with ``mixture_``."""
    losses = -mix_log_probs(-model.losses.astype(np.float64), -twin.losses.astype(np.float64), weight)
    metrics = replace(model, losses=losses.astype(np.float32)).metrics()
    found = {f"mixture_{name}": metrics[name] for name in ("loss", "perplexity") if name in metrics}
    return {**found, "mixture_weight": weight}
