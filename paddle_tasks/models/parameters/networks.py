"""The parts of Paddle's recurrent networks and of its Transformer with encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass

from paddle_tasks.language import _
from paddle_tasks.models.parameters.part import CourseAnswer, Part

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""How many times a cell has the weights and biases of a plain one."""


@dataclass(frozen=True)
class NetworkSizes:
    """The sizes of a network without a published configuration.

    Attributes:
        n_inputs: size of an input vector; recurrent networks only.
        n_hidden: size of a state; of a bidirectional network, in each direction.
        n_layers: number of layers; of a Transformer, in the encoder and in the decoder.
        bidirectional: whether a recurrent network also reads backwards.
        n_heads: heads of attention; Transformer only.
        n_inner: inner width of the feed-forward part; Transformer only.
    """

    n_inputs: int = 300
    n_hidden: int = 128
    n_layers: int = 1
    bidirectional: bool = False
    n_heads: int = 8
    n_inner: int = 2048


def recurrent_parts(kind: str, sizes: NetworkSizes) -> Part:
    """Return the parts of ``nn.SimpleRNN``, ``nn.GRU`` or ``nn.LSTM``.

    Paddle's cells have two bias vectors, one for the input and one for the state: with inputs I, hidden H and g gates a
    layer has g × ((I + H) × H + 2 × H) parameters. The weights are shared over time, so the length does not occur.
    """
    layers = tuple(_recurrent_layer(kind, sizes, number) for number in range(sizes.n_layers))
    reason = _("the course counts one bias vector; Paddle's cells have two, for the input and for the state")
    n_directions = 2 if sizes.bidirectional else 1
    total = sum(layer.count for layer in layers)
    one_bias = total - GATES[kind] * sizes.n_hidden * sizes.n_layers * n_directions
    return Part(_("all parameters"), parts=layers, course=CourseAnswer(one_bias, reason))


def _recurrent_layer(kind: str, sizes: NetworkSizes, number: int) -> Part:
    n_directions = 2 if sizes.bidirectional else 1
    n_inputs = sizes.n_hidden * n_directions if number else sizes.n_inputs
    size, many = sizes.n_hidden, n_directions * GATES[kind]
    at = rf"_l{number}(_reverse)?$"
    tables = (
        (_("weights of the input"), f"{many} × {n_inputs} × {size}", many * n_inputs * size, "weight_ih"),
        (_("weights of the state"), f"{many} × {size} × {size}", many * size * size, "weight_hh"),
        (_("biases of the input"), f"{many} × {size}", many * size, "bias_ih"),
        (_("biases of the state"), f"{many} × {size}", many * size, "bias_hh"),
    )
    parts = tuple(
        Part(name, formula, count, rf"^{key}{at}", products=count if "weight" in key else 0)
        for name, formula, count, key in tables
    )
    return Part(_("layer {number}").format(number=number + 1), parts=parts)


def transformer_parts(sizes: NetworkSizes) -> Part:
    """Return the parts of ``nn.Transformer``, without embeddings: a decoder layer attends twice."""
    encoder = _transformer_side("encoder", _("encoder"), 1, sizes)
    return Part(_("all parameters"), parts=(encoder, _transformer_side("decoder", _("decoder"), 2, sizes)))


def _transformer_side(key: str, name: str, n_attentions: int, sizes: NetworkSizes) -> Part:
    n, size, inner = sizes.n_layers, sizes.n_hidden, sizes.n_inner
    at = rf"^{key}\.layers\."
    own = _attention(_("self-attention"), n, size, rf"{at}.*self_attn")
    crossed = (_attention(_("cross-attention"), n, size, rf"{at}.*cross_attn"),) if n_attentions > 1 else ()
    product = n * 2 * size * inner
    formula = f"{n} × (2 × {size} × {inner} + {size} + {inner})"
    feed = Part(_("feed-forward"), formula, product + n * (size + inner), rf"{at}.*linear", products=product)
    n_norms = n_attentions + 1
    norms = Part(_("layer norms"), f"{n} × {n_norms} × 2 × {size}", n * n_norms * 2 * size, rf"{at}.*norm\d")
    last = Part(_("last layer norm"), f"2 × {size}", 2 * size, rf"^{key}\.norm")
    return Part(name, parts=(own, *crossed, feed, norms, last))


def _attention(name: str, n: int, size: int, pattern: str) -> Part:
    product = n * 4 * size * size
    return Part(name, f"{n} × 4 × ({size} × {size} + {size})", product + n * 4 * size, pattern, products=product)
