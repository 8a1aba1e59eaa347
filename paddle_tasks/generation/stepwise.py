"""Greedy decoding and sampling: one token is chosen for each row, and never taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_tasks.generation.continuation import FinishReason, Step, StopRule
from paddle_tasks.generation.history import History
from paddle_tasks.generation.next_token import Logits, NextTokenModel, find_highest
from paddle_tasks.generation.processors import make_processors
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary

Chosen = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass
class Row:
    """An output that grows.

    Attributes:
        prompt: the text of its prompt.
        generator: draws its tokens; each row has its own, so that its text does not depend on the other rows.
        steps: its tokens so far.
        finish: why it has ended; None while it grows.
    """

    prompt: str
    generator: np.random.Generator
    steps: list[Step] = field(default_factory=list)
    finish: FinishReason | None = None

    @property
    def text(self) -> str:
        """The text so far, without the prompt."""
        return self.steps[-1].text if self.steps else ""


class StepwiseDecoder:
    """Continues prompts by greedy decoding or sampling.

    Attributes:
        rows: the outputs: ``num_return_sequences`` for the first prompt, then for the second.
    """

    def __init__(
        self,
        model: NextTokenModel,
        prompts: Sequence[Sequence[int]],
        vocabulary: OutputVocabulary,
        options: GenerationSection,
    ) -> None:
        self._model, self._prompts, self._vocabulary, self._options = model, prompts, vocabulary, options
        self._stop_rule, self._processors = StopRule(options, vocabulary), make_processors(options, vocabulary)
        self.rows = [
            Row(vocabulary.decode(prompt), make_generator(options.seed, number, prompt))
            for prompt in prompts
            for number in range(options.num_return_sequences)
        ]
        # Of the unfinished rows: themselves, the model's state and the tokens so far.
        self._active, self._history = list(self.rows), History(prompts)
        self._state: Any = None

    def run(self) -> Iterator[None]:
        """Add one token to each unfinished row, and yield; until all rows are finished."""
        logits = self._start() if self._active else None
        while logits is not None:
            logits, scores = self._drop_blocked(logits)
            if not self._active:
                return
            tokens = self._write(logits, scores)
            yield
            logits = self._advance(tokens)

    def _start(self) -> Logits:
        """Read the prompts, and return the logits <float32>[rows, vocabulary] of the first tokens."""
        self._state, logits = self._model.start(self._prompts)
        n_copies = self._options.num_return_sequences
        if n_copies == 1:
            return logits
        copies = [number for number in range(len(self._prompts)) for _ in range(n_copies)]
        self._state = self._model.select(self._state, copies)
        self._history.select(copies)
        return logits[copies]

    def _drop_blocked(self, logits: Logits) -> tuple[Logits, Logits]:
        """Return the logits and the processed scores of the active rows that have a token which is not forbidden."""
        find_highest(logits)  # it raises if they are not finite
        scores = np.array(logits, np.float32)
        for processor in self._processors:
            processor(self._history, scores)
        is_blocked = scores.max(axis=1) == -np.inf
        if not is_blocked.any():
            return logits, scores
        for number in np.flatnonzero(is_blocked):
            self._active[number].finish = "blocked"
        kept = self._keep_unfinished()
        return logits[kept], scores[kept]

    def _write(self, logits: Logits, scores: Logits) -> Chosen:
        """Choose a token for each active row, add it, and return the tokens <int64>[rows]."""
        tokens, chosen_scores = self._choose(scores)
        self._history.append(tokens)
        columns = (tokens.tolist(), log_prob_of(logits, tokens).tolist(), chosen_scores.tolist())
        for row, token, log_prob, score in zip(self._active, *columns, strict=True):
            # A single append, so that an interrupted row has all of its last token or nothing.
            row.steps.append(Step(token, row.text + self._vocabulary.texts[token], log_prob, score))
            row.finish = self._stop_rule.reason(row.prompt, row.text, token, len(row.steps))
        return tokens

    def _choose(self, scores: Logits) -> tuple[Chosen, Floats]:
        """Return the tokens <int64>[rows] and their log-probabilities <float64>[rows] in the scores' distribution."""
        if self._options.do_sample:
            return sample(scores, [row.generator.random() for row in self._active])
        tokens = scores.argmax(axis=1)
        return tokens, log_prob_of(scores, tokens)

    def _advance(self, tokens: Chosen) -> Logits | None:
        """Return the logits of the tokens after these; None if all rows are finished."""
        tokens = tokens[self._keep_unfinished()]
        if not self._active:
            return None
        self._state, logits = self._model.advance(self._state, tokens.tolist())
        return logits

    def _keep_unfinished(self) -> list[int]:
        """Drop the finished rows from the active ones, and return the numbers of those that are left."""
        kept = [number for number, row in enumerate(self._active) if row.finish is None]
        if len(kept) < len(self._active):
            self._active = [self._active[number] for number in kept]
            self._history.select(kept)
            self._state = self._model.select(self._state, kept) if kept else None
        return kept


def make_generator(seed: int, number: int, prompt: Sequence[int]) -> np.random.Generator:
    """Return the random generator of an output.

    Equal seeds, numbers and prompts give equal generators. Different prompts give independent ones, wherever they
    stand in a batch.

    Args:
        seed: the seed of the options.
        number: the number of the output among those of its prompt.
        prompt: the token ids of its prompt.
    """
    return np.random.default_rng([seed, number, *prompt])


def sample(scores: Logits, uniform: Sequence[float]) -> tuple[Chosen, Floats]:
    """Draw a token of each row by inverting its cumulative distribution.

    Args:
        scores: <float32>[rows, vocabulary]; a token with the score -inf is not drawn, and each row has another one.
        uniform: a random number of [0, 1) for each row.

    Returns:
        The tokens <int64>[rows] and their log-probabilities <float64>[rows].
    """
    tokens, log_probs = np.empty(len(scores), np.int64), np.empty(len(scores))
    for number, (row, fraction) in enumerate(zip(scores, uniform, strict=True)):
        allowed = np.flatnonzero(row > -np.inf)
        weights = np.exp(row[allowed] - row.max())
        cumulative = np.cumsum(weights, dtype=np.float64)
        total = cumulative[-1]
        # The product is below the total: a number below 1 has a distance to it that rounding keeps.
        place = np.searchsorted(cumulative, fraction * total, side="right")
        tokens[number], log_probs[number] = allowed[place], np.log(weights[place] / total)
    return tokens, log_probs


def log_prob_of(logits: Logits, tokens: Chosen) -> Floats:
    """Return the log-probability <float64>[rows] of a token of each row, from logits <float32>[rows, vocabulary].

    Raises:
        ValueError: see `find_highest`.
    """
    shifted = logits - find_highest(logits)[:, None]
    total = np.exp(shifted).sum(axis=1, dtype=np.float64)
    return np.asarray(shifted[np.arange(len(tokens)), tokens] - np.log(total), np.float64)
