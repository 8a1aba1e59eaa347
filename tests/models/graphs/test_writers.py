"""Exported models that write rate every next entry as the trained ones do, with their caches."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.causal_lm import CausalLanguageModel, CausalSizes
from paddle_tasks.models.graphs.causal_lm import causal_shape, language_model_networks
from paddle_tasks.models.graphs.seq2seq import translator_networks
from paddle_tasks.models.graphs.writers import CausalNetworkWriter, NetworkTranslator
from paddle_tasks.models.seq2seq.base import Vocabulary
from paddle_tasks.models.seq2seq.recurrent import RecurrentModel, RecurrentSizes
from paddle_tasks.models.seq2seq.transformer import TransformerModel, TransformerSizes
from paddle_tasks.models.seq2seq.writers import source_translator
from paddle_tasks.models.window_lm import FullyConnectedHead, RecurrentHead, WindowModel
from tests.models.graphs.saving import VOCABULARY, encoder, networks, randomise, rows, saved

N_OUTPUTS, START = 30, 31
PROMPTS = ([1, 2, 3], [4], [5, 6, 7, 8, 9])


def follow(writer, steps):
    """Return the log-probabilities of each step, in which rows are appended, dropped and repeated."""
    state, found = writer.start(steps[0])
    all_found = [found]
    for number, tokens in enumerate(steps[1:]):
        if number == 2:
            state = writer.select(state, [2, 0, 0])
        state, found = writer.advance(state, tokens)
        all_found.append(found)
    return np.stack(all_found)


def causal_model(n_positions, *, n_frequent=None, pre_norm=True):
    """Return a small causal Transformer with random weights, and its ``model`` section."""
    sizes = CausalSizes(VOCABULARY, N_OUTPUTS, 8, 2, 2, 16, n_positions, n_frequent, pre_norm)
    section = {
        "architecture": "gpt",
        "n_heads": 2,
        "n_frequent": n_frequent,
        "encoder": "transformer" if pre_norm else "some/bert",
    }
    return randomise(CausalLanguageModel(sizes)), section


def causal_pair(folder, n_positions, **sizes):
    """Return the numpy writer of a small causal Transformer, and that of its exported network."""
    model, section = causal_model(n_positions, **sizes)
    found = saved(model, folder, {"model": section})
    exported = networks(language_model_networks(found), folder)
    return model.writer(START), CausalNetworkWriter(exported, tuple(causal_shape(found)), n_positions, START)


@pytest.mark.parametrize(("pre_norm", "n_frequent"), [(True, None), (True, 12), (False, None)])
def test_a_step_rates_as_the_numpy_writer(tmp_path, pre_norm, n_frequent):
    first, second = causal_pair(tmp_path, 32, pre_norm=pre_norm, n_frequent=n_frequent)
    steps = [PROMPTS, *([[number, number + 1, number + 2] for number in range(1, 7)])]
    assert follow(second, steps) == pytest.approx(follow(first, steps), abs=5e-5)


def test_a_full_cache_is_read_anew_as_by_the_numpy_writer(tmp_path):
    first, second = causal_pair(tmp_path, 8)  # the longest row is full after two steps, the others later
    steps = [PROMPTS, *([[number % 29, number % 7, 3] for number in range(1, 30)])]
    assert follow(second, steps) == pytest.approx(follow(first, steps), abs=5e-5)


def test_without_its_cache_a_step_rates_otherwise(tmp_path):
    _first, writer = causal_pair(tmp_path, 32)
    state, _found = writer.start([[1, 2, 3]])
    right = writer.advance(writer.select(state, [0]), [4])[1]
    wrong = writer.start([[4]])[1]
    assert np.abs(right - wrong).max() > 0.01


@pytest.mark.parametrize("head", ["fc", "lstm", "attention"])
def test_windows(tmp_path, head):
    one = encoder("bert")
    layers = {
        "fc": lambda: FullyConnectedHead(8, 6, 0.1),
        "lstm": lambda: RecurrentHead(8, 6, 0.1, attention=False),
        "attention": lambda: RecurrentHead(8, 6, 0.1, attention=True),
    }
    model = randomise(WindowModel(one, layers[head](), N_OUTPUTS, 12))
    section = {"architecture": "bert-fc" if head == "fc" else "bert-lstm", "n_frequent": 12}
    exported = networks(language_model_networks(saved(model, tmp_path, {"model": section})), tmp_path)
    for shape in ((1, 4), (3, 9)):
        ids, lengths = rows(*shape)
        lengths = np.maximum(lengths, 3)
        places = lengths - 1 - np.arange(len(lengths)) % 2  # [SEP], or [MASK] before it
        flat = np.arange(len(ids)) * ids.shape[1] + places
        expected = model.log_probs(*map(paddle.to_tensor, (ids, lengths, flat))).numpy()
        given = {"input_ids": ids, "lengths": lengths, "positions": places}
        assert exported.run("window", given)["log_probs"] == pytest.approx(expected, abs=5e-5)


TRANSLATORS = {
    "transformer": ({"architecture": "transformer", "n_heads": 2, "activation": "relu"}, None),
    "gru": ({"architecture": "rnn", "cell": "gru", "attention": "additive"}, (1, 1)),
    "lstm": ({"architecture": "rnn", "cell": "lstm", "attention": "multiplicative"}, (2, 2)),
    "none": ({"architecture": "rnn", "cell": "gru", "attention": "none"}, (1, 2)),
}


def translator_of(name):
    """Return a small encoder-decoder with random weights, and its ``model`` section."""
    section, layers = TRANSLATORS[name]
    entries = Vocabulary(VOCABULARY, N_OUTPUTS, 12)
    if layers is None:
        model = TransformerModel(entries, TransformerSizes(8, 2, 2, 2, 16, "relu"))
    else:
        model = RecurrentModel(entries, RecurrentSizes(6, 8, *layers, section["cell"], section["attention"]))
    return randomise(model), {**section, "n_frequent": 12}


@pytest.mark.parametrize("name", TRANSLATORS)
def test_an_encoder_and_a_decoder_rate_as_the_numpy_translator(tmp_path, name):
    model, section = translator_of(name)
    exported = networks(translator_networks(saved(model, tmp_path, {"model": section})), tmp_path)
    first = source_translator(model, START)
    second = NetworkTranslator(exported, START, first.has_attention)
    ids, lengths = rows(3, 7)
    steps = [[[], [], []], *([[number, number + 1, number + 2] for number in range(1, 7)])]
    found, expected = (follow(one.writer(ids, lengths), steps) for one in (second, first))
    assert found == pytest.approx(expected, abs=5e-5)
    if first.has_attention:
        weights = second.attention(ids[0], ids[1][:4])
        assert weights == pytest.approx(first.attention(ids[0], ids[1][:4]), abs=5e-5)
        assert weights.shape == (5, 7)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_several_entries_at_once_are_rated_as_one_after_another(tmp_path, name):
    model, section = translator_of(name)
    exported = networks(translator_networks(saved(model, tmp_path, {"model": section})), tmp_path)
    ids, lengths = rows(2, 5)
    writer = NetworkTranslator(exported, START, has_attention=False).writer(ids, lengths)
    targets = np.array([[START, 3, 4, 5], [START, 6, 7, 8]])
    at_once, state = writer.extend(writer.outputs(), targets), writer.outputs()
    one_by_one = [writer.extend(state, targets[:, [place]]) for place in range(4)]
    assert np.concatenate(one_by_one, axis=1) == pytest.approx(at_once, abs=5e-5)
