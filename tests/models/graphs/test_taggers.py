"""Exported taggers compute the states, emissions and pairs of `OpinionTagger`."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.graphs.spans import tagger_networks
from paddle_tasks.models.opinion import OpinionTagger
from tests.models.graphs.saving import SHAPES, encoder, networks, randomise, rows, saved


@pytest.mark.parametrize("head", ["linear", "crf", "bilstm_crf"])
def test_states_and_emissions(tmp_path, head):
    model = randomise(OpinionTagger(encoder("bert"), n_labels=2, head=head, dropout=0.1, n_polarities=0))
    exported = networks(tagger_networks(saved(model, tmp_path, {"model": {}})), tmp_path)
    for shape in SHAPES:
        ids, lengths = rows(*shape)
        tensors = [paddle.to_tensor(array) for array in (ids, np.zeros_like(ids), lengths)]
        states = model.states(*tensors)
        found = exported.run("encoder", {"input_ids": ids, "lengths": lengths})["states"]
        emissions = exported.run("tags", {"states": found, "lengths": lengths})["emissions"]
        for row, length in enumerate(lengths):
            assert found[row, :length] == pytest.approx(states.numpy()[row, :length], abs=2e-5)
            expected = model.emissions(states, tensors[2]).numpy()[row, :length]
            assert emissions[row, :length] == pytest.approx(expected, abs=2e-5)


def test_pairs(tmp_path):
    model = randomise(OpinionTagger(encoder("bert"), n_labels=2, head="crf", dropout=0.1, n_polarities=3, pair_size=6))
    exported = networks(tagger_networks(saved(model, tmp_path, {"model": {}})), tmp_path)
    generator = np.random.default_rng(1)
    for n_rows, length, n_aspects, n_opinions in ((1, 4, 1, 1), (3, 90, 2, 4)):
        states = generator.normal(size=(n_rows, length, 8)).astype(np.float32)
        sides = []
        for count in (n_aspects, n_opinions):
            starts = generator.integers(0, length - 1, (n_rows, count))
            sides.append(np.stack([starts, np.minimum(length, starts + generator.integers(0, 4, starts.shape))], 2))
        expected = model.pairs(*map(paddle.to_tensor, (states, *sides))).numpy()
        found = exported.run("pairs", {"states": states, "aspects": sides[0], "opinions": sides[1]})["logits"]
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_tagger_without_pairs_has_no_network_for_them(tmp_path):
    model = randomise(OpinionTagger(encoder("bert"), n_labels=2, head="crf", dropout=0.1, n_polarities=0))
    assert [one.name for one in tagger_networks(saved(model, tmp_path, {"model": {}}))] == ["encoder", "tags"]
