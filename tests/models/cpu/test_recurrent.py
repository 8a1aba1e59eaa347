"""Recurrent Layers over texts of different lengths against Paddle's own in double precision."""

from __future__ import annotations

import copy
import threading

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle import nn

from paddle_tasks.models import cpu
from paddle_tasks.models.cpu import recurrent
from paddle_tasks.onednn import library, precision
from paddle_tasks.onednn.recurrent import Call, Parameters, State

from .oracles import LAYOUTS, TOLERANCE, assert_same, difference, normal

KINDS = {"rnn": nn.SimpleRNN, "gru": nn.GRU, "lstm": nn.LSTM}
DIRECTIONS = ("forward", "bidirect")
LENGTHS = (5, 1, 7, 4)
TOLERANCE_BFLOAT16 = 0.03
"""Of a result or gradient, relative to its largest value; bfloat16 rounds by up to 0.004, once in each step."""

each_kind = pytest.mark.parametrize("kind", KINDS)
each_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def make(kind: str, n_inputs: int = 4, size: int = 3, **options) -> nn.Layer:
    layer = KINDS[kind](n_inputs, size, **options)
    cpu.switch_in(layer)
    return layer


def in_double(layer: nn.Layer) -> nn.Layer:
    """Return the Layer with its weights in float64, which Paddle computes itself."""
    paddle.set_default_dtype("float64")
    try:
        twin = type(layer)(
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            direction="bidirect" if layer.num_directions == 2 else "forward",
        )
    finally:
        paddle.set_default_dtype("float32")
    for mine, its in zip(layer.parameters(), twin.parameters(), strict=True):
        its.set_value(mine.numpy().astype(np.float64))
    return twin


def outcome(
    layer: nn.Layer, texts: np.ndarray, lengths=LENGTHS, enter=lambda x: x, used=("states", "last"), frozen=False
):
    """Return states, last states, and the gradients of their randomly weighted sum for texts and parameters."""
    dtype = layer.parameters()[0].numpy().dtype
    inputs = paddle.to_tensor(texts.astype(dtype), stop_gradient=frozen)
    layer.clear_gradients()
    states, last = cpu.run_recurrent(layer, enter(inputs), paddle.to_tensor(lengths))
    results = {"states": states, "last": last}
    sums = [
        (results[name] * paddle.to_tensor(normal(*results[name].shape, seed=9).astype(dtype))).sum() for name in used
    ]
    sum(sums).backward()
    gradients = [tensor.grad for tensor in (inputs, *layer.parameters())]
    return [states.numpy(), last.numpy(), *(None if g is None else g.numpy() for g in gradients)]


def weighted_sum(*results: paddle.Tensor) -> paddle.Tensor:
    """Return the sum of results with random weights that are the same for each type."""
    weights = [normal(*result.shape, seed=9).astype(result.numpy().dtype) for result in results]
    return sum((result * paddle.to_tensor(weight)).sum() for result, weight in zip(results, weights, strict=True))


def texts(n_inputs: int = 4, lengths=LENGTHS) -> np.ndarray:
    return normal(len(lengths), max(1, *lengths), n_inputs)


@each_kind
@each_direction
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("lengths", [LENGTHS, (1,), (6,), (7, 7, 7), (1, 1), (3, 0, 2)], ids=str)
def test_results_and_gradients_are_paddles(kind, direction, n_layers, lengths):
    layer = make(kind, num_layers=n_layers, direction=direction)
    arrays = texts(lengths=lengths)
    assert_same(outcome(layer, arrays, lengths), outcome(in_double(layer), arrays, lengths))


@given(
    kind=st.sampled_from(sorted(KINDS)),
    direction=st.sampled_from(DIRECTIONS),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
@settings(max_examples=30, deadline=None)
def test_any_sizes(kind, direction, lengths, sizes):
    if library.get() is None:
        pytest.skip("Paddle's own float32 is not always this near to float64")
    layer = make(kind, *sizes, direction=direction)
    arrays = texts(sizes[0], lengths)
    # Terms near 1 may add up to a gradient of 0.004, and each is rounded by 6e-8.
    assert_same(outcome(layer, arrays, lengths), outcome(in_double(layer), arrays, lengths), floor=0.02)


@each_kind
def test_a_batch_longer_than_its_texts(kind):
    layer, arrays = make(kind, direction="bidirect"), normal(2, 9, 4)
    ours = outcome(layer, arrays, (3, 4))
    assert_same(ours, outcome(in_double(layer), arrays, (3, 4)))
    states, _, gradient, *_ = ours
    for row, length in enumerate((3, 4)):
        assert not states[row, length:].any()
        assert not gradient[row, length:].any()


@each_kind
@each_direction
def test_what_is_in_the_padding_changes_nothing(kind, direction):
    layer, arrays = make(kind, direction=direction, num_layers=2), texts()
    other = arrays.copy()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = 100
    for mine, its in zip(outcome(layer, arrays), outcome(layer, other), strict=True):
        np.testing.assert_array_equal(mine, its)


@each_kind
@each_direction
@pytest.mark.parametrize("used", ["states", "last"])
def test_one_result_is_used(kind, direction, used):
    layer = make(kind, direction=direction)
    assert_same(outcome(layer, texts(), used=[used]), outcome(in_double(layer), texts(), used=[used]))


@each_kind
def test_frozen_inputs_get_no_gradient(kind):
    layer = make(kind, direction="bidirect")
    ours = outcome(layer, texts(), frozen=True)
    assert_same(ours, outcome(in_double(layer), texts(), frozen=True))
    assert ours[2] is None


@each_kind
def test_frozen_parameters_get_no_gradient(kind, kernels):
    if kernels != "onednn":
        pytest.skip("Paddle's kernel fails if some of the parameters are frozen")
    layer, names = make(kind, direction="bidirect"), ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0_reverse"]
    expected = outcome(in_double(layer), texts())
    for name in names:
        getattr(layer, name).stop_gradient = True
    is_frozen = [parameter.stop_gradient for parameter in layer.parameters()]
    assert sum(is_frozen) == len(names)
    for number, frozen in enumerate(is_frozen, start=3):
        expected[number] = None if frozen else expected[number]
    assert_same(outcome(layer, texts()), expected)


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_views_go_in(kind, layout):
    enter, shape_in = LAYOUTS[layout]
    layer, arrays = make(kind), normal(*shape_in((4, 7, 4)))
    assert_same(outcome(layer, arrays, enter=enter), outcome(in_double(layer), arrays, enter=enter))


@each_kind
@each_direction
def test_a_repeated_run_is_bit_equal(kind, direction):
    layer = make(kind, direction=direction, num_layers=2)
    for first, second in zip(outcome(layer, texts()), outcome(layer, texts()), strict=True):
        np.testing.assert_array_equal(first, second)


@each_kind
def test_without_gradients(kind):
    layer, arguments = make(kind, direction="bidirect"), (paddle.to_tensor(texts()), paddle.to_tensor(LENGTHS))
    with paddle.no_grad():
        alone = cpu.run_recurrent(layer, *arguments)
    assert all(result.stop_gradient for result in alone)
    assert_same(
        [result.numpy() for result in alone], [result.numpy() for result in cpu.run_recurrent(layer, *arguments)]
    )


@each_kind
def test_gradients_accumulate(kind):
    layer, arrays = make(kind), texts()
    once = outcome(layer, arrays)[3:]
    for _ in range(2):
        weighted_sum(*cpu.run_recurrent(layer, paddle.to_tensor(arrays), paddle.to_tensor(LENGTHS))).backward()
    assert_same([p.grad.numpy() for p in layer.parameters()], [3 * gradient for gradient in once])


@each_kind
def test_a_copy_has_its_own_weights(kind):
    layer = make(kind)
    twin, before = copy.deepcopy(layer), outcome(layer, texts())
    for parameter in layer.parameters():
        parameter.set_value(parameter * 2)
    assert_same(outcome(twin, texts()), before)
    assert difference(outcome(layer, texts())[0], before[0]) > 0.01


def test_two_threads_compute_what_one_does(kernels):
    layers = {kind: make(kind, 16, 24, direction="bidirect") for kind in KINDS}
    arrays = texts(16)
    expected = {kind: outcome(layer, arrays) for kind, layer in layers.items()}
    found: dict[str, list] = {kind: [] for kind in KINDS}

    def work(kind: str) -> None:
        with library.switched_off() if kernels != "onednn" else precision.products_in("float32"):
            found[kind] = [outcome(layers[kind], arrays) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(kind,)) for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind in KINDS:
        assert len(found[kind]) == 5
        for outcomes in found[kind]:
            assert_same(outcomes, expected[kind])


# ---- dropout


@each_kind
def test_dropout_between_layers(kind):
    def run(seed: int):
        paddle.seed(seed)
        return outcome(layer, texts())

    layer = make(kind, num_layers=2, dropout=0.5)
    first, again, other = run(1), run(1), run(2)
    for mine, its in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine, its)
    assert difference(first[0], other[0]) > 0.01
    layer.eval()
    with paddle.no_grad():
        states, last = cpu.run_recurrent(layer, paddle.to_tensor(texts()), paddle.to_tensor(LENGTHS))
    expected = outcome(in_double(layer), texts())
    assert_same([states.numpy(), last.numpy()], expected[:2])
    np.testing.assert_allclose(first[1][0], expected[1][0], atol=1e-6)  # the first layer itself drops nothing


# ---- negative controls


def test_a_wrong_order_of_gates_is_found(kernels):
    layer = make("gru")
    right = outcome(in_double(layer), texts())
    for weight in layer.parameters():
        reset, update, candidate = np.split(weight.numpy(), 3)
        weight.set_value(np.concatenate([update, reset, candidate]))
    assert difference(outcome(layer, texts())[0], right[0]) > 0.01


@each_direction
def test_a_wrong_length_is_found(direction):
    layer = make("lstm", direction=direction)
    right = outcome(in_double(layer), texts())
    wrong = outcome(layer, texts(), (5, 2, 7, 4))
    assert difference(wrong[0][1], right[0][1]) > 0.01
    assert difference(wrong[1][:, 1], right[1][:, 1]) > 0.01


# ---- which Layers


LEFT = {
    "not switched in": lambda: nn.GRU(4, 3),
    "relu": lambda: make_switched(nn.SimpleRNN(4, 3, activation="relu")),
}


def make_switched(layer: nn.Layer) -> nn.Layer:
    cpu.switch_in(layer)
    return layer


@pytest.mark.parametrize("make_layer", LEFT.values(), ids=LEFT)
def test_other_layers_are_paddles(make_layer, monkeypatch):
    monkeypatch.setattr(
        recurrent.RecurrentKernel, "apply", lambda *_: pytest.fail("the kernel cannot compute this Layer")
    )
    layer = make_layer()
    states, last = cpu.run_recurrent(layer, paddle.to_tensor(texts()), paddle.to_tensor(LENGTHS))
    theirs, their_last = layer(paddle.to_tensor(texts()), sequence_length=paddle.to_tensor(LENGTHS))
    np.testing.assert_array_equal(states.numpy(), theirs.numpy())
    np.testing.assert_array_equal(last.numpy(), (their_last[0] if type(layer) is nn.LSTM else their_last).numpy())


@pytest.mark.parametrize("options", [{"time_major": True}, {"proj_size": 2}, {"bias_ih_attr": False}])
def test_layers_that_are_not_marked(options):
    assert not cpu.is_switched_in(make_switched(nn.LSTM(4, 3, **options)))


@each_kind
def test_hooks_and_switching_out_lead_to_paddle(kind, monkeypatch):
    layer = make(kind)
    monkeypatch.setattr(recurrent.RecurrentKernel, "apply", lambda *_: pytest.fail("the kernel calls no hooks"))
    called = []
    hook = layer.register_forward_post_hook(lambda *_: called.append(1))
    outcome(layer, texts())
    assert called
    hook.remove()
    cpu.switch_out(layer)
    outcome(layer, texts())


@each_kind
def test_a_marked_layer_computes_as_before(kind):
    layer = make(kind)
    marked, _ = layer(paddle.to_tensor(texts()))
    cpu.switch_out(layer)
    np.testing.assert_array_equal(marked.numpy(), layer(paddle.to_tensor(texts()))[0].numpy())


@each_kind
def test_kernels_are_used(kind, kernels, monkeypatch):
    used = []
    apply = recurrent.RecurrentKernel.apply
    monkeypatch.setattr(recurrent.RecurrentKernel, "apply", lambda *inputs: used.append(1) or apply(*inputs))
    outcome(make(kind, num_layers=2), texts())
    assert len(used) == (2 if kernels == "onednn" else 0)


def test_second_derivatives_are_refused(kernels):
    if kernels != "onednn":
        pytest.skip("only oneDNN's kernels refuse them")
    inputs = paddle.to_tensor(texts(), stop_gradient=False)
    states, _ = cpu.run_recurrent(make("gru"), inputs, paddle.to_tensor(LENGTHS))
    with pytest.raises(Exception, match="derivatives of derivatives"):
        paddle.grad(states.sum(), [inputs], create_graph=True, allow_unused=True)


# ---- bfloat16


@each_kind
@each_direction
def test_bfloat16_is_near_float32(kind, direction, kernels):
    if kernels != "onednn" or not precision.has_bfloat16():
        pytest.skip("needs oneDNN and a CPU with bfloat16")
    lengths = (40, 3, 29, 1)
    layer, arrays = make(kind, 64, 80, direction=direction), texts(64, lengths)
    exact = outcome(layer, arrays, lengths)
    with precision.products_in("bfloat16"):
        rounded = outcome(layer, arrays, lengths)
    assert_same(rounded, exact, TOLERANCE_BFLOAT16)
    assert difference(rounded[0], exact[0]) > TOLERANCE


# ---- a layer by itself, with an initial state


@each_kind
def test_initial_states_and_their_gradients(kind, kernels):
    if kernels != "onednn":
        pytest.skip("oneDNN's own operation")
    layer = KINDS[kind](4, 3)
    inputs, hidden, cells = normal(6, 2, 4), normal(2, 3, seed=1), normal(2, 3, seed=2)
    for_states, for_cells = normal(6, 2, 3, seed=3), normal(2, 3, seed=4)
    weights = Parameters(*(parameter.numpy() for parameter in layer.parameters()))
    initial = State(hidden, cells if kind == "lstm" else None)
    call = Call.compute(kind, inputs, weights, initial)
    gradients = call.backward(for_states, for_cells if kind == "lstm" else None)
    ours = [call.states, gradients.inputs, *gradients.parameters, gradients.initial.hidden]

    twin = in_double(layer)
    tensors = [paddle.to_tensor(array.astype(np.float64), stop_gradient=False) for array in (inputs, hidden, cells)]
    given = (tensors[1].unsqueeze(0), tensors[2].unsqueeze(0)) if kind == "lstm" else tensors[1].unsqueeze(0)
    states, last = twin(tensors[0].transpose([1, 0, 2]), given)
    total = (states.transpose([1, 0, 2]) * paddle.to_tensor(for_states.astype(np.float64))).sum()
    if kind == "lstm":
        total = total + (last[1] * paddle.to_tensor(for_cells.astype(np.float64))).sum()
        ours += [call.cells, gradients.initial.cells]
    total.backward()
    theirs = [states.transpose([1, 0, 2]), tensors[0].grad, *(p.grad for p in twin.parameters()), tensors[1].grad]
    if kind == "lstm":
        theirs += [last[1][0], tensors[2].grad]
    assert_same(ours, [tensor.numpy() for tensor in theirs])


@each_kind
def test_single_steps_are_one_run(kind, kernels):
    if kernels != "onednn":
        pytest.skip("oneDNN's own operation")
    weights = Parameters(*(parameter.numpy() for parameter in KINDS[kind](4, 3).parameters()))
    inputs = normal(5, 2, 4)
    state, hidden = None, []
    for step in range(5):
        call = Call.compute(kind, inputs[step : step + 1], weights, state, keeps=False)
        state = State(call.states[0], call.cells)
        hidden.append(call.states[0])
    assert_same([np.array(hidden)], [Call.compute(kind, inputs, weights).states])
