"""Linear-chain CRF inference over IOB2 tags in numpy, without Paddle: path sums, the best path, span probabilities.

A chain is the conditional random field of Lafferty et al. (2001). The score of a path is the start score of its first
tag, plus the emission of every tag, plus the score of every transition, plus the end score of its last tag. Its
probability is the exponential of the score, divided by the sum over all paths (Sutton & McCallum 2012,
https://arxiv.org/abs/1011.4088, section 4).

Everything is computed in float64 in log space, so no score overflows. An illegal transition scores minus infinity: its
probability is exactly 0 whatever the emissions are. Internally arrays are <[length, tags, batch]>: numpy is five times
faster over a long last axis than over the few tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array

NEVER = -1e4  # an emission whose exponential is 0
OUTSIDE = 0  # the tag O; label k has the tags B-x = 2k + 1 and I-x = 2k + 2


class TokenSpan(NamedTuple):
    """The tokens [start, end) of a row, and the index of their label."""

    start: int
    end: int
    label: int


# ---- IOB2


def allowed_first_tags(n_labels: int) -> Array:
    """Return <bool>[tags], false for the tags I-x, with which no path can begin."""
    tags = np.arange(2 * n_labels + 1)
    allowed: Array = (tags % 2 == 1) | (tags == OUTSIDE)
    return allowed


def allowed_transitions(n_labels: int) -> Array:
    """Return <bool>[from, to], false where the second tag is I-x and the first is neither B-x nor I-x."""
    tags = np.arange(2 * n_labels + 1)
    same_label = (tags[:, None] + 1) // 2 == (tags + 1) // 2
    allowed: Array = allowed_first_tags(n_labels) | same_label
    return allowed


def spans_from_tags(tags: Array) -> list[TokenSpan]:
    """Return the spans of one row of legal tags <int64>[length], from left to right.

    `[0, 1, 2, 3, 0]` -> `[TokenSpan(1, 3, 0), TokenSpan(3, 4, 1)]`.
    """
    tags = np.asarray(tags)
    starts = np.flatnonzero(tags % 2 == 1)
    # A span ends before the next token that is not I-x.
    breaks = np.flatnonzero(np.append((tags % 2 == 1) | (tags == OUTSIDE), True))
    ends = breaks[np.searchsorted(breaks, starts, side="right")]
    labels = tags[starts] // 2
    return [TokenSpan(*fields) for fields in zip(starts.tolist(), ends.tolist(), labels.tolist(), strict=True)]


# ---- chains


@dataclass(frozen=True)
class Statistics:
    """One value for each row of a batch, and its derivatives with respect to every score of the chain.

    Attributes:
        values: <float64>[batch].
        emissions: <float64>[batch, length, tags], 0 in the padding.
        start: <float64>[batch, tags].
        transitions: <float64>[batch, tags, tags].
        end: <float64>[batch, tags].
    """

    values: Array
    emissions: Array
    start: Array
    transitions: Array
    end: Array

    def __sub__(self, other: Statistics) -> Statistics:
        return Statistics(**{name: value - getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Chain:
    """The scores of a chain that do not depend on the text; scores of illegal transitions are ignored.

    Attributes:
        start: <float>[tags], the scores of the first tag.
        transitions: <float>[from, to].
        end: <float>[tags], the scores of the last tag.
    """

    start: Array
    transitions: Array
    end: Array

    @classmethod
    def without_scores(cls, n_labels: int) -> Chain:
        """Return a chain that scores every legal transition 0: it enforces IOB2 and nothing else."""
        n_tags = 2 * n_labels + 1
        return cls(np.zeros(n_tags), np.zeros((n_tags, n_tags)), np.zeros(n_tags))

    @cached_property
    def legal_scores(self) -> tuple[Array, Array, Array]:
        """The start, transition and end scores in <float64>, minus infinity where a tag or transition is illegal."""
        n_labels = len(self.start) // 2
        start = np.where(allowed_first_tags(n_labels), self.start, -np.inf)
        transitions = np.where(allowed_transitions(n_labels), self.transitions, -np.inf)
        return start.astype(np.float64), transitions.astype(np.float64), self.end.astype(np.float64)

    def sum_paths(self, emissions: Array, lengths: Array) -> PathSums:
        """Run the forward-backward algorithm over all legal paths of each row.

        Args:
            emissions: <float>[batch, length, tags]; the padding may hold anything.
            lengths: <int64>[batch], real tokens of each row, at least 1.
        """
        start, transitions, end = self.legal_scores
        scores, real = _to_inner_layout(emissions, lengths)
        # Read from its end, a chain is a chain with transposed transitions: one loop computes both directions.
        reverse = np.where(real, lengths - 1 - np.arange(len(real))[:, None], 0)[:, None]
        directions = np.stack([scores, np.take_along_axis(scores, reverse, axis=0)], axis=1)
        sums = _log_sums(np.stack([start, end]), np.stack([transitions, transitions.T]), directions)
        return PathSums(self, scores, real, sums[:, 0], np.take_along_axis(sums[:, 1], reverse, axis=0))

    def score_paths(self, emissions: Array, tags: Array, lengths: Array) -> Statistics:
        """Return the scores of one path for each row.

        Args:
            emissions: <float>[batch, length, tags]; the padding may hold anything.
            tags: <int64>[batch, length], the paths; the padding may hold anything.
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Raises:
            ValueError: a path makes an illegal transition; its score would be minus infinity.
        """
        real = np.arange(emissions.shape[1]) < lengths[:, None]
        tags = np.where(real, tags, OUTSIDE)
        self._check(tags)
        one_hot, rows = np.eye(len(self.start)), np.arange(len(tags))
        first, last = tags[:, 0], tags[rows, lengths - 1]
        transitions = np.zeros((len(tags), *self.transitions.shape))
        row, position = np.nonzero(real[:, 1:])
        np.add.at(transitions, (row, tags[row, position], tags[row, position + 1]), 1.0)
        taken = np.take_along_axis(emissions, tags[..., None], axis=2)[..., 0].astype(np.float64)
        values = np.where(real, taken, 0.0).sum(axis=1) + self.start[first] + self.end[last]
        values += (transitions * self.transitions).sum(axis=(1, 2))
        return Statistics(values, one_hot[tags] * real[..., None], one_hot[first], transitions, one_hot[last])

    def _check(self, tags: Array) -> None:
        previous = np.pad(tags, ((0, 0), (1, 0)))[:, :-1]  # a path may begin with whatever may follow O
        legal = allowed_transitions(len(self.start) // 2)[previous, tags]
        if not legal.all():
            row, position = np.argwhere(~legal)[0].tolist()
            origin = f"tag {previous[row, position]}" if position else "the start"
            raise ValueError(
                f"tags: row {row} of the batch goes from {origin} to tag {tags[row, position]} at position {position}; "
                "in IOB2, I-x may only follow B-x or I-x"
            )

    def decode(self, emissions: Array, lengths: Array) -> Array:
        """Return the best legal path of each row (Viterbi, 1967).

        Args:
            emissions: <float>[batch, length, tags]; the padding may hold anything.
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Returns:
            <int64>[batch, length], O in the padding.
        """
        start, transitions, end = self.legal_scores
        scores, real = _to_inner_layout(emissions, lengths)
        best, origins = _best_scores(start, transitions, scores)
        # In the padding, tracing back keeps the tag until it reaches the last token.
        origins = np.where(real[1:, None], origins, np.arange(len(start))[:, None])
        rows, path = np.arange(len(lengths)), np.empty(real.shape, dtype=np.int64)
        path[-1] = (best[lengths - 1, :, rows] + end).argmax(axis=1)
        for position in range(len(path) - 1, 0, -1):
            path[position - 1] = origins[position - 1, path[position], rows]
        tags: Array = np.where(real, path, OUTSIDE).T
        return tags


@dataclass(frozen=True, eq=False)
class PathSums:
    """Log-sums over the legal paths of a batch, and the probabilities that follow from them.

    Attributes:
        chain: the chain that scored the paths.
        scores: the emissions <float64>[length, tags, batch], 0 in the padding.
        real: <bool>[length, batch], false in the padding.
        forward: log-sums over all paths from the start up to and including a tag, <float64>[length, tags, batch].
        backward: log-sums over all paths from a tag, included, to the end of the row, of the same shape.
    """

    chain: Chain
    scores: Array
    real: Array
    forward: Array
    backward: Array

    @cached_property
    def log_partition(self) -> Array:
        """The logarithm of the sum over all legal paths, <float64>[batch]."""
        start, _, _ = self.chain.legal_scores
        return _log_sum(start[:, None] + self.backward[0])

    @cached_property
    def marginals(self) -> Array:
        """The probability of each tag of each token, <float64>[batch, length, tags]; 0 in the padding."""
        logs = self.forward + self.backward - self.scores - self.log_partition
        return _to_probs(logs, self.real[:, None]).transpose(2, 0, 1)

    def expected_transitions(self) -> Array:
        """Return the expected number of each transition in each row, <float64>[batch, tags, tags]."""
        _, transitions, _ = self.chain.legal_scores
        logs = self.forward[:-1, :, None] + transitions[..., None] + self.backward[1:, None] - self.log_partition
        expected: Array = _to_probs(logs, self.real[1:, None, None]).sum(axis=0).transpose(2, 0, 1)
        return expected

    def statistics(self) -> Statistics:
        """Return the log-partition; its derivatives are the expected counts of tags and transitions."""
        last = self.marginals[np.arange(self.real.shape[1]), self.real.sum(axis=0) - 1]
        transitions = self.expected_transitions()
        return Statistics(self.log_partition, self.marginals, self.marginals[:, 0], transitions, last)

    def span_prob(self, row: int, span: TokenSpan) -> float:
        """Return the probability that a row has exactly this span: same start, same end, same label."""
        _, transitions, end = self.chain.legal_scores
        begin, inside = 2 * span.label + 1, 2 * span.label + 2
        tags = np.array([begin] + [inside] * (span.end - span.start - 1))
        log = self.forward[span.start, begin, row] + transitions[tags[:-1], tags[1:]].sum()
        log += self.scores[span.start + 1 : span.end, inside, row].sum()
        if span.end < self.real[:, row].sum():
            onward = transitions[tags[-1]] + self.backward[span.end, :, row]
            log += _log_sum(np.delete(onward, inside)[:, None])[0]
        else:
            log += end[tags[-1]]
        return min(1.0, float(np.exp(log - self.log_partition[row])))  # rounding may exceed 1

    def likely_spans(self, min_prob: float) -> list[list[tuple[TokenSpan, float]]]:
        """Return the spans of each row with a probability of at least ``min_prob``, from left to right.

        The spans of a row may overlap.

        Args:
            min_prob: more than 0.
        """
        rows: list[list[tuple[TokenSpan, float]]] = [[] for _ in range(self.real.shape[1])]
        for label in range(len(self.chain.start) // 2):
            for length, probs in enumerate(self._span_probs(label, min_prob), start=1):
                for start, row in np.argwhere(probs >= min_prob).tolist():
                    rows[row].append((TokenSpan(start, start + length, label), float(probs[start, row])))
        return [sorted(spans) for spans in rows]

    def _span_probs(self, label: int, min_prob: float) -> Iterator[Array]:
        """Yield the probabilities <float64>[starts, batch] of spans of 1, 2, … tokens.

        It ends when no longer span can reach ``min_prob``.
        """
        _, transitions, _ = self.chain.legal_scores
        begin, inside = 2 * label + 1, 2 * label + 2
        ends = {tag: self._end_log_sums(tag, inside) for tag in (begin, inside)}
        tag, begun = begin, self.forward[:, begin] - self.log_partition  # all paths with a span that begins here
        for first in range(len(self.real)):
            last = slice(first, None)
            yield _to_probs(begun + ends[tag][last], self.real[last])
            longer = begun[:-1] + transitions[tag, inside] + self.scores[first + 1 :, inside]
            onward = longer + self.backward[first + 1 :, inside] - self.scores[first + 1 :, inside]
            if _to_probs(onward, self.real[first + 1 :]).max(initial=0.0) < min_prob:
                return
            tag, begun = inside, longer

    def _end_log_sums(self, tag: int, inside: int) -> Array:
        """Return log-sums <float64>[length, batch] over the ways a span can end at a token with this tag.

        After its last token follows any tag but ``inside``, or the end of the row.
        """
        _, transitions, end = self.chain.legal_scores
        others = np.delete(np.arange(len(end)), inside)
        onward = transitions[tag, others, None, None] + self.backward[1:, others].transpose(1, 0, 2)
        sums = np.full(self.real.shape, end[tag])
        sums[:-1] = np.where(self.real[1:], _log_sum(onward), end[tag])
        return sums


def _to_inner_layout(emissions: Array, lengths: Array) -> tuple[Array, Array]:
    """Return emissions as <float64>[length, tags, batch] with zeros in the padding, and <bool>[length, batch]."""
    real = np.arange(emissions.shape[1])[:, None] < lengths
    return np.where(real[:, None], emissions.transpose(1, 2, 0), 0.0).astype(np.float64), real


def _log_sums(start: Array, transitions: Array, scores: Array) -> Array:
    """Return the log-sums over all paths to each tag, for several chains at once.

    Args:
        start: <float64>[chains, tags].
        transitions: <float64>[chains, tags, tags].
        scores: <float64>[length, chains, tags, batch].

    Returns:
        <float64>[length, chains, tags, batch].
    """
    sums = np.empty_like(scores)
    sums[0] = start[..., None] + scores[0]
    moves = transitions[..., None]
    with np.errstate(invalid="ignore"):  # the training loop stops at scores that are not finite and says where
        for position in range(1, len(scores)):
            onward = sums[position - 1][:, :, None] + moves
            highest = onward.max(axis=1)  # finite: any tag may be followed by O and B-x, and I-x follows B-x
            onward -= highest[:, None]
            np.exp(onward, out=onward)
            np.add(np.log(onward.sum(axis=1)), highest, out=sums[position])
            sums[position] += scores[position]
    return sums


def _to_probs(logs: Array, real: Array) -> Array:
    """Return exponentials, 0 in the padding and at most 1: huge scores may round to more."""
    probs: Array = np.exp(np.minimum(np.where(real, logs, -np.inf), 0.0))
    return probs


def _log_sum(values: Array) -> Array:
    """Return the logarithm of the sum of exponentials over the first axis, <float64>[tags, batch] -> [batch]."""
    highest = values.max(axis=0)
    total: Array = np.log(np.exp(values - highest).sum(axis=0)) + highest
    return total


def _best_scores(start: Array, transitions: Array, scores: Array) -> tuple[Array, Array]:
    """Return the score of the best path to each tag, and the tag before it on that path.

    Args:
        start: <float64>[tags].
        transitions: <float64>[tags, tags].
        scores: <float64>[length, tags, batch].

    Returns:
        <float64>[length, tags, batch] and <int64>[length - 1, tags, batch].
    """
    best, origins = np.empty_like(scores), np.empty((len(scores) - 1, *scores.shape[1:]), dtype=np.int64)
    best[0] = start[:, None] + scores[0]
    for position in range(1, len(scores)):
        onward = best[position - 1][:, None] + transitions[..., None]
        origins[position - 1] = onward.argmax(axis=0)
        np.add(onward.max(axis=0), scores[position], out=best[position])
    return best, origins
