"""The weighted mean of the n-gram model and a trained causal model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from paddle_tasks import tasks
from paddle_tasks.data.batching.character_batches import CharacterBatch
from paddle_tasks.data.corpus.character_rows import Rows
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.novels import ChapterSplit
from paddle_tasks.errors import CheckpointError, ConfigError, did_you_mean
from paddle_tasks.files import expand_user, is_file, list_siblings, short_name
from paddle_tasks.generation.mixture import Mixture, fit_weight, mix_log_probs
from paddle_tasks.language import _
from paddle_tasks.models import cpu
from paddle_tasks.models.causal_lm import CausalLanguageModel
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.tasks.novel.ngrams import MIXTURE, FittedNgrams, Notify
from paddle_tasks.tasks.novel.scoring import CharacterScores, Part
from paddle_tasks.training.protocol import Evaluation

_ROWS_PER_BATCH = 8
"""Rows that are scored at once; the probabilities of all characters at each of their places are in memory."""


@dataclass(frozen=True)
class Partner:
    """A trained causal model and its task."""

    task: Any
    model: CausalLanguageModel


def load_partner(task: str, run: str) -> Partner:
    """Return the causal model of a run.

    Args:
        task: the name of the task.
        run: the run folder, or a model folder.

    Raises:
        CheckpointError: there is no trained model.
        ConfigError: it is not a causal one.
    """
    path = expand_user(run)
    folder = next((folder for folder in (path / "model", path) if is_file(folder / tasks.SETTINGS)), None)
    if folder is None:
        near = did_you_mean(str(path), list_siblings(path, folders_only=True))
        message = _("model.mixture: {run}: holds no trained model{near}")
        raise CheckpointError(message.format(run=short_name(path), near=near))
    trained, model = tasks.find(task).load(folder)
    if not isinstance(model, CausalLanguageModel):
        found = trained.config.model.architecture
        message = _("model.mixture: {run}: expected a causal model, found architecture {found}")
        raise ConfigError(message.format(run=short_name(path), found=found))
    model.eval()
    cpu.switch_in(model)
    return Partner(trained, model)


class FittedMixture:
    """The weighted mean of the n-gram model and a causal model.

    Attributes:
        weight: that of the causal model.
    """

    def __init__(self, ngrams: FittedNgrams, partner: Partner, dev: ChapterSplit, notify: Notify) -> None:
        """Find the weight that makes dev most probable.

        Raises:
            ConfigError: the causal model has another vocabulary.
        """
        self._ngrams, self._task, self._model = ngrams, partner.task, partner.model
        if self._task.vocabulary.entries != ngrams.vocabulary.entries:
            raise ConfigError(_("model.mixture: the vocabulary differs; expected a model trained on the same chapters"))
        causal = self._task.score_characters(self._model, dev, lambda: None)
        chosen = causal.texts.is_target
        parts = (causal.losses, ngrams.score_characters(dev).losses)
        self.weight = fit_weight(*(-losses[chosen].astype(np.float64) for losses in parts))
        note = _("{model}: the causal model has the weight {weight:.3f}, chosen on dev")
        notify(note.format(model=MIXTURE, weight=self.weight))

    @property
    def vocabulary(self) -> CharacterVocabulary:
        """The characters."""
        return self._ngrams.vocabulary

    @property
    def model(self) -> Mixture:
        """The mixture as decoding uses it."""
        return Mixture(self._task.reader.writer(self._model), self._ngrams.model, self.weight)

    @property
    def n_parameters(self) -> int:
        """The parameters of both models."""
        n_causal = sum(int(parameter.size) for parameter in self._model.parameters())
        return self._ngrams.model.n_parameters + n_causal

    def evaluate(self, split: ChapterSplit) -> Evaluation:
        """Score every character of a split."""
        rows = self._task.dataset(split.examples)
        n_unknown = len(self.vocabulary.unknown_types(chapter.text for chapter in split.examples))
        scores = CharacterScores.collect(rows.texts, list(self._score_batches(rows)), n_unknown)
        metrics = {**scores.metrics(), "causal_weight": self.weight}
        return Evaluation(metrics, scores.records(split.examples, self.vocabulary))

    def _score_batches(self, rows: Rows) -> Iterator[Part]:
        for start in range(0, len(rows), _ROWS_PER_BATCH):
            chosen = range(start, min(start + _ROWS_PER_BATCH, len(rows)))
            yield self._score(self._task.reader.batch(rows, chosen), rows)

    @without_gradients
    def _score(self, batch: CharacterBatch, rows: Rows) -> Part:
        inputs = (paddle.to_tensor(batch.input_ids), paddle.to_tensor(batch.positions))
        causal = self._model.log_probs(*inputs).numpy()
        ngrams = self._ngrams.next_log_probs(rows.texts, batch.indices)
        places = np.arange(len(batch.targets)), batch.targets
        losses = -mix_log_probs(causal[places], ngrams[places], self.weight)
        probs = self.weight * np.exp(causal) + (1 - self.weight) * np.exp(ngrams)
        return batch.indices, losses, probs.argmax(axis=1)
