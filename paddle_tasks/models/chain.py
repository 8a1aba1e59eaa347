"""Linear chains of IOB2 tags in numpy, without Paddle: sums over all paths, the best path, chances of spans.

A chain is the conditional random field of Lafferty et al. (2001): a path's score is that of its first tag, plus the
emissions of all its tags, plus those of its moves from tag to tag, plus that of its last tag; its probability is the
exponential of that over the sum of all paths' (Sutton & McCallum 2012, https://arxiv.org/abs/1011.4088, section 4).

All is computed in float64 and by log-sums, which no score makes overflow. An illegal move scores minus infinity: its
probability is 0 to the last bit, whatever the emissions are. Inside, arrays are <[length, tags, batch]>: numpy is five
times as fast over a long last axis as over the few tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array

OUTSIDE = 0  # the tag O; B-x and I-x of the label numbered k are 2k + 1 and 2k + 2


class TokenSpan(NamedTuple):
    """Tokens ``start`` to ``end``, the latter not included, and the number of their label."""

    start: int
    end: int
    label: int


# ---- IOB2


def first_allowed(n_labels: int) -> Array:
    """Return <bool>[tags], false for the tags I-x, with which no path can begin."""
    tags = np.arange(2 * n_labels + 1)
    allowed: Array = (tags % 2 == 1) | (tags == OUTSIDE)
    return allowed


def moves_allowed(n_labels: int) -> Array:
    """Return <bool>[tags, tags], false where the second tag is I-x and the first is neither B-x nor I-x."""
    tags = np.arange(2 * n_labels + 1)
    same_label = (tags[:, None] + 1) // 2 == (tags + 1) // 2
    allowed: Array = first_allowed(n_labels) | same_label
    return allowed


def spans_of(tags: Array) -> list[TokenSpan]:
    """Return the spans of one row of legal tags <int64>[length], from left to right."""
    tags = np.asarray(tags)
    starts = np.flatnonzero(tags % 2 == 1)
    # A span ends before the next token that is not inside.
    breaks = np.flatnonzero(np.append((tags % 2 == 1) | (tags == OUTSIDE), True))
    ends = breaks[np.searchsorted(breaks, starts, side="right")]
    labels = tags[starts] // 2
    return [TokenSpan(*found) for found in zip(starts.tolist(), ends.tolist(), labels.tolist(), strict=True)]


# ---- chains


@dataclass(frozen=True)
class Statistics:
    """A number for each row of a batch, and its derivatives with respect to all scores of the chain.

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
    """The scores of a chain that do not depend on the text; those of illegal moves are not looked at.

    Attributes:
        start: <float>[tags], of the first tag.
        transitions: <float>[tags, tags], of the move from the first to the second.
        end: <float>[tags], of the last tag.
    """

    start: Array
    transitions: Array
    end: Array

    @classmethod
    def without_scores(cls, n_labels: int) -> Chain:
        """Return the chain whose every legal move scores 0: the tags know nothing of each other but the rules."""
        n_tags = 2 * n_labels + 1
        return cls(np.zeros(n_tags), np.zeros((n_tags, n_tags)), np.zeros(n_tags))

    @cached_property
    def _legal(self) -> tuple[Array, Array, Array]:
        """The scores in float64, minus infinity for what is illegal."""
        n_labels = len(self.start) // 2
        start = np.where(first_allowed(n_labels), self.start, -np.inf)
        transitions = np.where(moves_allowed(n_labels), self.transitions, -np.inf)
        return start.astype(np.float64), transitions.astype(np.float64), self.end.astype(np.float64)

    def paths(self, emissions: Array, lengths: Array) -> Paths:
        """Return the log-sums over all legal paths of each row, from which partition and marginals follow.

        Args:
            emissions: <float>[batch, length, tags]; in the padding anything may stand.
            lengths: <int64>[batch], real tokens of each row, at least 1.
        """
        start, transitions, end = self._legal
        scores, real = _inside(emissions, lengths)
        # Read from its end a chain is one too, with its moves turned round: one loop goes in both directions.
        turned = np.where(real, lengths - 1 - np.arange(len(real))[:, None], 0)[:, None]
        both = np.stack([scores, np.take_along_axis(scores, turned, axis=0)], axis=1)
        sums = _log_sums(np.stack([start, end]), np.stack([transitions, transitions.T]), both)
        return Paths(self, scores, real, sums[:, 0], np.take_along_axis(sums[:, 1], turned, axis=0))

    def of_path(self, emissions: Array, tags: Array, lengths: Array) -> Statistics:
        """Return the scores of paths <int64>[batch, length]; in the padding anything may stand.

        Raises:
            ValueError: a path makes an illegal move; its score would be minus infinity.
        """
        real = np.arange(emissions.shape[1]) < lengths[:, None]
        tags = np.where(real, tags, OUTSIDE)
        self._check(tags)
        each, rows = np.eye(len(self.start)), np.arange(len(tags))
        first, last = tags[:, 0], tags[rows, lengths - 1]
        moves = np.zeros((len(tags), *self.transitions.shape))
        row, place = np.nonzero(real[:, 1:])
        np.add.at(moves, (row, tags[row, place], tags[row, place + 1]), 1.0)
        taken = np.take_along_axis(emissions, tags[..., None], axis=2)[..., 0].astype(np.float64)
        values = np.where(real, taken, 0.0).sum(axis=1) + self.start[first] + self.end[last]
        values += (moves * self.transitions).sum(axis=(1, 2))
        return Statistics(values, each[tags] * real[..., None], each[first], moves, each[last])

    def _check(self, tags: Array) -> None:
        before = np.pad(tags, ((0, 0), (1, 0)))[:, :-1]  # before the first tag stands O, as it were
        legal = moves_allowed(len(self.start) // 2)[before, tags]
        if not legal.all():
            row, place = np.argwhere(~legal)[0].tolist()
            origin = f"tag {before[row, place]}" if place else "the start"
            raise ValueError(
                f"tags: row {row} of the batch goes from {origin} to tag {tags[row, place]} at position {place}; "
                "in IOB2, I-x stands behind B-x or I-x only"
            )

    def decode(self, emissions: Array, lengths: Array) -> Array:
        """Return each row's best legal path (Viterbi, 1967).

        Args:
            emissions: <float>[batch, length, tags]; in the padding anything may stand.
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Returns:
            <int64>[batch, length], O in the padding.
        """
        start, transitions, end = self._legal
        scores, real = _inside(emissions, lengths)
        states, origins = _best(start, transitions, scores)
        # Behind a row's end the way back keeps its tag, until it comes to the last token.
        origins = np.where(real[1:, None], origins, np.arange(len(start))[:, None])
        rows, path = np.arange(len(lengths)), np.empty(real.shape, dtype=np.int64)
        path[-1] = (states[lengths - 1, :, rows] + end).argmax(axis=1)
        for place in range(len(path) - 1, 0, -1):
            path[place - 1] = origins[place - 1, path[place], rows]
        found: Array = np.where(real, path, OUTSIDE).T
        return found


@dataclass(frozen=True, eq=False)
class Paths:
    """The legal paths of a batch, summed up.

    Attributes:
        chain: whose paths they are.
        scores: the emissions <float64>[length, tags, batch], 0 in the padding.
        real: <bool>[length, batch], false in the padding.
        ahead: log-sums over all paths to a tag, which is included, <float64>[length, tags, batch].
        behind: log-sums over all paths from a tag, which is included, to the row's end, of the same shape.
    """

    chain: Chain
    scores: Array
    real: Array
    ahead: Array
    behind: Array

    @cached_property
    def log_partition(self) -> Array:
        """The logarithm of the sum over all legal paths, <float64>[batch]."""
        start, _, _ = self.chain._legal
        return _log_sum(start[:, None] + self.behind[0])

    @cached_property
    def marginals(self) -> Array:
        """The probability of each tag of each token, <float64>[batch, length, tags]; 0 in the padding."""
        logs = self.ahead + self.behind - self.scores - self.log_partition
        return _chances(logs, self.real[:, None]).transpose(2, 0, 1)

    def moves(self) -> Array:
        """Return how often each move is expected in each row, <float64>[batch, tags, tags]."""
        _, transitions, _ = self.chain._legal
        logs = self.ahead[:-1, :, None] + transitions[..., None] + self.behind[1:, None] - self.log_partition
        expected: Array = _chances(logs, self.real[1:, None, None]).sum(axis=0).transpose(2, 0, 1)
        return expected

    def statistics(self) -> Statistics:
        """Return the log-partition, whose derivatives are the expected counts of everything that scores."""
        last = self.marginals[np.arange(self.real.shape[1]), self.real.sum(axis=0) - 1]
        return Statistics(self.log_partition, self.marginals, self.marginals[:, 0], self.moves(), last)

    def span_prob(self, row: int, span: TokenSpan) -> float:
        """Return the probability that exactly this span stands in a row: begins, goes on and ends as it does."""
        _, transitions, end = self.chain._legal
        begin, inside = 2 * span.label + 1, 2 * span.label + 2
        tags = np.array([begin] + [inside] * (span.end - span.start - 1))
        log = self.ahead[span.start, begin, row] + transitions[tags[:-1], tags[1:]].sum()
        log += self.scores[span.start + 1 : span.end, inside, row].sum()
        if span.end < self.real[:, row].sum():
            onward = transitions[tags[-1]] + self.behind[span.end, :, row]
            log += _log_sum(np.delete(onward, inside)[:, None])[0]
        else:
            log += end[tags[-1]]
        return min(1.0, float(np.exp(log - self.log_partition[row])))  # rounding may go beyond

    def spans(self, least: float) -> list[list[tuple[TokenSpan, float]]]:
        """Return each row's spans whose probability is at least so much, from left to right; they may overlap.

        Args:
            least: more than 0.
        """
        found: list[list[tuple[TokenSpan, float]]] = [[] for _ in range(self.real.shape[1])]
        for label in range(len(self.chain.start) // 2):
            for length, probs in enumerate(self._chances_of(label, least), start=1):
                for start, row in np.argwhere(probs >= least).tolist():
                    found[row].append((TokenSpan(start, start + length, label), float(probs[start, row])))
        return [sorted(spans) for spans in found]

    def _chances_of(self, label: int, least: float) -> Iterator[Array]:
        """Yield for lengths of 1, 2, … the chance <float64>[starts, batch] of a span, while one may reach the least."""
        _, transitions, _ = self.chain._legal
        inside = 2 * label + 2
        before = inside - 1
        left = {tag: self._left(tag, inside) for tag in (before, inside)}
        begun = self.ahead[:, before] - self.log_partition  # all paths that begin a span here and are still in it
        for first in range(len(self.real)):
            last = slice(first, None)
            yield _chances(begun + left[before][last], self.real[last])
            longer = begun[:-1] + transitions[before, inside] + self.scores[first + 1 :, inside]
            onward = longer + self.behind[first + 1 :, inside] - self.scores[first + 1 :, inside]
            if _chances(onward, self.real[first + 1 :]).max(initial=0.0) < least:
                return
            begun, before = longer, inside

    def _left(self, tag: int, inside: int) -> Array:
        """Return log-sums over what may stand behind a span's last tag <float64>[length, batch]: all but ``inside``."""
        _, transitions, end = self.chain._legal
        others = np.delete(np.arange(len(end)), inside)
        onward = transitions[tag, others, None, None] + self.behind[1:, others].transpose(1, 0, 2)
        left = np.full(self.real.shape, end[tag])
        left[:-1] = np.where(self.real[1:], _log_sum(onward), end[tag])
        return left


def _inside(emissions: Array, lengths: Array) -> tuple[Array, Array]:
    """Return emissions as <float64>[length, tags, batch] with zeros in the padding, and <bool>[length, batch]."""
    real = np.arange(emissions.shape[1])[:, None] < lengths
    return np.where(real[:, None], emissions.transpose(1, 2, 0), 0.0).astype(np.float64), real


def _log_sums(start: Array, transitions: Array, scores: Array) -> Array:
    """Return the log-sums over all paths to each tag, of several chains at once.

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
    with np.errstate(invalid="ignore"):  # scores that are not finite stop the training, which says where
        for place in range(1, len(scores)):
            onward = sums[place - 1][:, :, None] + moves
            most = onward.max(axis=1)  # finite: any tag may be followed by O and by B-x, and I-x comes from B-x
            onward -= most[:, None]
            np.exp(onward, out=onward)
            np.add(np.log(onward.sum(axis=1)), most, out=sums[place])
            sums[place] += scores[place]
    return sums


def _chances(logs: Array, real: Array) -> Array:
    """Return exponentials, 0 in the padding; rounding of huge scores must not make a probability more than 1."""
    chances: Array = np.exp(np.minimum(np.where(real, logs, -np.inf), 0.0))
    return chances


def _log_sum(values: Array) -> Array:
    """Return the logarithm of the sum of exponentials over the first axis, <float64>[tags, batch] -> [batch]."""
    most = values.max(axis=0)
    total: Array = np.log(np.exp(values - most).sum(axis=0)) + most
    return total


def _best(start: Array, transitions: Array, scores: Array) -> tuple[Array, Array]:
    """Return the best score of a path to each tag, and the tag before it.

    Args:
        start: <float64>[tags].
        transitions: <float64>[tags, tags].
        scores: <float64>[length, tags, batch].

    Returns:
        <float64>[length, tags, batch] and <int64>[length - 1, tags, batch].
    """
    states, origins = np.empty_like(scores), np.empty((len(scores) - 1, *scores.shape[1:]), dtype=np.int64)
    states[0] = start[:, None] + scores[0]
    for place in range(1, len(scores)):
        onward = states[place - 1][:, None] + transitions[..., None]
        origins[place - 1] = onward.argmax(axis=0)
        np.add(onward.max(axis=0), scores[place], out=states[place])
    return states, origins
