"""A classifier's network with a linear model of character n-grams beside it, mixed by log-odds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.language import _
from paddle_tasks.metrics.calibration import mix_log_odds
from paddle_tasks.models.paddle_free.text_ngrams import TextNgrams

KEY, FILE = "ngram_weight", "ngrams.safetensors"


class NgramMixture:
    """Adds the log-odds of n-grams, times a weight, to those of the network.

    The network's log-odds are those before its calibration; the temperature is fitted to the mixture. While a run
    trains, its scores are those of the network. The weight is chosen on dev when the best model is scored, so that the
    metric that chose the best model is highest.

    Attributes:
        model: the n-grams, fitted to train; None without them.
        weight: None until it is chosen or restored; then the answers are those of the mixture.
    """

    def __init__(self, model: TextNgrams | None = None, weight: float | None = None) -> None:
        self.model, self.weight = model, weight
        self._learns = False

    def start_learning(self) -> None:
        """Choose the weight on dev from now on, if there are n-grams."""
        self._learns = self.model is not None

    def log_probs(self, split: SplitName, texts: Sequence[str]) -> Array | None:
        """Return the log-probabilities <float64>[texts, labels] that scores of a split need; None if they need none."""
        is_needed = self.weight is not None or (self._learns and split == "dev")
        return self.model.log_probs(texts) if self.model and is_needed else None

    def learn(
        self, split: SplitName, gold: Array, network: Array, ngrams: Array, score: Callable[[Array], float]
    ) -> None:
        """Choose the weight on dev.

        Args:
            split: the name of the split.
            gold: <int64>[rows], the index of each row's label.
            network: the probabilities of the network <float>[rows, labels].
            ngrams: what `log_probs` returned.
            score: returns how good probabilities are; higher is better.
        """
        if self._learns and split == "dev":
            from paddle_tasks.metrics.mixing import choose_weight  # scipy.optimize is slow to import

            self.weight = choose_weight(gold, network, ngrams, score)

    def mix(self, network: Array, ngrams: Array) -> Array:
        """Return the probabilities <float>[rows, labels] of the network with those of n-grams."""
        return mix_log_odds(network, ngrams, self.weight or 0.0)

    def apply(self, network: Array, texts: Sequence[str]) -> Array:
        """Return the probabilities <float32>[rows, labels] of answers for those of the network."""
        return self.mix(network, self.model.log_probs(texts)) if self.model and self.weight else network

    def describe(self) -> list[str]:
        """Return a line about the n-grams; none without them."""
        if not self.model:
            return []
        sizes = [len(gram) for gram in self.model.grams]
        line = _("model.ngrams: {count:,} n-grams of {shortest} to {longest} characters, fitted to train")
        return [line.format(count=len(sizes), shortest=min(sizes), longest=max(sizes))]

    # ---- the model folder

    def save(self, folder: Path) -> None:
        """Write the n-grams into a model folder, if there are any."""
        if self.model:
            self.model.write(folder / FILE)

    def load(self, folder: Path, n_labels: int) -> None:
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        self.model = TextNgrams.read(folder / FILE, n_labels)

    def settings(self) -> dict[str, Any]:
        """Return what a model folder keeps; nothing before the weight is chosen."""
        return {} if self.weight is None else {KEY: self.weight}

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned."""
        weight = settings.get(KEY)
        self.weight = None if weight is None else float(weight)

    @classmethod
    def restored(cls, folder: Path, settings: Mapping[str, Any]) -> NgramMixture:
        """Return the n-grams of a model folder with these settings."""
        mixture = cls()
        mixture.restore(settings)
        if settings["config"]["model"].get("ngrams"):
            mixture.load(folder, len(settings["labels"]))
        return mixture


# ---- explanations


@dataclass(frozen=True, eq=False)
class TokenNgrams:
    """What n-grams add to the logits of a text, by token.

    Attributes:
        intercepts: the logits of a text without n-grams <float64>[labels].
        added: what each token adds to them <float64>[tokens + 2, labels]; [CLS] adds nothing, and the last row is that
            of the characters after the tokens.
        rest: the place of those; None if the tokens cover the text.
    """

    intercepts: Array
    added: Array
    rest: tuple[int, int] | None


def token_ngrams(mixture: NgramMixture, text: str, offsets: Array) -> TokenNgrams | None:
    """Return what n-grams add to the logits of a text; None if they add nothing.

    White space belongs to the token before it.

    Args:
        mixture: the n-grams and their weight.
        text: the text.
        offsets: <int>[tokens, 2], the place of each token; the text may go on after the last one.
    """
    if not (mixture.model and mixture.weight):
        return None
    ends = offsets[:, 1].max(initial=0)
    rest = (int(ends), len(text)) if text[ends:].strip() else None
    owners = np.searchsorted(offsets[:, 0], np.arange(len(text)), side="right").clip(min=1 if len(offsets) else 0)
    added = np.zeros((len(offsets) + 2, mixture.model.n_labels))
    owners[ends:] = len(offsets) + 1 if rest or not len(offsets) else len(offsets)
    np.add.at(added, owners, mixture.weight * mixture.model.contributions(text))
    return TokenNgrams(mixture.weight * mixture.model.intercepts(), added, rest)
