"""Modified Kneser-Ney smoothing against its formulas, by hand, and with the properties of a language model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models.ngrams import kneser_ney
from paddle_tasks.models.ngrams.kneser_ney import KneserNey, estimate_discounts

from .oracle import Oracle, discounts

N_TOKENS = 12


def corpus(seed: int, n_documents: int = 40, mean_length: int = 60) -> list[list[int]]:
    """Return documents in which a token depends on the two before it, and the last two tokens never occur."""
    generator = np.random.default_rng(seed)
    documents = []
    for length in generator.poisson(mean_length, n_documents):
        ids = [0, 1]
        for _ in range(length):
            ids.append(int((ids[-1] * 3 + ids[-2] + generator.geometric(0.45)) % (N_TOKENS - 2)))
        documents.append(ids[2:])
    return documents


TRAIN, HELD_OUT = corpus(1), [*corpus(2, 8), [], [11], [10, 11, 0]]
each_order = pytest.mark.parametrize("order", [1, 2, 3, 4, 5])


def probs(model: KneserNey, documents) -> list[list[float]]:
    return [np.exp(values).tolist() for values in model.log_probs(documents)]


@each_order
def test_probabilities_are_those_of_the_formulas(order):
    model, oracle = KneserNey.fit(TRAIN, N_TOKENS, order), Oracle(TRAIN, N_TOKENS, order)
    for found, document in zip(probs(model, HELD_OUT), HELD_OUT, strict=True):
        assert found == pytest.approx(oracle.document(document), rel=1e-5)


def test_documents_may_be_shorter_than_the_order():
    documents = [[0], [1, 0], [], [1]]
    model, oracle = KneserNey.fit(documents, 3, 5), Oracle(documents, 3, 5)
    assert model.order == 3
    assert probs(model, [[0, 1, 2, 1, 0]])[0] == pytest.approx(oracle.document([0, 1, 2, 1, 0]))


@pytest.mark.parametrize("order", [2, 3, 4])
def test_lower_orders_count_what_precedes(order):
    model, wrong = KneserNey.fit(TRAIN, N_TOKENS, order), Oracle(TRAIN, N_TOKENS, order, continuation=False)
    found, other = np.concatenate(probs(model, HELD_OUT)), np.concatenate(list(map(wrong.document, HELD_OUT)))
    assert np.abs(found / other - 1).max() > 0.01


def test_the_discounts_of_the_corpus_are_not_the_fallback():
    oracle = Oracle(TRAIN, N_TOKENS, 5)
    assert [values != [0.0, 0.5, 1.0, 1.5] for values in oracle.discounts.values()] == [False, True, True, True, True]


@each_order
def test_distributions_sum_to_one_and_hold_the_probabilities_of_documents(order):
    model = KneserNey.fit(TRAIN, N_TOKENS, order)
    for document in HELD_OUT[:3]:
        for end, expected in enumerate(probs(model, [document])[0]):
            distribution = model.distribution(document[:end], at_start=True)
            assert distribution.min() > 0
            assert distribution.sum() == pytest.approx(1, abs=1e-6)
            assert distribution[document[end]] == pytest.approx(expected, rel=1e-6)


def test_a_bigram_model_by_hand():
    # Occurrences: s0 twice, 01 three times, 10 once, 12 once. n1 = 2, n2 = 1, n3 = 1 and n4 = 0, so Y = 1/2, D1 = 1/2,
    # D2 = 1/2 and D3 = 3. Preceding tokens: 0 after s and 1, 1 after 0, 2 after 1; no count is 3: the fallback.
    model = KneserNey.fit([[0, 1, 0, 1], [0, 1, 2]], 3, 2)
    reserved = (1.0 + 0.5 + 0.5) / 4 / 3
    zero, one, two = 1 / 4 + reserved, 0.5 / 4 + reserved, 0.5 / 4 + reserved
    assert model.distribution([]).tolist() == pytest.approx([zero, one, two])
    assert model.distribution([], at_start=True).tolist() == pytest.approx(
        [1.5 / 2 + 0.25 * zero, 0.25 * one, 0.25 * two]
    )
    assert model.distribution([0]).tolist() == pytest.approx([zero, one, two])  # all of 3 is reserved
    assert model.distribution([1]).tolist() == pytest.approx([0.25 + 0.5 * zero, 0.5 * one, 0.25 + 0.5 * two])
    assert model.distribution([2]).tolist() == pytest.approx([zero, one, two])  # nothing follows 2


def test_order_one_is_smoothed_frequencies():
    model = KneserNey.fit([[0, 0, 0, 0, 1, 1, 1]], 4, 1)
    reserved = 2 * 1.5 / 7 / 4
    expected = [2.5 / 7 + reserved, 1.5 / 7 + reserved, reserved, reserved]
    assert model.distribution([3, 1]).tolist() == pytest.approx(expected)
    assert model.coverage([[0]]) == []


def test_discounts():
    counts = np.repeat([1, 2, 3, 4, 7, 0], [40, 12, 6, 3, 5, 9])
    y = 40 / 64
    expected = [0, 1 - 2 * y * 12 / 40, 2 - 3 * y * 6 / 12, 3 - 4 * y * 3 / 6]
    assert estimate_discounts(counts).tolist() == pytest.approx(expected)
    assert estimate_discounts(np.array([1, 1, 2, 4])).tolist() == [0, 0.5, 1, 1.5]
    rising = np.repeat([1, 2, 3, 4], [1, 2, 9, 40])  # more grams of higher counts: D2 would be below 0
    assert estimate_discounts(rising).tolist() == [0, 0.5, 1, 1.5] == discounts(dict(enumerate(rising)))


@each_order
def test_documents_are_scored_alike_alone_and_together(order):
    model = KneserNey.fit(TRAIN, N_TOKENS, order)
    together = model.log_probs(HELD_OUT)
    alone = [values for document in HELD_OUT for values in model.log_probs([document])]
    assert [values.tolist() for values in together] == [values.tolist() for values in alone]
    assert [len(values) for values in together] == list(map(len, HELD_OUT))


def test_no_context_crosses_documents():
    joined = KneserNey.fit([np.concatenate(TRAIN)], N_TOKENS, 3)
    apart = KneserNey.fit(TRAIN, N_TOKENS, 3)
    assert apart.distribution([], at_start=True).argmax() == np.bincount([ids[0] for ids in TRAIN]).argmax()
    assert np.abs(joined.distribution([], at_start=True) - apart.distribution([], at_start=True)).max() > 0.1


@each_order
def test_the_most_probable_tokens_are_those_of_the_distributions(order):
    model = KneserNey.fit(TRAIN, N_TOKENS, order)
    for document, tokens in zip(HELD_OUT, model.most_probable(HELD_OUT), strict=True):
        assert len(tokens) == len(document)
        for end, token in enumerate(tokens):
            distribution = model.distribution(document[:end], at_start=True)
            assert distribution[token] == pytest.approx(distribution.max(), rel=1e-6)


def test_coverage_by_hand():
    model = KneserNey.fit([[0, 1, 0, 1], [0, 1, 2]], 3, 4)
    one, two, three = model.coverage([[0, 1, 2, 0], [1]])
    # Followed by something: 0, 1; 01, 10; 010. In the documents: 0, 1, 2; then 01, 12; then 012.
    assert (one.length, one.n_seen, one.n_possible, one.share_seen) == (1, 2, 3, pytest.approx(2 / 3))
    assert (two.length, two.n_seen, two.n_possible, two.share_seen) == (2, 2, 9, 0.5)
    assert (three.length, three.n_seen, three.n_possible, three.share_seen) == (3, 1, 27, 0)
    assert math.isnan(model.coverage([])[0].share_seen)


def test_coverage_is_that_of_sets():
    for row in KneserNey.fit(TRAIN, N_TOKENS, 4).coverage(HELD_OUT):
        size = row.length
        seen = {tuple(ids[end - size : end]) for ids in TRAIN for end in range(size, len(ids))}
        held_out = [tuple(ids[end - size : end]) for ids in HELD_OUT for end in range(size, len(ids))]
        assert row.n_seen == len(seen)
        assert row.share_seen == pytest.approx(sum(context in seen for context in held_out) / len(held_out))


# ---- the next token


@each_order
def test_steps_give_the_distributions_after_each_prefix(order):
    model = KneserNey.fit(TRAIN, N_TOKENS, order)
    prompts, continuations = [[], [3], TRAIN[0][:9]], [[1, 2, 3, 4], [0, 11, 5, 5], TRAIN[0][9:13]]
    state, logits = model.start(prompts)
    for step in range(4):
        for row, prompt in enumerate(prompts):
            expected = model.distribution(prompt + continuations[row][:step], at_start=True)
            assert logits[row] == pytest.approx(np.log(expected), abs=1e-6)
        state, logits = model.advance(state, [tokens[step] for tokens in continuations])
    assert logits.dtype == np.float32
    assert logits.shape == (3, N_TOKENS)


def test_rows_are_selected_with_their_contexts():
    model = KneserNey.fit(TRAIN, N_TOKENS, 4)
    state, _ = model.start([[1, 2], [3, 4], [5, 6]])
    _, logits = model.advance(model.select(state, [2, 0, 2]), [7, 8, 9])
    for row, prompt in enumerate([[5, 6, 7], [1, 2, 8], [5, 6, 9]]):
        assert logits[row] == pytest.approx(model.start([prompt])[1][0], abs=1e-7)
    _, fewer = model.advance(model.select(state, [1]), [7])
    assert fewer.shape == (1, N_TOKENS)


# ---- files and mistakes


@each_order
def test_a_saved_model_is_the_same(order, tmp_path):
    model = KneserNey.fit(TRAIN, N_TOKENS, order)
    model.save(tmp_path / "model.npz")
    loaded = KneserNey.load(tmp_path / "model.npz")
    assert (loaded.order, loaded.n_tokens, loaded.n_parameters) == (order, N_TOKENS, model.n_parameters)
    assert [v.tolist() for v in loaded.log_probs(HELD_OUT)] == [v.tolist() for v in model.log_probs(HELD_OUT)]
    assert loaded.coverage(HELD_OUT) == model.coverage(HELD_OUT)


def test_other_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    with pytest.raises(CheckpointError, match=r"model\.npz: not a readable"):
        KneserNey.load(path)
    path.write_text("text")
    with pytest.raises(CheckpointError, match="not a readable"):
        KneserNey.load(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(CheckpointError, match="not an n-gram model"):
        KneserNey.load(path)
    monkeypatch.setattr(kneser_ney, "_VERSION", 2)
    KneserNey.fit(TRAIN, N_TOKENS, 2).save(path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="version 1"):
        KneserNey.load(path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: KneserNey.fit([[0, 12]], N_TOKENS), "token id 12: expected 0 to 11"),
        (lambda: KneserNey.fit([[0, -1]], N_TOKENS), "token id -1"),
        (lambda: KneserNey.fit([[]], N_TOKENS), "at least one token"),
        (lambda: KneserNey.fit([[0]], N_TOKENS, 0), "found order 0"),
        (lambda: KneserNey.fit(TRAIN, N_TOKENS, 2).log_probs([[12]]), "token id 12"),
        (lambda: KneserNey.fit(TRAIN, N_TOKENS, 2).start([[0, 12]]), "token id 12"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_more_context_helps_where_tokens_depend_on_it():
    models = [KneserNey.fit(TRAIN, N_TOKENS, order) for order in (1, 3)]
    losses = [-np.concatenate(model.log_probs(corpus(2, 8))).mean() for model in models]
    assert losses[0] > losses[1] + 0.3
