"""Processors: rules that change the scores of the next token before one is chosen, as transformers 5.23 has them.

A processor changes the scores in place: <float32>[rows, vocabulary], logits or, in beam search, log-probabilities. A
token with -inf cannot be chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from paddle_tasks.generation.history import NO_TOKEN, History, Ids
from paddle_tasks.generation.next_token import Logits
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_PER_NAT, _N_DISTANCES = 16, 512
"""Steps in which top-p measures the distance of a score from the highest, and their number."""
_BLOCK = 16
"""Values of which the highest is looked up first."""


class Processor(Protocol):
    """Changes the scores of rows in place."""

    def __call__(self, history: History, scores: Logits) -> None:
        """Change the scores of each row's next token."""


# ---- rules on earlier tokens and forbidden ones


class RepetitionPenalty:
    """Lowers the scores of a row's earlier tokens, each once: s becomes s · penalty below 0, else s / penalty."""

    def __init__(self, penalty: float) -> None:
        self.penalty = np.float32(penalty)

    def __call__(self, history: History, scores: Logits) -> None:
        """See `Processor`."""
        rows, tokens = _list_outputs(history.ids, history.ids != NO_TOKEN, scores)
        earlier = scores[rows, tokens]
        scores[rows, tokens] = np.where(earlier < 0, earlier * self.penalty, earlier / self.penalty)


class NoRepeatNGram:
    """Forbids the tokens that would complete an n-gram that the row already contains."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, history: History, scores: Logits) -> None:
        """See `Processor`."""
        ids, n_before = history.ids, self.size - 1
        if ids.shape[1] < self.size:
            return
        # An n-gram can only be completed by the next token if it begins with the row's last tokens.
        n_windows = ids.shape[1] - n_before
        is_completed = ids[:, n_before:] != NO_TOKEN
        for offset in range(n_before):
            is_completed &= ids[:, offset : offset + n_windows] == ids[:, offset - n_before, None]
        scores[_list_outputs(ids[:, n_before:], is_completed, scores)] = -np.inf


class NoRepeatWindow:
    """Forbids the last tokens of a row, so that no token equals one of so many before it."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, history: History, scores: Logits) -> None:
        """See `Processor`."""
        last = history.ids[:, max(history.ids.shape[1] - self.size, 0) :]
        scores[_list_outputs(last, last != NO_TOKEN, scores)] = -np.inf


class NoBadWords:
    """Forbids the token that would complete a forbidden sequence, which may begin in the prompt."""

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        """Take token ids; sequences of one length are compared together."""
        self.groups = [
            np.array([sequence for sequence in sequences if len(sequence) == length], np.int64)
            for length in sorted({len(sequence) for sequence in sequences} - {0})
        ]

    def __call__(self, history: History, scores: Logits) -> None:
        """See `Processor`."""
        for group in self.groups:
            n_before = group.shape[1] - 1
            if n_before > history.ids.shape[1]:
                continue
            ending = history.ids[:, history.ids.shape[1] - n_before :]
            rows, words = np.nonzero((ending[:, None] == group[:, :-1]).all(axis=2))
            scores[rows, group[words, -1]] = -np.inf


class MinNewTokens:
    """Forbids the end tokens before a row has so many new tokens."""

    def __init__(self, minimum: int, end: Sequence[int]) -> None:
        self.minimum, self.forbid = minimum, ForbiddenTokens(end)

    def __call__(self, history: History, scores: Logits) -> None:
        """See `Processor`."""
        if history.n_new < self.minimum:
            self.forbid(history, scores)


class ForbiddenTokens:
    """Forbids the same tokens at every step."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = np.array(tokens, np.int64)

    def __call__(self, history: History, scores: Logits) -> None:  # noqa: ARG002
        """See `Processor`."""
        scores[:, self.tokens[self.tokens < scores.shape[1]]] = -np.inf


def _list_outputs(ids: Ids, is_wanted: Flags, scores: Logits) -> tuple[Places, Ids]:
    """Return rows and ids of wanted tokens, <int64>[tokens] both, without tokens that only a prompt can have."""
    rows, columns = np.nonzero(is_wanted & (ids < scores.shape[1]))
    return rows, ids[rows, columns]


# ---- the shape of the distribution, in sampling only


class Temperature:
    """Divides the scores by the temperature."""

    def __init__(self, temperature: float) -> None:
        self.temperature = np.float32(temperature)

    def __call__(self, history: History, scores: Logits) -> None:  # noqa: ARG002
        """See `Processor`."""
        np.divide(scores, self.temperature, out=scores)


class TopK:
    """Keeps the k highest scores, and all that equal the last of them."""

    def __init__(self, k: int) -> None:
        self.k = k

    def __call__(self, history: History, scores: Logits) -> None:  # noqa: ARG002
        """See `Processor`."""
        if self.k < scores.shape[1]:
            lowest_kept = np.array([kth_highest(row, self.k) for row in scores])
            np.copyto(scores, -np.inf, where=scores < lowest_kept[:, None])


class TopP:
    """Keeps the fewest tokens whose probability reaches p, at least one; the probabilities of all add up to 1."""

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, history: History, scores: Logits) -> None:  # noqa: ARG002
        """See `Processor`."""
        for row in scores:
            tokens = np.flatnonzero(row > -np.inf)
            if len(tokens):
                row[tokens[~self._find_kept(row[tokens])]] = -np.inf

    def _find_kept(self, scores: Logits) -> Flags:
        """Return <bool>[tokens], whether each token is kept, from finite scores <float32>[tokens].

        The tokens are counted out by the distance of their scores from the highest; only those at the distance where
        the probability is reached are sorted.
        """
        below_highest = scores.max() - scores
        probs = np.exp(-below_highest, dtype=np.float64)
        probs /= probs.sum()
        distances = np.minimum(below_highest * _PER_NAT, _N_DISTANCES - 1).astype(np.int64)
        sums = np.cumsum(np.bincount(distances, probs, _N_DISTANCES))
        border = min(int(np.searchsorted(sums, self.p)), _N_DISTANCES - 1)
        at_border = np.flatnonzero(distances == border)
        ascending = at_border[np.argsort(probs[at_border], kind="stable")]
        beyond = max(1.0 - sums[border], 0.0)
        n_dropped = np.count_nonzero(beyond + np.cumsum(probs[ascending]) <= 1 - self.p)
        kept: Flags = distances < border
        kept[ascending[min(n_dropped, len(ascending) - 1) :]] = True
        return kept


class MinP:
    """Keeps the tokens whose probability is at least a fraction of the highest."""

    def __init__(self, p: float) -> None:
        self.log_p = math.log(p)

    def __call__(self, history: History, scores: Logits) -> None:  # noqa: ARG002
        """See `Processor`."""
        np.copyto(scores, -np.inf, where=scores < scores.max(axis=1, keepdims=True) + self.log_p)


def kth_highest(values: npt.NDArray[Any], k: int) -> float:
    """Return the k-th highest of at least k values <float>[values]."""
    in_blocks = values[: len(values) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if len(in_blocks) >= k:
        # The k highest block maxima are k values: the k-th highest of all is not below them. Few values need sorting.
        values = values[values >= _partition(in_blocks.max(axis=1), k)]
    return _partition(values, k)


def _partition(values: npt.NDArray[Any], k: int) -> float:
    return float(np.partition(values, len(values) - k)[len(values) - k])


# ---- the order


def make_processors(options: GenerationSection, vocabulary: OutputVocabulary) -> list[Processor]:
    """Return the processors that the options ask for, in the order in which they are applied."""
    return [*_rules(options, vocabulary), *_shapes(options)]


def _rules(options: GenerationSection, vocabulary: OutputVocabulary) -> Iterator[Processor]:
    if options.repetition_penalty != 1:
        yield RepetitionPenalty(options.repetition_penalty)
    if options.no_repeat_ngram_size:
        yield NoRepeatNGram(options.no_repeat_ngram_size)
    if options.no_repeat_window:
        yield NoRepeatWindow(options.no_repeat_window)
    if options.bad_words:
        yield NoBadWords([vocabulary.encode(word) for word in options.bad_words])
    if options.min_new_tokens and vocabulary.end:
        yield MinNewTokens(options.min_new_tokens, vocabulary.end)
    if vocabulary.forbidden:
        yield ForbiddenTokens(vocabulary.forbidden)


def _shapes(options: GenerationSection) -> Iterator[Processor]:
    """Yield the processors of sampling; their options do nothing without it."""
    if options.temperature != 1:
        yield Temperature(options.temperature)
    if options.top_k:
        yield TopK(options.top_k)
    if options.top_p < 1:
        yield TopP(options.top_p)
    if options.min_p:
        yield MinP(options.min_p)
