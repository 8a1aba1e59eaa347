"""Reading reviews with a tagger: windows, batches, and what spans and triplets are worth."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.tasks.opinion.reading import Finding, Reader
from paddle_tasks.tasks.opinion.rows import Framing, Names, Review, Row
from paddle_tasks.text.spans import Pair, Span, encode

opinion = pytest.mark.parametrize("name", ["opinion"], indirect=True)


NAMES = Names(("aspect", "opinion"), ("bad", "good"))


class PerToken(Encoder):
    """An encoder whose states depend on their own token alone, so that windows change nothing."""

    def __init__(self) -> None:
        super().__init__(width=8)
        self.embedding = nn.Embedding(40, 8)

    def forward(self, input_ids, token_type_ids, lengths):
        states = self.embedding(input_ids)
        return states, states[:, 0]

    def describe(self):
        return {}


def reader(room: int, overlap: int, at_once: int = 64, least: float | None = None) -> Reader:
    return Reader(
        NAMES,
        Framing(1, 2, 0),
        room,
        overlap,
        at_once,
        pair_weight=1.0,
        least=least and (least, 0.0),
    )


def reviews() -> list[Review]:
    generator = np.random.default_rng(3)
    found = []
    for n_tokens in (23, 1, 40, 7, 0):
        ids = generator.integers(3, 40, size=n_tokens).astype(np.int32)
        offsets = np.array([[at, at + 1] for at in range(n_tokens)], np.int32).reshape(-1, 2)
        spans = (Span(2, 4, "aspect"), Span(5, 6, "opinion")) if n_tokens > 6 else ()
        places = [((span.start, span.end),) if spans else () for span in spans] or [(), ()]
        pairs = np.zeros((1 + len(places[0]), len(places[1])), np.int64)
        pairs[1:, :] = 2
        found.append(Review(Row(ids, encode(spans, offsets, ["aspect", "opinion"]), *places, pairs), offsets, spans))
    return found


def flat_review(n_tokens: int) -> Review:
    """Return a review of one token again and again, without annotations."""
    offsets = np.array([[at, at + 1] for at in range(n_tokens)], np.int32)
    ids = np.full(n_tokens, 5, np.int32)
    return Review(Row(ids, np.zeros(n_tokens, np.int64), (), (), np.zeros((1, 0), np.int64)), offsets, ())


@pytest.fixture(scope="module")
def per_token() -> OpinionTagger:
    paddle.seed(4)
    model = OpinionTagger(PerToken(), n_labels=2, head="crf", dropout=0.0, n_polarities=2, pair_size=8)
    model.crf.transitions.set_value(paddle.randn([5, 5]))
    model.output.weight.set_value(3 * paddle.randn([8, 5]))
    model.eval()
    return model


def extent(pair: Pair) -> int:
    spans = [span for span in (pair.aspect, pair.opinion) if span]
    return max(span.end for span in spans) - min(span.start for span in spans)


def within(room: int, finding: Finding) -> Finding:
    """Return it with the pairs alone that a window may hold; an implicit aspect reaches nowhere."""
    pairs = tuple(one for one in finding.pairs if one[1] and (one[0].aspect is None or extent(one[0]) <= room))
    return replace(finding, pairs=pairs)


def check_alike(one: Finding, other: Finding) -> None:
    for name in ("spans", "pairs"):
        found, expected = getattr(one, name), getattr(other, name)
        assert [what for what, _ in found] == [what for what, _ in expected]
        assert [prob for _, prob in found] == pytest.approx([prob for _, prob in expected], abs=1e-5)
    assert one.loss == pytest.approx(other.loss, rel=1e-5, abs=1e-5)
    assert dict(one.gold_probs) == pytest.approx(dict(other.gold_probs), abs=1e-6)
    assert one.n_tokens == other.n_tokens


@pytest.mark.parametrize(("room", "overlap"), [(8, 3), (5, 0), (6, 5), (1, 0), (22, 1)])
@pytest.mark.parametrize(("at_once", "least"), [(3, None), (64, None), (64, 0.2)])
def test_windows_give_what_the_whole_gives(per_token, room, overlap, at_once, least):
    whole = reader(room=40, overlap=0, least=least).read(per_token, reviews())
    assert sum(len(finding.spans) for finding in whole) > 8
    assert sum(len(finding.pairs) for finding in whole) > 3
    for finding, expected in zip(reader(room, overlap, at_once, least).read(per_token, reviews()), whole, strict=True):
        check_alike(*(within(room, one) for one in (finding, expected)))


def test_reviews_are_read_alike_alone_and_together(per_token):
    together = reader(room=40, overlap=0).read(per_token, reviews())
    for review, expected in zip(reviews(), together, strict=True):
        check_alike(reader(room=40, overlap=0).read(per_token, [review])[0], expected)


@pytest.mark.parametrize("least", [None, 0.1])
def test_a_span_is_no_less_probable_than_its_triplets(per_token, least):
    for finding in reader(room=40, overlap=0, least=least).read(per_token, reviews()):
        probs = dict(finding.spans)
        for pair, prob in finding.pairs:
            assert 0 < prob <= probs[pair.opinion]
            assert pair.aspect is None or prob <= probs[pair.aspect]
        assert all(
            finding.gold_probs[span] == pytest.approx(probs[span]) for span in finding.gold_probs if span in probs
        )


def test_every_pair_of_possible_spans_is_possible(per_token):
    for finding in reader(room=40, overlap=0, least=0.1).read(per_token, reviews()):
        n_aspects, n_opinions = (sum(span.label == label for span, _ in finding.spans) for label in NAMES.labels)
        assert len(finding.pairs) == (1 + n_aspects) * n_opinions
        assert all(prob >= 0.1 for _, prob in finding.spans)


@pytest.mark.parametrize("least", [None, 0.05])
def test_of_several_tokens_for_one_character_a_span_is_found_once(per_token, least):
    review = replace(reviews()[0], offsets=np.array([[at // 2, at // 2 + 1] for at in range(23)], np.int32))
    (found,) = reader(room=40, overlap=0, least=least).read(per_token, [review])
    apart = reader(room=40, overlap=0, least=least).read(per_token, reviews()[:1])[0]
    spans = dict(found.spans)
    expected: dict[Span, float] = {}
    for span, prob in apart.spans:
        own = Span(span.start // 2, (span.end - 1) // 2 + 1, span.label)
        expected[own] = max(prob, expected.get(own, 0.0))
    assert len(found.spans) == len(spans) < len(apart.spans)
    assert spans == pytest.approx(expected)
    assert 0 < len(found.pairs) == len(dict(found.pairs)) < len(apart.pairs)


def test_a_model_that_knows_nothing_is_read_in_time():
    """Each token could be a span then, and each of these belong to each."""
    paddle.seed(0)
    model = OpinionTagger(PerToken(), n_labels=2, head="crf", dropout=0.0, n_polarities=2, pair_size=8)
    model.output.weight.set_value(0 * model.output.weight)
    (found,) = reader(room=999, overlap=0, least=0.1).read(model, [flat_review(400)])
    assert 100 < len(found.spans) <= 201


def test_what_a_window_could_not_hold_is_no_pair(per_token):
    (found,) = reader(room=8, overlap=3, least=0.05).read(per_token, reviews()[2:3])
    assert max(extent(pair) for pair, prob in found.pairs if pair.aspect and prob) == 8


@opinion
def test_a_long_review_has_its_spans_once(predictor):
    text = "房间干净，早餐很差。" * 60
    spans = predictor(text)["spans"]
    assert len(text) > 3 * predictor.task.config.training.max_length
    assert len(spans) > 100
    assert all(one["end"] <= other["start"] for one, other in pairwise(spans))
    assert all(span["text"] == text[span["start"] : span["end"]] for span in spans)
