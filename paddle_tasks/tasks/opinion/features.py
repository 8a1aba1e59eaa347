"""Reviews as features: tokens, tags, spans and the classes of their pairs; and batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor

from paddle_tasks.arrays import Array
from paddle_tasks.data.opinion.examples import ASPECT, OPINION, OpinionExample
from paddle_tasks.models.extraction import IGNORED, NO_PAIR, pad_pairs, pad_spans
from paddle_tasks.models.opinion import OpinionGold
from paddle_tasks.tasks.opinion.prediction import OpinionNames, SpecialTokens
from paddle_tasks.text.characters import Tokens
from paddle_tasks.text.span_windows import whole_span_windows
from paddle_tasks.text.spans import Offsets, Span, encode, token_range

Range = tuple[int, int]
"""A half-open range of tokens."""


@dataclass(frozen=True, eq=False)
class TaggedTokens:
    """A review or a part of it; indices count its tokens without [CLS] and [SEP].

    Attributes:
        ids: <int32>[tokens].
        tags: <int64>[tokens].
        aspects: the distinct token ranges of the aspects, also of those that the tags cannot represent.
        opinions: likewise.
        pairs: <int64>[1 + aspects, opinions], the class of each pair or `IGNORED`; the implicit aspect is the first.
    """

    ids: Array
    tags: Array
    aspects: tuple[Range, ...]
    opinions: tuple[Range, ...]
    pairs: Array

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> TaggedTokens:
        """Return tokens ``start`` to ``end`` with the spans that lie entirely in them."""
        inside = [_inside(ranges, start, end) for ranges in (self.aspects, self.opinions)]
        aspects, opinions = (
            tuple((ranges[index][0] - start, ranges[index][1] - start) for index in indices)
            for ranges, indices in zip((self.aspects, self.opinions), inside, strict=True)
        )
        pairs = self.pairs[np.ix_([0, *(1 + index for index in inside[0])], inside[1])]
        return TaggedTokens(self.ids[start:end], self.tags[start:end], aspects, opinions, pairs)

    def parts(self, max_tokens: int) -> list[TaggedTokens]:
        """Return parts of at most ``max_tokens`` tokens to train on, cut outside of spans if possible."""
        return [self.part(start, end) for start, end in whole_span_windows(self.tags, max_tokens)]


def _inside(ranges: Sequence[Range], start: int, end: int) -> list[int]:
    return [index for index, span in enumerate(ranges) if start <= span[0] and span[1] <= end]


@dataclass(frozen=True, eq=False)
class ReviewFeatures:
    """A whole review.

    Attributes:
        tokens: the tokens with what is to be predicted.
        offsets: the character ranges of the tokens <int32>[tokens, 2], half-open.
        spans: the annotated spans.
    """

    tokens: TaggedTokens
    offsets: Offsets
    spans: tuple[Span, ...]


def review_features(
    examples: Sequence[OpinionExample], tokens: Sequence[Tokens], names: OpinionNames
) -> list[ReviewFeatures]:
    """Return the features of examples and their tokens; a span without a token of its own cannot be learnt."""
    return [
        ReviewFeatures(_tag(example, review, names), review.offsets, example.spans)
        for example, review in zip(examples, tokens, strict=True)
    ]


def _tag(example: OpinionExample, tokens: Tokens, names: OpinionNames) -> TaggedTokens:
    known = [span for span in example.spans if span.label in names.labels]
    tags = encode(known, tokens.offsets, names.labels)
    aspects, opinions = (_ranges(example.spans, label, tokens.offsets) for label in (ASPECT, OPINION))
    pairs = _pair_classes(example, tokens, names)
    return TaggedTokens(tokens.input_ids, tags, tuple(aspects), tuple(opinions), pairs)


def _ranges(spans: Iterable[Span], label: str, offsets: Offsets) -> list[Range]:
    ranges = [token_range(span.start, span.end, offsets) for span in spans if span.label == label]
    return list(dict.fromkeys(span for span in ranges if span[0] < span[1]))


def _pair_classes(example: OpinionExample, tokens: Tokens, names: OpinionNames) -> Array:
    """Return the class of each pair; pairs with a span of another label, or without an opinion, are left out."""
    offsets = tokens.offsets
    aspects: list[Range | None] = [None, *_ranges(example.spans, ASPECT, offsets)]
    opinions = _ranges(example.spans, OPINION, offsets)
    is_annotated = example.pairs is not None
    classes = np.full((len(aspects), len(opinions)), NO_PAIR if is_annotated else IGNORED, dtype=np.int64)
    for pair in example.pairs or ():
        if pair.polarity not in names.polarities or pair.opinion is None:
            continue
        aspect = None if pair.aspect is None else token_range(pair.aspect.start, pair.aspect.end, offsets)
        opinion = token_range(pair.opinion.start, pair.opinion.end, offsets)
        if aspect in aspects and opinion in opinions:
            classes[aspects.index(aspect), opinions.index(opinion)] = 1 + names.polarities.index(pair.polarity)
    return classes


# ---- batches


@dataclass(frozen=True)
class OpinionBatch:
    """A padded batch with what is to be predicted.

    Attributes:
        input_ids: <int64>[batch, length].
        token_type_ids: <int64>[batch, length], all 0.
        lengths: <int64>[batch], real tokens including [CLS] and [SEP].
        gold: tags, spans and pairs.
        rows: each row's index in its data set.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    lengths: Tensor
    gold: OpinionGold
    rows: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """The number of real tokens."""
        return int(self.lengths.sum()) if self.rows else 0

    @property
    def n_padded_tokens(self) -> int:
        """The number of tokens including padding."""
        return int(self.input_ids.size)

    @property
    def n_tagged(self) -> int:
        """The number of tokens with a tag, which is the number of items that the loss sums."""
        return self.n_tokens - 2 * len(self.rows)

    def split(self, n_parts: int) -> list[OpinionBatch]:
        """Return the rows in at most ``n_parts`` batches of similar size; the padding stays as it is."""
        if n_parts == 1:
            return [self]
        size = -(-len(self.rows) // n_parts)
        return [self._part(slice(start, start + size)) for start in range(0, len(self.rows), size)]

    def _part(self, rows: slice) -> OpinionBatch:
        gold = OpinionGold(**{name: value[rows] for name, value in vars(self.gold).items()})
        return OpinionBatch(self.input_ids[rows], self.token_type_ids[rows], self.lengths[rows], gold, self.rows[rows])


def collate(rows: Sequence[TaggedTokens], indices: Sequence[int], special: SpecialTokens) -> OpinionBatch:
    """Return rows with these indices in their data set as one batch."""
    ids, lengths = special.pad([row.ids for row in rows])
    return OpinionBatch(
        input_ids=paddle.to_tensor(ids),
        token_type_ids=paddle.zeros(ids.shape, dtype="int64"),
        lengths=paddle.to_tensor(lengths),
        gold=gold_tensors(rows, ids.shape[1]),
        rows=tuple(indices),
    )


def gold_tensors(rows: Sequence[TaggedTokens], length: int) -> OpinionGold:
    """Return what is to be predicted of rows that begin with [CLS] and are padded to ``length``."""
    tags = np.zeros((len(rows), length), dtype=np.int64)
    for index, row in enumerate(rows):
        tags[index, 1 : 1 + len(row)] = row.tags
    return OpinionGold(
        tags=paddle.to_tensor(tags),
        aspects=paddle.to_tensor(pad_spans([_after_cls(row.aspects) for row in rows])),
        opinions=paddle.to_tensor(pad_spans([_after_cls(row.opinions) for row in rows])),
        pairs=paddle.to_tensor(pad_pairs([row.pairs for row in rows])),
    )


def _after_cls(ranges: Iterable[Range]) -> list[Range]:
    return [(start + 1, end + 1) for start, end in ranges]
