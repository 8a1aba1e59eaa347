"""Reading reviews with a tagger: windows, batches, and the probabilities of spans and triplets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.tasks.opinion.features import ReviewFeatures, TaggedTokens
from paddle_tasks.tasks.opinion.prediction import OpinionNames, Prediction, SpecialTokens
from paddle_tasks.tasks.opinion.reader import Reader
from paddle_tasks.text.spans import Pair, Span, encode

opinion = pytest.mark.parametrize("name", ["opinion"], indirect=True)


NAMES = OpinionNames(("aspect", "opinion"), ("bad", "good"))


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


def reader(max_tokens: int, overlap: int, batch_size: int = 64, min_prob: float | None = None) -> Reader:
    return Reader(
        NAMES,
        SpecialTokens(1, 2, 0),
        max_tokens,
        overlap,
        batch_size,
        pair_weight=1.0,
        min_probs=min_prob and (min_prob, 0.0),
    )


def reviews() -> list[ReviewFeatures]:
    generator = np.random.default_rng(3)
    features = []
    for n_tokens in (23, 1, 40, 7, 0):
        ids = generator.integers(3, 40, size=n_tokens).astype(np.int32)
        offsets = np.array([[at, at + 1] for at in range(n_tokens)], np.int32).reshape(-1, 2)
        spans = (Span(2, 4, "aspect"), Span(5, 6, "opinion")) if n_tokens > 6 else ()
        ranges = [((span.start, span.end),) for span in spans] or [(), ()]
        pairs = np.zeros((1 + len(ranges[0]), len(ranges[1])), np.int64)
        pairs[1:, :] = 2
        features.append(
            ReviewFeatures(
                TaggedTokens(ids, encode(spans, offsets, ["aspect", "opinion"]), *ranges, pairs), offsets, spans
            )
        )
    return features


def flat_review(n_tokens: int) -> ReviewFeatures:
    """Return a review that repeats one token and has no annotations."""
    offsets = np.array([[at, at + 1] for at in range(n_tokens)], np.int32)
    ids = np.full(n_tokens, 5, np.int32)
    return ReviewFeatures(
        TaggedTokens(ids, np.zeros(n_tokens, np.int64), (), (), np.zeros((1, 0), np.int64)), offsets, ()
    )


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


def within(max_tokens: int, prediction: Prediction) -> Prediction:
    """Return a prediction with only the pairs that fit into a window; a pair with an implicit aspect always does."""
    pairs = tuple(
        (pair, prob) for pair, prob in prediction.pairs if prob and (pair.aspect is None or extent(pair) <= max_tokens)
    )
    return replace(prediction, pairs=pairs)


def check_alike(prediction: Prediction, expected: Prediction) -> None:
    for name in ("spans", "pairs"):
        own, others = getattr(prediction, name), getattr(expected, name)
        assert [item for item, _ in own] == [item for item, _ in others]
        assert [prob for _, prob in own] == pytest.approx([prob for _, prob in others], abs=1e-5)
    assert prediction.loss == pytest.approx(expected.loss, rel=1e-5, abs=1e-5)
    assert dict(prediction.gold_probs) == pytest.approx(dict(expected.gold_probs), abs=1e-6)
    assert prediction.n_tokens == expected.n_tokens


@pytest.mark.parametrize(("max_tokens", "overlap"), [(8, 3), (5, 0), (6, 5), (1, 0), (22, 1)])
@pytest.mark.parametrize(("batch_size", "min_prob"), [(3, None), (64, None), (64, 0.2)])
def test_windows_give_the_same_as_the_whole_review(per_token, max_tokens, overlap, batch_size, min_prob):
    whole = reader(40, overlap=0, min_prob=min_prob).read(per_token, reviews())
    assert sum(len(prediction.spans) for prediction in whole) > 8
    assert sum(len(prediction.pairs) for prediction in whole) > 3
    in_windows = reader(max_tokens, overlap, batch_size, min_prob).read(per_token, reviews())
    for prediction, expected in zip(in_windows, whole, strict=True):
        check_alike(within(max_tokens, prediction), within(max_tokens, expected))


def test_a_review_is_read_alone_as_with_others(per_token):
    together = reader(max_tokens=40, overlap=0).read(per_token, reviews())
    for review, expected in zip(reviews(), together, strict=True):
        check_alike(reader(max_tokens=40, overlap=0).read(per_token, [review])[0], expected)


@pytest.mark.parametrize("min_prob", [None, 0.1])
def test_a_triplet_is_at_most_as_probable_as_its_spans(per_token, min_prob):
    for prediction in reader(max_tokens=40, overlap=0, min_prob=min_prob).read(per_token, reviews()):
        probs = dict(prediction.spans)
        for pair, prob in prediction.pairs:
            assert 0 < prob <= probs[pair.opinion]
            assert pair.aspect is None or prob <= probs[pair.aspect]
        assert all(
            prediction.gold_probs[span] == pytest.approx(probs[span]) for span in prediction.gold_probs if span in probs
        )


def test_all_pairs_of_candidate_spans_are_candidates(per_token):
    for prediction in reader(max_tokens=40, overlap=0, min_prob=0.1).read(per_token, reviews()):
        n_aspects, n_opinions = (sum(span.label == label for span, _ in prediction.spans) for label in NAMES.labels)
        assert len(prediction.pairs) == (1 + n_aspects) * n_opinions
        assert all(prob >= 0.1 for _, prob in prediction.spans)


@pytest.mark.parametrize("min_prob", [None, 0.05])
def test_several_tokens_of_one_character_give_one_span(per_token, min_prob):
    review = replace(reviews()[0], offsets=np.array([[at // 2, at // 2 + 1] for at in range(23)], np.int32))
    (prediction,) = reader(max_tokens=40, overlap=0, min_prob=min_prob).read(per_token, [review])
    apart = reader(max_tokens=40, overlap=0, min_prob=min_prob).read(per_token, reviews()[:1])[0]
    spans = dict(prediction.spans)
    expected: dict[Span, float] = {}
    for span, prob in apart.spans:
        halved = Span(span.start // 2, (span.end - 1) // 2 + 1, span.label)
        expected[halved] = max(prob, expected.get(halved, 0.0))
    assert len(prediction.spans) == len(spans) < len(apart.spans)
    assert spans == pytest.approx(expected)
    assert 0 < len(prediction.pairs) == len(dict(prediction.pairs)) < len(apart.pairs)


def test_an_untrained_model_has_few_candidates():
    """Otherwise each token could be a span, and each span could belong to every other."""
    paddle.seed(0)
    model = OpinionTagger(PerToken(), n_labels=2, head="crf", dropout=0.0, n_polarities=2, pair_size=8)
    model.output.weight.set_value(0 * model.output.weight)
    (prediction,) = reader(max_tokens=999, overlap=0, min_prob=0.1).read(model, [flat_review(400)])
    assert 100 < len(prediction.spans) <= 201


def test_spans_that_no_window_holds_are_no_pair(per_token):
    (prediction,) = reader(max_tokens=8, overlap=3, min_prob=0.05).read(per_token, reviews()[2:3])
    assert max(extent(pair) for pair, prob in prediction.pairs if pair.aspect and prob) == 8


@opinion
@pytest.mark.long
def test_a_long_review_has_each_span_once(predictor):
    text = "房间干净，早餐很差。" * 60
    spans = predictor(text)["spans"]
    assert len(text) > 3 * predictor.task.config.training.max_length
    assert len(spans) > 100
    assert all(left["end"] <= right["start"] for left, right in pairwise(spans))
    assert all(span["text"] == text[span["start"] : span["end"]] for span in spans)
