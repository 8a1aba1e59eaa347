"""What a recurrent network returns for a text: outputs, h_n, c_n, and the same with ``time_major``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.language import _
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.inspection.outputs import Check, Findings, Output, largest_difference

RECURRENT = (nn.SimpleRNN, nn.GRU, nn.LSTM)


@without_gradients
def inspect_network(embedding: nn.Embedding, network: nn.Layer, ids: Array) -> Findings:
    """Return what Paddle's SimpleRNN, GRU or LSTM returns for a text.

    Args:
        embedding: turns ids into the vectors that it reads.
        network: the network.
        ids: <int64>[length].
    """
    inputs = embedding(paddle.to_tensor(ids[None]))
    outputs, last = _run(network, inputs)
    found = [Output("input", _("batch, length, inputs"), inputs.numpy(), _("the vector of each token"))]
    found += list(_described(network, outputs, last))
    with _time_major(network):
        other, other_last = _run(network, inputs.transpose([1, 0, 2]))
    swapped = _("the outputs with time_major=True: the same numbers, but time is the first axis and the batch second")
    found.append(Output("outputs_time_major", _("length, batch, directions × hidden"), other.numpy(), swapped))
    checks = (
        Check(_("h_n is the output at the last token, and backwards at the first one"), _ends(network, outputs, last)),
        Check(_("time_major swaps the first two axes of inputs and outputs"), _swapped(outputs, other)),
        Check(_("time_major leaves h_n as it is"), largest_difference(_hidden(last), _hidden(other_last))),
    )
    return Findings(tuple(found), checks)


def _run(network: nn.Layer, inputs: Tensor) -> tuple[Tensor, Any]:
    """Return the outputs and the last states; Paddle's own forward, since the kernels return no cells."""
    outputs, last = type(network).forward(network, inputs)
    return outputs, last


@contextlib.contextmanager
def _time_major(network: nn.Layer) -> Iterator[None]:
    before = network.time_major
    network.time_major = True
    try:
        yield
    finally:
        network.time_major = before


def _described(network: nn.Layer, outputs: Tensor, last: Any) -> Iterator[Output]:
    every = _("the state after each token, of the top layer, both directions side by side")
    yield Output("outputs", _("batch, length, directions × hidden"), outputs.numpy(), every)
    final = _("the last state of each layer and direction: a vector of the text")
    yield Output("h_n", _("layers × directions, batch, hidden"), _hidden(last), final)
    if isinstance(network, nn.LSTM):
        cells = _("the last cells, the memory that the forget gate erases; other layers never read them")
        yield Output("c_n", _("layers × directions, batch, hidden"), last[1].numpy(), cells)


def _hidden(last: Any) -> Array:
    hidden = last[0] if isinstance(last, tuple) else last
    return np.asarray(hidden.numpy())


def _ends(network: nn.Layer, outputs: Tensor, last: Any) -> float:
    """Return the difference between h_n of the top layer and the outputs at the ends of the text."""
    size, array, hidden = network.hidden_size, outputs.numpy(), _hidden(last)
    if network.num_directions == 1:
        return largest_difference(array[:, -1], hidden[-1])
    forward = largest_difference(array[:, -1, :size], hidden[-2])
    return max(forward, largest_difference(array[:, 0, size:], hidden[-1]))


def _swapped(outputs: Tensor, other: Tensor) -> float:
    return largest_difference(outputs.numpy().swapaxes(0, 1), other.numpy())
