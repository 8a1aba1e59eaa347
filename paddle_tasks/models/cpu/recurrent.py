"""Paddle's recurrent Layers, computed by oneDNN over texts of different lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu import dropout
from paddle_tasks.models.cpu.arrays import first_order_only, is_plain, need_gradients, to_tensor, view
from paddle_tasks.models.replacement import is_switched_in
from paddle_tasks.onednn import library, precision
from paddle_tasks.onednn.primitives import convert, to_bfloat16
from paddle_tasks.onednn.recurrent import Call, Kind, Parameters, State

_KINDS: dict[str, Kind] = {"RNN_TANH": "rnn", "GRU": "gru", "LSTM": "lstm"}
"""By Paddle's mode. Not RNN_RELU: its states may overflow in the padding, through which the kernel runs as well."""


def can_replace(layer: nn.Layer) -> bool:
    """Return whether `run_recurrent` computes what a Layer's own forward does from zero initial states."""
    return (
        any(is_plain(layer, kind) for kind in (nn.SimpleRNN, nn.GRU, nn.LSTM))
        and layer.mode in _KINDS
        and layer.could_use_cudnn
        and len(layer._all_weights) == 4 * layer.num_layers * layer.num_directions  # it has all biases
        and not layer.time_major
        and not layer.proj_size
    )


def forward(layer: nn.Layer, *inputs: Any, **options: Any) -> Any:
    """Compute the Layer's own forward: the kernels return no cells, so only `run_recurrent` uses them."""
    return type(layer).forward(layer, *inputs, **options)


def run_recurrent(
    layer: nn.Layer, inputs: Tensor, lengths: Tensor, initial: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run a SimpleRNN, GRU or LSTM to the end of each text, from zero initial states or from given ones.

    A Layer that `switch_in` has marked is computed by oneDNN, any other by Paddle.

    Args:
        layer: not time-major.
        inputs: <float32>[batch, length, inputs].
        lengths: <int64>[batch], real positions of each text.
        initial: the hidden states before the first step <float32>[batch, size], for a Layer with one layer and one
            direction; the cells of an LSTM are zero there.

    Returns:
        The states <float32>[batch, length, directions * size], zero in the padding, and the last state of each text
        <float32>[layers * directions, batch, size]. The backward direction begins at the end of the text.
    """
    if not _can_compute(layer, inputs):
        states, last = layer(inputs, _initial_states(layer, initial), sequence_length=lengths)
        return states, last[0] if isinstance(last, tuple) else last
    texts = _Texts(lengths.numpy(), inputs.shape[1], layer.num_directions)
    parameters, per_layer = _parameters(layer), 4 * layer.num_directions
    settings = _Settings(_KINDS[layer.mode], texts, keeps=paddle.is_grad_enabled())
    states, ends = inputs, list[Tensor]()
    for start in range(0, len(parameters), per_layer):
        if start:
            states = dropout.dropout(states, layer.dropout, training=layer.training)
        states, last = RecurrentKernel.apply(states, initial, *parameters[start : start + per_layer], settings)
        ends.append(last)
    return states, ends[0] if len(ends) == 1 else paddle.concat(ends)


def _initial_states(layer: nn.Layer, hidden: Tensor | None) -> Any:
    """Return initial states as Paddle's Layers take them."""
    if hidden is None:
        return None
    hidden = hidden.unsqueeze(0)
    return (hidden, paddle.zeros_like(hidden)) if layer.mode == "LSTM" else hidden


def _can_compute(layer: nn.Layer, inputs: Tensor) -> bool:
    return (
        paddle.in_dynamic_mode()
        and library.get() is not None
        and is_switched_in(layer)
        and can_replace(layer)
        and inputs.size > 0
        and all(
            tensor.dtype == paddle.float32 and tensor.place.is_cpu_place() for tensor in (inputs, *_parameters(layer))
        )
    )


def _parameters(layer: nn.Layer) -> list[Tensor]:
    """Return the parameters, those of `Parameters` for each direction of each layer, as Paddle's kernel reads them."""
    tensors = layer._all_weights  # all weights, then all biases
    half = len(tensors) // 2
    pairs = zip(range(0, half, 2), range(half, 2 * half, 2), strict=True)
    return [tensor for weight, bias in pairs for tensor in (*tensors[weight : weight + 2], *tensors[bias : bias + 2])]


class _Direction(NamedTuple):
    """How one direction reads the texts; a text's padding comes last in both.

    Attributes:
        enter: <int64>[length, batch], for each step, the position that is read, an index into [batch * length].
        leave: <int64>[batch, length], for each position, the step that reads it, an index into [length * batch].
    """

    enter: Array
    leave: Array

    @classmethod
    def order(cls, lengths: Array, n_steps: int, *, is_backward: bool) -> _Direction:
        """Return the order of texts of these lengths <int64>[batch] in a batch of a length."""
        steps, texts = np.arange(n_steps)[:, None], np.arange(len(lengths))
        positions = np.where(is_backward & (steps < lengths), lengths - 1 - steps, steps)
        return cls(texts * n_steps + positions, (positions * len(lengths) + texts).T)


class _Texts:
    """The texts of a batch.

    Attributes:
        directions: forward, and backward if the Layer has both.
        is_padding: <bool>[length, batch].
        last: <int64>[batch], the step that reads the last position, an index into [length * batch].
    """

    def __init__(self, lengths: Array, n_steps: int, n_directions: int) -> None:
        backward = (False, True)[:n_directions]
        self.directions = [_Direction.order(lengths, n_steps, is_backward=is_backward) for is_backward in backward]
        self.is_padding: Array = np.arange(n_steps)[:, None] >= lengths
        self.last: Array = np.maximum(lengths - 1, 0) * len(lengths) + np.arange(len(lengths))


@dataclass
class _Settings:
    kind: Kind
    texts: _Texts
    keeps: bool


class RecurrentKernel(PyLayer):  # type: ignore[misc]
    """One layer in its directions: states <float32>[batch, length, inputs] and four parameters for each direction.

    It returns the states and the last ones <float32>[directions, batch, size]. With one direction there may be initial
    hidden states <float32>[batch, size].
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, initial: Tensor | None, *others: Any) -> tuple[Tensor, Tensor]:
        """Compute the states; ``others`` are the parameters and the settings of the call."""
        *parameters, settings = others
        ctx.set_materialize_grads(False)
        ctx.need_gradients, ctx.texts = need_gradients(inputs, initial, *parameters), settings.texts
        ctx.has_initial = initial is not None
        start = None if initial is None else State(view(initial.contiguous()))
        (batch, length, _), size = inputs.shape, parameters[1].shape[1]
        rows = view(inputs.contiguous()).reshape(batch * length, -1)
        if _is_bfloat16(rows.shape[1], size):
            rows = to_bfloat16(rows)
        directions = settings.texts.directions
        states = np.empty((batch, length, len(directions), size), np.float32)
        last = np.empty((len(directions), batch, size), np.float32)
        ctx.calls = []
        for number, direction in enumerate(directions):
            own = Parameters(*map(view, parameters[4 * number : 4 * number + 4]))
            steps = rows.take(direction.enter, axis=0)
            call = Call.compute(settings.kind, steps, own, start, keeps=settings.keeps)
            steps = call.states.reshape(-1, size)
            convert(steps.take(direction.leave, axis=0), states[:, :, number])
            convert(steps.take(settings.texts.last, axis=0), last[number])
            ctx.calls.append(call)
        states[settings.texts.is_padding.T] = 0
        last[:, settings.texts.is_padding[0]] = 0  # texts without positions
        return to_tensor(states.reshape(batch, length, -1)), to_tensor(last)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, states: Tensor | None, last: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs and parameters, from those of the two results; None is zero."""
        inputs, initial, gradients = list[Array](), list[Array](), list[Array]()
        for number, (call, direction) in enumerate(zip(ctx.calls, ctx.texts.directions, strict=True)):
            found = call.backward(_steps(ctx.texts, number, call.states.shape, states, last))
            rows = found.inputs.reshape(-1, found.inputs.shape[2]).take(direction.leave, axis=0)
            inputs.append(rows)
            initial += [found.initial.hidden] * ctx.has_initial
            gradients += found.parameters
        del ctx.calls  # their arrays are the largest of a step
        return tuple(
            to_tensor(array) if needed else None
            for array, needed in zip(
                (sum(inputs[1:], inputs[0]), *initial, *gradients), ctx.need_gradients, strict=True
            )
        )


def _is_bfloat16(n_inputs: int, size: int) -> bool:
    # oneDNN has no recurrent layers in bfloat16 for CPUs that only emulate it.
    return precision.suits_bfloat16(n_inputs, size) and precision.has_bfloat16()


def _steps(texts: _Texts, number: int, shape: tuple[int, ...], states: Tensor | None, last: Tensor | None) -> Array:
    """Return the gradient <float32>[length, batch, size] of the states that a direction computes, step by step.

    Args:
        texts: of the batch.
        number: of the direction.
        shape: of the gradient.
        states: the gradient of all states <float32>[batch, length, directions * size].
        last: that of the last states <float32>[directions, batch, size].
    """
    steps = np.zeros(shape, np.float32)
    if states is not None:
        rows = view(states.contiguous()).reshape(-1, shape[2])  # those of the directions take turns
        enter = texts.directions[number].enter * len(texts.directions) + number
        rows.take(enter, axis=0, out=steps, mode="clip")  # other modes copy the result once more
    if last is not None:
        steps.reshape(-1, shape[2])[texts.last] += view(last.contiguous())[number]
    steps[texts.is_padding] = 0
    return steps
