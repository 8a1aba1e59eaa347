"""Beam search: the most probable outputs, as transformers 5.23 searches for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from paddle_tasks.generation.continuation import Continuation, FinishReason, Step, StopRule, make_continuation
from paddle_tasks.generation.history import History
from paddle_tasks.generation.next_token import Logits, NextTokenModel, log_softmax
from paddle_tasks.generation.processors import Processor, kth_highest, make_processors
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary


@dataclass(frozen=True)
class Hypothesis:
    """A sequence of the beam.

    Attributes:
        steps: its tokens after the prompt.
        total: the sum of their scores.
    """

    steps: tuple[Step, ...] = ()
    total: float = 0.0

    @property
    def text(self) -> str:
        """The text after the prompt."""
        return self.steps[-1].text if self.steps else ""


class Candidate(NamedTuple):
    """A hypothesis and a token that may follow it.

    Attributes:
        beam: the number of the hypothesis in its beam.
        token: the token.
        total: the sum of the scores, this token's included.
    """

    beam: int
    token: int
    total: float


@dataclass
class Beam:
    """The search for one prompt.

    Attributes:
        prompt: the text of the prompt.
        running: the hypotheses that go on, the best first.
        finished: the best hypotheses that have ended, the best first.
    """

    prompt: str
    running: list[Hypothesis] = field(default_factory=lambda: [Hypothesis()])
    finished: list[Continuation] = field(default_factory=list)


class _Scores(NamedTuple):
    """The scores of the next token of all running hypotheses: <float32>[hypotheses, vocabulary] each.

    Attributes:
        log_probs: the log-probabilities by the model alone.
        processed: those after the processors.
    """

    log_probs: Logits
    processed: Logits


class BeamSearch:
    """Searches for the most probable outputs of several prompts; the result for one does not depend on the others."""

    def __init__(
        self,
        model: NextTokenModel,
        prompts: Sequence[Sequence[int]],
        vocabulary: OutputVocabulary,
        options: GenerationSection,
    ) -> None:
        self._model, self._prompts, self._vocabulary, self._options = model, prompts, vocabulary, options
        self._stop_rule, self._processors = StopRule(options, vocabulary), make_processors(options, vocabulary)
        # Each hypothesis may end in so many ways besides going on.
        self._n_candidates = max(2, 1 + len(vocabulary.end)) * options.num_beams

    def run(self) -> list[list[Continuation]]:
        """Return at most ``num_return_sequences`` outputs for each prompt, the best first."""
        beams = [Beam(self._vocabulary.decode(prompt)) for prompt in self._prompts]
        active = beams
        if beams:
            state, logits = self._model.start(self._prompts)
            history = History(self._prompts)
        while active:
            rows, tokens = self._extend(active, history, logits)
            active = [beam for beam in active if beam.running]
            if active:
                history.select(rows)
                history.append(tokens)
                state, logits = self._model.advance(self._model.select(state, rows), tokens)
        return [beam.finished[: self._options.num_return_sequences] for beam in beams]

    def _extend(self, beams: Sequence[Beam], history: History, logits: Logits) -> tuple[list[int], list[int]]:
        """Extend all beams by one token.

        Returns:
            For each hypothesis that goes on, the row of the one that it extends, and its last token.
        """
        scores = _score(logits, history, self._processors)
        rows, tokens, first = [], [], 0
        for beam in beams:
            of_beam = _Scores(*(part[first : first + len(beam.running)] for part in scores))
            for candidate in self._extend_beam(beam, of_beam):
                rows.append(first + candidate.beam)
                tokens.append(candidate.token)
            first += len(of_beam.log_probs)
        return rows, tokens

    def _extend_beam(self, beam: Beam, scores: _Scores) -> list[Candidate]:
        """Extend a beam by one token, and return those of its candidates that go on: none once the search is over."""
        candidates = rank_candidates(scores.processed, [one.total for one in beam.running], self._n_candidates)
        kept, running = [], []
        for rank, candidate in enumerate(candidates):
            extended, finish = self._append(beam, candidate, scores)
            if finish is None:
                kept.append(candidate)
                running.append(extended)
            elif rank < self._options.num_beams:
                self._finish(beam, extended, finish)
        if not candidates:  # every token is forbidden
            for hypothesis in beam.running:
                self._finish(beam, hypothesis, "blocked")
        beam.running = running[: self._options.num_beams]
        if not self._can_improve(beam):
            beam.running = []
        return kept[: len(beam.running)]

    def _append(self, beam: Beam, candidate: Candidate, scores: _Scores) -> tuple[Hypothesis, FinishReason | None]:
        """Return the hypothesis of a candidate, and why it ends."""
        before, token = beam.running[candidate.beam], candidate.token
        log_prob, score = (float(part[candidate.beam, token]) for part in scores)
        steps = (*before.steps, Step(token, before.text + self._vocabulary.texts[token], log_prob, score))
        extended = Hypothesis(steps, candidate.total)
        return extended, self._stop_rule.reason(beam.prompt, extended.text, token, len(steps))

    def _finish(self, beam: Beam, hypothesis: Hypothesis, finish: FinishReason) -> None:
        ended = make_continuation(hypothesis.steps, finish, self._options.length_penalty)
        beam.finished = sorted([*beam.finished, ended], key=lambda one: -one.score)[: self._options.num_beams]

    def _can_improve(self, beam: Beam) -> bool:
        """Return whether a running hypothesis may still become one of the best finished ones."""
        options = self._options
        if not beam.running or len(beam.finished) < options.num_beams:
            return bool(beam.running)
        if options.early_stopping is True:
            return False
        longest = options.early_stopping == "never" and options.length_penalty > 0
        length = options.max_new_tokens if longest else len(beam.running[0].steps)
        best = beam.running[0].total / float(length) ** options.length_penalty
        return bool(best > beam.finished[-1].score)


def _score(logits: Logits, history: History, processors: Sequence[Processor]) -> _Scores:
    log_probs = log_softmax(logits)
    processed = log_probs.copy()
    for processor in processors:
        processor(history, processed)
    return _Scores(log_probs, processed)


def rank_candidates(scores: Logits, totals: Sequence[float], n: int) -> list[Candidate]:
    """Return the n best pairs of a hypothesis and a token, the best first; pairs of equal totals in their order.

    Args:
        scores: <float32>[hypotheses, vocabulary], of the next token.
        totals: the sum of the scores of each hypothesis.
        n: the maximum number of pairs; one with the score -inf is never among them.
    """
    sums = np.asarray(scores + np.array(totals)[:, None], np.float64).ravel()
    lowest = kth_highest(sums, min(n, len(sums)))
    best = np.flatnonzero((sums >= lowest) & (sums > -np.inf))
    best = best[np.argsort(-sums[best], kind="stable")][:n]
    beams, tokens = np.divmod(best, scores.shape[1])
    ranked = zip(beams.tolist(), tokens.tolist(), sums[best].tolist(), strict=True)
    return [Candidate(beam, token, total) for beam, token, total in ranked]
