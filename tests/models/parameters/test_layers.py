"""The parts of any Layer."""

from __future__ import annotations

import re

import pytest
from paddle import nn

from paddle_tasks.models.parameters.cost import LayerSizes
from paddle_tasks.models.parameters.layers import find_sizes, layer_parts
from paddle_tasks.models.parameters.part import Part
from paddle_tasks.models.pretrained.loading import load_pretrained
from paddle_tasks.models.seq2seq.base import Vocabulary
from paddle_tasks.models.seq2seq.transformer import TransformerModel, TransformerSizes
from paddle_tasks.models.window_lm import FullyConnectedHead, RecurrentHead, WindowModel

from ..conftest import GOLDEN


class Network(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 4)
        self.same = nn.LayerList([nn.Linear(4, 4) for _ in range(12)])
        self.others = nn.LayerList([nn.Linear(4, 3), nn.Linear(3, 2)])
        self.gru = nn.GRU(4, 5, direction="bidirect")
        self.tied = nn.Linear(11, 4)
        self.tied.weight = self.words.weight
        self.scale = self.create_parameter([7])


def sizes_of(layer: nn.Layer) -> dict[str, int]:
    return {name: int(parameter.size) for name, parameter in layer.named_parameters()}


def owners(parts: Part, name: str) -> list[str]:
    return [leaf.name for leaf in parts.leaves() if re.search(leaf.pattern, name)]


def find(parts: Part, name: str) -> Part:
    return next(part for part in parts.parts if part.name == name)


def test_every_parameter_has_one_part_and_a_tied_one_counts_once():
    network = Network()
    sizes, parts = sizes_of(network), layer_parts(network)
    assert parts.measure(sizes) == sum(sizes.values())
    assert {name: len(owners(parts, name)) for name in sizes} == dict.fromkeys(sizes, 1)
    assert find(parts, "words").measure(sizes) == 44
    assert find(parts, "tied").measure(sizes) == 4


def test_equal_layers_are_one_part():
    parts = layer_parts(Network())
    same, others = find(parts, "same (12)"), find(parts, "others")
    assert (same.formula, same.count) == ("12 × (4 × 4 + 4)", 240)
    assert [part.formula for part in others.parts] == ["4 × 3 + 3", "3 × 2 + 2"]
    assert find(parts, "scale").formula == "7"
    assert find(parts, "gru").count == 2 * 3 * (4 * 5 + 5 * 5 + 2 * 5)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_a_decoder_reads_its_source_too(n_layers):
    sizes = TransformerSizes(width=8, n_layers=n_layers, n_decoder_layers=n_layers, n_heads=2, inner_width=12)
    layer = TransformerModel(Vocabulary(30, 28), sizes)
    parts, counts = layer_parts(layer), sizes_of(layer)
    attention, feed = 4 * (8 * 8 + 8) + 16, 2 * 8 * 12 + 12 + 8 + 16
    assert parts.count == parts.measure(counts) == 30 * 8 + 28 + n_layers * (3 * attention + 2 * feed) + 32
    assert find_sizes(layer) == LayerSizes(2 * n_layers, 8, 12, 2)


@pytest.mark.parametrize("attention", [None, False, True])
def test_a_window_model_has_an_encoder_and_a_head(attention):
    encoder = load_pretrained(str(GOLDEN / "bert"))
    width, size = encoder.width, 6
    head = FullyConnectedHead(width, size, 0.1) if attention is None else _recurrent(width, size, attention)
    layer = WindowModel(encoder, head, 20, None)
    parts, sizes = layer_parts(layer), sizes_of(layer)
    assert {name: len(owners(parts, name)) for name in sizes} == dict.fromkeys(sizes, 1)
    expected = width * size + size + 2 * size if attention is None else 4 * ((width + size) * size + 2 * size)
    expected += (3 * size * size + 2 * size) if attention else 0
    assert find(parts, "head").count == find(parts, "head").measure(sizes) == expected
    assert find(parts, "output").formula == "20, tied weights"
    assert find_sizes(layer).n_layers == encoder.model.config.num_hidden_layers


def _recurrent(width: int, size: int, attention: bool) -> RecurrentHead:
    return RecurrentHead(width, size, 0.1, attention=attention)


def test_no_transformer_no_sizes():
    assert find_sizes(Network()) == LayerSizes()
