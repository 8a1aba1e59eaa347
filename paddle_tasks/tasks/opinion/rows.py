"""Reviews as the tagger learns and reads them: tokens, tags, spans and the classes of their pairs, and batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor

from paddle_tasks.arrays import Array
from paddle_tasks.data.opinion.examples import ASPECT, OPINION, OpinionExample
from paddle_tasks.models.opinion import IGNORED, NO_PAIR, OpinionGold, pad_pairs, pad_spans
from paddle_tasks.text.characters import Tokens
from paddle_tasks.text.span_windows import whole_span_windows
from paddle_tasks.text.spans import Offsets, Span, encode, token_range

Range = tuple[int, int]


@dataclass(frozen=True)
class Names:
    """The labels in the order of the tags, and the polarities in that of the classes behind `NO_PAIR`.

    Without polarities no pairs are learnt.
    """

    labels: tuple[str, ...] = ()
    polarities: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Row:
    """A review or a part of one; places count its own tokens, which are without [CLS] and [SEP].

    Attributes:
        ids: <int32>[tokens].
        tags: <int64>[tokens].
        aspects: the half-open ranges of tokens that are aspects, whether the tags hold them or not; each once.
        opinions: likewise.
        pairs: <int64>[1 + aspects, opinions], the class of each pair, or `IGNORED`; the first aspect is the implicit
            one.
    """

    ids: Array
    tags: Array
    aspects: tuple[Range, ...]
    opinions: tuple[Range, ...]
    pairs: Array

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> Row:
        """Return tokens ``start`` to ``end`` with the spans that are whole in them."""
        inside = [_inside(spans, start, end) for spans in (self.aspects, self.opinions)]
        aspects, opinions = (
            tuple((spans[place][0] - start, spans[place][1] - start) for place in places)
            for spans, places in zip((self.aspects, self.opinions), inside, strict=True)
        )
        pairs = self.pairs[np.ix_([0, *(1 + place for place in inside[0])], inside[1])]
        return Row(self.ids[start:end], self.tags[start:end], aspects, opinions, pairs)

    def parts(self, room: int) -> list[Row]:
        """Return what the row is trained in: parts of at most ``room`` tokens, cut between spans where that can be."""
        return [self.part(start, end) for start, end in whole_span_windows(self.tags, room)]


def _inside(spans: Sequence[Range], start: int, end: int) -> list[int]:
    return [place for place, span in enumerate(spans) if start <= span[0] and span[1] <= end]


@dataclass(frozen=True, eq=False)
class Review:
    """A whole review, and where its tokens stand.

    Attributes:
        row: what is to be found.
        offsets: <int32>[tokens, 2], half-open ranges of characters.
        spans: the annotated spans.
    """

    row: Row
    offsets: Offsets
    spans: tuple[Span, ...]


def reviews_of(examples: Sequence[OpinionExample], tokens: Sequence[Tokens], names: Names) -> list[Review]:
    """Return reviews of examples and their tokens; spans without a token of their own cannot be learnt."""
    return [
        Review(_row(example, found, names), found.offsets, example.spans)
        for example, found in zip(examples, tokens, strict=True)
    ]


def _row(example: OpinionExample, tokens: Tokens, names: Names) -> Row:
    known = [span for span in example.spans if span.label in names.labels]
    tags = encode(known, tokens.offsets, names.labels)
    aspects, opinions = (_ranges(example.spans, label, tokens.offsets) for label in (ASPECT, OPINION))
    return Row(tokens.input_ids, tags, tuple(aspects), tuple(opinions), _classes(example, tokens, names))


def _ranges(spans: Iterable[Span], label: str, offsets: Offsets) -> list[Range]:
    found = [token_range(span.start, span.end, offsets) for span in spans if span.label == label]
    return list(dict.fromkeys(place for place in found if place[0] < place[1]))


def _classes(example: OpinionExample, tokens: Tokens, names: Names) -> Array:
    """Return the classes of pairs; those with a span of another label, or without an opinion, have no place."""
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
class Framing:
    """What stands round the tokens of a row, and behind them."""

    cls_id: int
    sep_id: int
    pad_id: int

    def padded(self, rows: Sequence[Array]) -> tuple[Array, Array]:
        """Return rows of ids as [CLS] … [SEP] <int64>[rows, length], padded, and their lengths <int64>[rows]."""
        lengths = np.array([len(row) + 2 for row in rows], dtype=np.int64)
        ids = np.full((len(rows), lengths.max(initial=0)), self.pad_id, dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row) + 2] = [self.cls_id, *row.tolist(), self.sep_id]
        return ids, lengths


@dataclass(frozen=True)
class OpinionBatch:
    """A padded batch with what is to be found in it.

    Attributes:
        input_ids: <int64>[batch, length].
        token_type_ids: <int64>[batch, length], all 0.
        lengths: <int64>[batch], real tokens with [CLS] and [SEP].
        gold: tags, spans and pairs.
        rows: each row's place in its data set.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    lengths: Tensor
    gold: OpinionGold
    rows: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """Real tokens."""
        return int(self.lengths.sum()) if self.rows else 0

    @property
    def n_padded_tokens(self) -> int:
        """Tokens with padding."""
        return int(self.input_ids.size)

    @property
    def n_tagged(self) -> int:
        """Tokens that have a tag to be found, which is the number of things that the loss sums over."""
        return self.n_tokens - 2 * len(self.rows)

    def split(self, n_parts: int) -> list[OpinionBatch]:
        """Return the rows in at most so many batches of like size; they stay padded as they are."""
        if n_parts == 1:
            return [self]
        size = -(-len(self.rows) // n_parts)
        return [self._part(slice(start, start + size)) for start in range(0, len(self.rows), size)]

    def _part(self, rows: slice) -> OpinionBatch:
        gold = OpinionGold(**{name: value[rows] for name, value in vars(self.gold).items()})
        return OpinionBatch(self.input_ids[rows], self.token_type_ids[rows], self.lengths[rows], gold, self.rows[rows])


def collate(rows: Sequence[Row], places: Sequence[int], framing: Framing) -> OpinionBatch:
    """Return rows, which stand at these places in their data set, as one batch."""
    ids, lengths = framing.padded([row.ids for row in rows])
    return OpinionBatch(
        input_ids=paddle.to_tensor(ids),
        token_type_ids=paddle.zeros(ids.shape, dtype="int64"),
        lengths=paddle.to_tensor(lengths),
        gold=gold_of(rows, ids.shape[1]),
        rows=tuple(places),
    )


def gold_of(rows: Sequence[Row], length: int) -> OpinionGold:
    """Return what is to be found in rows that have a [CLS] before them and are padded to a length."""
    tags = np.zeros((len(rows), length), dtype=np.int64)
    for place, row in enumerate(rows):
        tags[place, 1 : 1 + len(row)] = row.tags
    return OpinionGold(
        tags=paddle.to_tensor(tags),
        aspects=paddle.to_tensor(pad_spans([_behind_cls(row.aspects) for row in rows])),
        opinions=paddle.to_tensor(pad_spans([_behind_cls(row.opinions) for row in rows])),
        pairs=paddle.to_tensor(pad_pairs([row.pairs for row in rows])),
    )


def _behind_cls(spans: Iterable[Range]) -> list[Range]:
    return [(start + 1, end + 1) for start, end in spans]
