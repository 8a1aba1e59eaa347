"""word2vec: losses against a plain definition, exact resuming, the same seed, and the formats of its vectors."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.data.batching.word_blocks import BlockBuilder
from paddle_tasks.data.corpus.word_streams import WordRows, cut_lines
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.metrics.analogies import unit_vectors
from paddle_tasks.models.word2vec import Word2Vec
from paddle_tasks.onednn import library
from paddle_tasks.tasks.word2vec.neighbours import Neighbours
from paddle_tasks.text.subwords import WordParts
from paddle_tasks.text.vector_files import read_vectors, write_vectors
from paddle_tasks.workflows.train import train

from ...helpers import ROOT

QUICK = ROOT / "configs" / "quick" / "word2vec.yaml"
SHORT = {"training.epochs": 1, "training.max_steps": 8, "logging.visualdl": False, "evaluation.every_steps": 100}


def small_batch(threshold: float = 0.0):
    lines = [["a", "b", "c", "d"], ["b", "a"], ["c", "d", "a", "e", "b"] * 5]
    rows = WordRows.encode(lines, {word: place for place, word in enumerate("abcde")})
    counts = np.bincount(rows.ids, minlength=5)
    builder = BlockBuilder(counts, window=3, threshold=threshold, n_shared=4)
    return rows, builder.build(rows, [2, 0, 1], np.random.default_rng(3))


def test_pairs_are_within_the_window_and_the_row():
    rows, batch = small_batch()
    ids, row_of_word = rows.select(np.array([2, 0, 1]))
    assert batch.centres.ravel()[: len(ids)].tolist() == ids.tolist()
    for block, place, context in np.argwhere(batch.is_pair):
        centre, other = block * 64 + place, block * 64 + context - 3
        assert 0 < abs(centre - other) <= 3
        assert row_of_word[centre] == row_of_word[other]
    nearest = [batch.is_pair[i // 64, i % 64, i % 64 + 4] for i in range(len(ids) - 1)]
    assert nearest == (row_of_word[1:] == row_of_word[:-1]).tolist()  # a window is never smaller than 1


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
@pytest.mark.parametrize("full_softmax", [False, True])
def test_the_loss_is_that_of_a_loop_over_predictions(architecture, full_softmax):
    _, batch = small_batch()
    model = random_model(architecture, full_softmax=full_softmax)
    words, outputs = model.words.weight.numpy(), model.outputs.weight.numpy()
    expected = 0.0

    def cost(state, target, noise):
        scores = outputs @ state
        if full_softmax:
            return np.log(np.exp(scores).sum()) - scores[target]
        return np.log1p(np.exp(-scores[target])) + 5 / 4 * np.log1p(np.exp(scores[noise])).sum()

    for block, place in np.ndindex(batch.centres.shape):
        near = batch.contexts[block][batch.is_pair[block, place]]
        centre, noise = batch.centres[block, place], batch.noise[block]
        if architecture == "skip_gram":
            expected += sum(cost(words[centre], context, noise) for context in near)
        elif len(near):
            expected += cost(words[near].mean(axis=0), centre, noise)
    assert float(model(*arrays_of(batch), 5)) == pytest.approx(expected, rel=1e-4)


def arrays_of(batch):
    return batch.centres, batch.contexts, batch.is_pair, batch.noise


def gradients(model, batch):
    model(*arrays_of(batch), 5).backward()
    found = [dense_gradient(layer.weight) for layer in (model.words, model.outputs)]
    model.clear_gradients()
    return found


def dense_gradient(weight):
    before, step = weight.numpy(), paddle.optimizer.SGD(1.0, parameters=[weight])  # sparse gradients have no numpy()
    step.step()
    gradient = before - weight.numpy()
    weight.set_value(before)
    return gradient


def random_model(architecture, **options):
    paddle.seed(1)
    model = Word2Vec(5, 6, architecture, **options)
    for layer in (model.words, model.outputs):
        layer.weight.set_value(paddle.randn([5, 6]))
    return model


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
def test_gradients_are_those_of_paddle(architecture):
    _, batch = small_batch()
    model = random_model(architecture)
    by_kernel, loss = gradients(model, batch), float(model(*arrays_of(batch), 5))
    with library.switched_off():
        by_paddle = gradients(model, batch)
        assert loss == pytest.approx(float(model(*arrays_of(batch), 5)), rel=1e-5)
    for ours, theirs in zip(by_kernel, by_paddle, strict=True):
        assert np.abs(theirs).max() > 0.1
        assert ours == pytest.approx(theirs, abs=1e-4)


def count_predictions(batch, architecture):
    """Return how many predictions each word takes part in, by a loop over the pairs."""
    n_predictions = np.zeros(5)
    for block, place, context in np.argwhere(batch.is_pair):
        near = batch.is_pair[block, place].sum()
        if architecture == "skip_gram":
            n_predictions[batch.centres[block, place]] += 6
        else:
            n_predictions[batch.contexts[block, context]] += 6 / near
    return n_predictions


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
def test_only_so_many_predictions_of_a_word_count_in_full(architecture):
    _, batch = small_batch()
    n_predictions = count_predictions(batch, architecture)
    limit = float(np.median(n_predictions))
    scale = np.minimum(1, limit / n_predictions)
    assert scale.min() < 0.95
    all_count, few_count = random_model(architecture), random_model(architecture, max_predictions=limit)
    expected, found = gradients(all_count, batch)[0] * scale[:, None], gradients(few_count, batch)[0]
    assert found == pytest.approx(expected, abs=1e-4)


WORDS = ["甲乙", "乙丙", "甲", "丁", "甲乙甲"]


def model_with_parts(architecture, parts, **options):
    model = random_model(architecture, **options)
    with_parts = Word2Vec(5, 6, architecture, parts=parts, **options)
    with_parts.words.weight.set_value(paddle.randn(with_parts.words.weight.shape))
    with_parts.outputs.weight.set_value(model.outputs.weight)
    model.words.weight.set_value(with_parts.vectors())
    return model, with_parts


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
@pytest.mark.parametrize("is_limited", [False, True])
def test_a_word_is_the_mean_of_its_parts_and_each_part_gets_the_gradient_of_its_words(architecture, is_limited):
    _, batch = small_batch()
    parts = WordParts.of(WORDS, 2)
    plain, with_parts = model_with_parts(architecture, parts)
    counts = np.zeros((5, with_parts.words.weight.shape[0]), np.float32)  # how often each word has each part
    for word in range(5):
        np.add.at(counts[word], parts.ids[parts.offsets[word] : parts.offsets[word + 1]], 1)
    means = counts @ with_parts.words.weight.numpy() / counts.sum(axis=1, keepdims=True)
    assert with_parts.vectors() == pytest.approx(means, abs=1e-6)
    assert float(with_parts(*arrays_of(batch), 5)) == pytest.approx(float(plain(*arrays_of(batch), 5)), rel=1e-5)
    expected = counts.T @ gradients(plain, batch)[0]
    if is_limited:  # a limit on the predictions of a part counts those of all words that have it
        n_predictions = counts.T @ count_predictions(batch, architecture)
        with_parts.max_predictions = float(np.median(n_predictions))
        expected *= np.minimum(1, with_parts.max_predictions / n_predictions)[:, None]
    assert gradients(with_parts, batch)[0] == pytest.approx(expected, abs=1e-3)


def test_a_word_outside_of_the_vocabulary_is_near_those_that_share_its_characters(tmp_path):
    run = train(QUICK, run_dir=tmp_path / "run", **{**SHORT, "model.subwords": 2})
    predictor = load(run.folder)
    words = list(predictor.task.vocabulary)
    unknown = next(
        a + b for a in words for b in words if a + b not in words and predictor.model.parts.of_unknown(a + b)
    )
    (record,) = predictor.task.predict(predictor.model, [unknown], top_k=3)
    assert record["unknown"] is True
    parts = predictor.model.parts.of_unknown(unknown)
    vector = predictor.model.words.weight.numpy()[parts].mean(axis=0)
    units = predictor.model.vectors() / np.linalg.norm(predictor.model.vectors(), axis=1, keepdims=True)
    assert record["neighbours"][0]["word"] == words[int(np.argmax(units @ vector))]
    (known,) = predictor.task.predict(predictor.model, [words[0]])
    assert "unknown" not in known
    with pytest.raises(DataError, match="is not in the vocabulary"):
        predictor.task.predict(predictor.model, ["\u0f00\u0f01"])


def test_an_analogy_adds_the_difference_of_the_first_two_to_the_third():
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [1, -1, 1]], np.float32)
    near = Neighbours(
        ["男", "女", "王", "后", "别"], unit_vectors(vectors), 1, lambda word: vectors[2] if word == "国王" else None
    )
    assert [found["word"] for found in near.of_analogy("男 女 王")["neighbours"]] == ["后"]
    assert [found["word"] for found in near.of_analogy("女 男 后")["neighbours"]] == ["王"]
    assert near.of_analogy("男 女 国王")["neighbours"][0]["word"] == "后"
    with pytest.raises(DataError, match="'皇' is not in the vocabulary of 5 words"):
        near.of_analogy("男 女 皇")


def test_a_character_has_no_parts(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.subwords: 2 needs data\.unit: word"):
        train(QUICK, run_dir=tmp_path / "run", **{**SHORT, "model.subwords": 2, "data.unit": "character"})


def test_a_model_without_vectors_of_contexts_is_not_trained(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.contexts: training needs true"):
        train(QUICK, run_dir=tmp_path / "run", **{**SHORT, "model.contexts": False})


def test_large_scores_cost_no_more_than_they_can_and_have_exact_gradients():
    _, batch = small_batch()
    model = random_model("skip_gram")
    for layer in (model.words, model.outputs):
        layer.weight.set_value(paddle.full([5, 6], 10.0))
    loss, found = float(model(*arrays_of(batch), 5)), gradients(model, batch)[0]
    n_pairs = batch.is_pair.sum()
    assert loss == pytest.approx(n_pairs * 5 * 24 * np.log(2), rel=1e-5)  # 2**-24 is the least probability
    with library.switched_off():
        assert found == pytest.approx(gradients(model, batch)[0], rel=1e-5)


def test_frequent_words_are_left_out_as_often_as_the_formula_says():
    counts = np.array([900_000, 100_000])
    keep = BlockBuilder(counts, window=1, threshold=1e-2, n_shared=1).keep_probability
    shares = counts / counts.sum()
    assert keep == pytest.approx(np.minimum(1, np.sqrt(1e-2 / shares) + 1e-2 / shares))


def test_noise_words_are_drawn_by_their_counts_to_the_power_of_three_quarters():
    counts = np.array([10_000, 1_000, 10, 1])
    table = BlockBuilder(counts, window=1, threshold=0, n_shared=1).noise_table
    shares = np.bincount(table, minlength=4) / len(table)
    assert shares == pytest.approx(counts**0.75 / (counts**0.75).sum(), abs=1e-4)
    assert shares[3] > 0


def test_lines_are_cut_into_words_without_white_space():
    assert next(cut_lines(["今天 天气好", "", "好\u3000好"], "word")) == ["今天", "天气", "好"]
    assert list(cut_lines(["今天 好", "", "a\u3000b"], "character")) == [["今", "天", "好"], [], ["a", "b"]]


@pytest.mark.parametrize("subwords", [0, 2])
@pytest.mark.long
def test_a_second_run_has_the_same_vectors_and_another_seed_others(tmp_path, subwords):
    short = {**SHORT, "model.subwords": subwords}
    whole = train(QUICK, run_dir=tmp_path / "whole", **short)
    again = train(QUICK, run_dir=tmp_path / "again", **short)
    first, second = (load(run.folder).model.words.weight.numpy() for run in (whole, again))
    assert (first == second).all()
    other = train(QUICK, run_dir=tmp_path / "other", seed=7, **short)
    assert (first != load(other.folder).model.words.weight.numpy()).any()


def test_a_full_softmax_refuses_a_large_vocabulary_and_adamw_refuses_sparse_gradients(tmp_path, monkeypatch):
    monkeypatch.setattr("paddle_tasks.tasks.word2vec.section.MAX_SOFTMAX_WORDS", 10)
    with pytest.raises(ConfigError, match="full_softmax is for at most 10 words"):
        train(QUICK, run_dir=tmp_path / "a", **{**SHORT, "model.loss": "full_softmax"})
    with pytest.raises(ConfigError, match="sparse gradients need kind sgd"):
        train(QUICK, run_dir=tmp_path / "b", **{**SHORT, "optimizer.kind": "adamw"})


@pytest.mark.parametrize("form", ["text", "binary"])
def test_words_with_spaces_survive_both_formats(tmp_path, form):
    words = ["New York", "全\u3000角", "好"]
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    write_vectors(tmp_path / "v", words, vectors, form)
    found, values = read_vectors(tmp_path / "v")
    assert found == words
    assert (values == vectors).all()
    (tmp_path / "v").write_bytes((tmp_path / "v").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"ends after|format"):
        read_vectors(tmp_path / "v")
