"""word2vec: losses against a plain definition, exact resuming, the same seed, and the formats of its vectors."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.data.batching.word_blocks import BlockBuilder
from paddle_tasks.data.corpus.word_streams import WordRows, cut_lines
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.word2vec import Word2Vec
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
        centre, other = block * 16 + place, block * 16 + context - 3
        assert 0 < abs(centre - other) <= 3
        assert row_of_word[centre] == row_of_word[other]
    nearest = [batch.is_pair[i // 16, i % 16, i % 16 + 4] for i in range(len(ids) - 1)]
    assert nearest == (row_of_word[1:] == row_of_word[:-1]).tolist()  # a window is never smaller than 1


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
@pytest.mark.parametrize("full_softmax", [False, True])
def test_the_loss_is_that_of_a_loop_over_predictions(architecture, full_softmax):
    _, batch = small_batch()
    paddle.seed(1)
    model = Word2Vec(5, 6, architecture, full_softmax=full_softmax)
    model.outputs.weight.set_value(paddle.randn([5, 6]))
    model.words.weight.set_value(paddle.randn([5, 6]))
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
    tensors = map(paddle.to_tensor, (batch.centres, batch.contexts, batch.is_pair.astype("float32"), batch.noise))
    assert float(model(*tensors, 5)) == pytest.approx(expected, rel=1e-4)


def test_frequent_words_are_left_out_as_often_as_the_formula_says():
    counts = np.array([900_000, 100_000])
    keep = BlockBuilder(counts, window=1, threshold=1e-2, n_shared=1).keep_probability
    shares = counts / counts.sum()
    assert keep == pytest.approx(np.minimum(1, np.sqrt(1e-2 / shares) + 1e-2 / shares))


def test_lines_are_cut_into_words_without_white_space():
    assert next(cut_lines(["今天 天气好", "", "好\u3000好"], "word")) == ["今天", "天气", "好"]
    assert list(cut_lines(["今天 好", "", "a\u3000b"], "character")) == [["今", "天", "好"], [], ["a", "b"]]


def test_a_second_run_has_the_same_vectors_and_another_seed_others(tmp_path):
    whole = train(QUICK, run_dir=tmp_path / "whole", **SHORT)
    again = train(QUICK, run_dir=tmp_path / "again", **SHORT)
    first, second = (load(run.folder).model.words.weight.numpy() for run in (whole, again))
    assert (first == second).all()
    other = train(QUICK, run_dir=tmp_path / "other", seed=7, **SHORT)
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
