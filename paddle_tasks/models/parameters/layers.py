"""The parts of any Layer of this package: known Layers by their formulas, others by the shapes that they were given."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from paddle import nn

from paddle_tasks.language import _
from paddle_tasks.models.classifier import TextClassifier
from paddle_tasks.models.encoders.architectures import ARCHITECTURES
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.parameters.cost import LayerSizes
from paddle_tasks.models.parameters.encoders import encoder_parts
from paddle_tasks.models.parameters.networks import NetworkSizes, recurrent_parts
from paddle_tasks.models.parameters.part import Part
from paddle_tasks.models.seq2seq.blocks import AttentionBlock, FeedForwardBlock
from paddle_tasks.models.tied_output import TiedOutput

_KINDS = {nn.SimpleRNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm"}


def layer_parts(layer: nn.Layer) -> Part:
    """Return the parts of a Layer; they have the names of its attributes.

    A weight that two places share belongs to the first of them. Equal Layers of a list are one part.
    """
    return replace(_part("", layer, ""), name=_("all parameters"))


def find_sizes(layer: nn.Layer) -> LayerSizes:
    """Return what the activations of a Layer's Transformer layers depend on; zeros if it has none."""
    for found in layer.sublayers(include_self=True):
        if isinstance(found, PretrainedEncoder):
            config = found.model.config
            return LayerSizes(
                config.num_hidden_layers, config.hidden_size, config.intermediate_size, config.num_attention_heads
            )
    layers = [found for found in layer.sublayers() if isinstance(found, nn.TransformerEncoderLayer)]
    if layers:
        width, inner = layers[0].linear1.weight.shape
        return LayerSizes(len(layers), width, inner, layers[0].self_attn.num_heads)
    blocks = [found for found in layer.sublayers() if isinstance(found, FeedForwardBlock)]
    if not blocks:
        return LayerSizes()
    width, inner = blocks[0].inner.weight.shape
    n_heads = next(found.n_heads for found in layer.sublayers() if isinstance(found, AttentionBlock))
    return LayerSizes(len(blocks), width, inner, n_heads)


def _part(name: str, layer: nn.Layer, at: str) -> Part:
    """Return the part of a Layer.

    Args:
        name: the name of the part.
        layer: the Layer.
        at: a regular expression for what its parameters' names begin with; empty or ending in a dot.
    """
    if isinstance(layer, PretrainedEncoder):
        return replace(_encoder(layer).under(rf"{at}model\."), name=name)
    if type(layer) in _KINDS:
        return replace(_recurrent(layer).under(at), name=name)
    if isinstance(layer, nn.LayerList):
        return _list(name, layer, at)
    own = list(layer.named_parameters(include_sublayers=False))
    inner = [part for part in _inner(layer, at) if part.count]
    if not inner:
        return _leaf(name, layer, at)
    part = Part(name, parts=(*(_parameter(key, value.shape, at) for key, value in own), *inner))
    return _for_texts(part, layer)


def _inner(layer: nn.Layer, at: str) -> Iterator[Part]:
    for name, child in layer.named_children():
        yield _part(name, child, rf"{at}{re.escape(name)}\.")


def _for_texts(part: Part, layer: nn.Layer) -> Part:
    """Leave the head of a classifier out of the operations for a token, since it computes one vector a text."""
    if not isinstance(layer, TextClassifier):
        return part
    return replace(part, parts=tuple(_uncounted(child) if child.name == "head" else child for child in part.parts))


def _uncounted(part: Part) -> Part:
    return replace(part, products=0, parts=tuple(map(_uncounted, part.parts)))


def _encoder(layer: PretrainedEncoder) -> Part:
    config = layer.model.config
    fields = ARCHITECTURES[layer.model_type].fields
    sizes = {key: getattr(config, key) for key in fields if hasattr(config, key)}
    return encoder_parts(layer.model_type, sizes, has_pooler=layer.has_pooler)


def _recurrent(layer: nn.Layer) -> Part:
    sizes = NetworkSizes(layer.input_size, layer.hidden_size, layer.num_layers, layer.num_directions == 2)
    return recurrent_parts(_KINDS[type(layer)], sizes)


def _list(name: str, layers: nn.LayerList, at: str) -> Part:
    """Return the part of a list: that of its first Layer as many times, if all are alike."""
    parts = [_part(f"{name} {number}", layer, rf"{at}{number}\.") for number, layer in enumerate(layers)]
    if len(parts) > 1 and len({_shape(part) for part in parts}) == 1:
        first = _part(name, layers[0], rf"{at}\d+\.")
        return replace(_repeat(first, len(parts)), name=f"{name} ({len(parts)})")
    return Part(name, parts=tuple(parts))


def _shape(part: Part) -> tuple[object, ...]:
    """Return what equal parts have in common."""
    return (part.formula, part.own_count, *map(_shape, part.parts))


def _repeat(part: Part, times: int) -> Part:
    formula = part.formula if "+" not in part.formula else f"({part.formula})"
    return replace(
        part,
        formula=f"{times} × {formula}" if formula else "",
        own_count=times * part.own_count,
        products=times * part.products,
        course=None,
        parts=tuple(_repeat(inner, times) for inner in part.parts),
    )


def _leaf(name: str, layer: nn.Layer, at: str) -> Part:
    """Return the part of a Layer without Layers, such as a linear map."""
    own = list(layer.named_parameters(include_sublayers=False))
    names, shapes = [key for key, _ in own], [value.shape for _, value in own]
    pattern = rf"^{at}({'|'.join(map(re.escape, names))})$"
    formula, products = _formula(shapes), math.prod(shapes[0]) if isinstance(layer, nn.Linear) else 0
    if isinstance(layer, TiedOutput):  # it multiplies states with vectors of another Layer
        formula, products = _("{formula}, tied weights").format(formula=formula), layer.n_words * layer.width
    return Part(name, formula, sum(map(math.prod, shapes)), pattern, products=products)


def _parameter(name: str, shape: Sequence[int], at: str) -> Part:
    return Part(name, _formula([shape]), math.prod(shape), rf"^{at}{re.escape(name)}$")


def _formula(shapes: Sequence[Sequence[int]]) -> str:
    """Return a formula: ``[[256, 2], [2]]`` → ``256 × 2 + 2``, ``[[256], [256]]`` → ``2 × 256``."""
    times = Counter(tuple(shape) for shape in shapes)
    return " + ".join(
        " × ".join(map(str, ([count] if count > 1 else []) + list(shape))) for shape, count in times.items()
    )
