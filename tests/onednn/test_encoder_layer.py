"""A layer in bfloat16 against a numpy reference that rounds at the same places, and against float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from paddle_tasks.onednn import encoder_layer
from paddle_tasks.onednn.attention import Dropout
from paddle_tasks.onednn.encoder_layer import Call, Drops, Layer, Norm
from paddle_tasks.onednn.linear_map import prepare_map

BATCH, LENGTH, WIDTH, INNER, HEADS = 3, 7, 16, 40, 4
SIZE, EPSILON = WIDTH // HEADS, 1e-5
Array = np.ndarray[Any, Any]


@pytest.fixture
def weights(draw):
    """Return weight and bias of each map, and of the two norms."""
    shapes = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "o": (WIDTH, WIDTH)}
    shapes |= {"i": (WIDTH, INNER), "f": (INNER, WIDTH)}
    maps = {name: (draw(*shape) * 0.3, draw(shape[1]) * 0.3) for name, shape in shapes.items()}
    return maps, [(1 + draw(WIDTH) * 0.1, draw(WIDTH) * 0.1) for _ in range(2)]


@pytest.fixture
def drops(draw):
    """Return dropouts of a quarter."""
    shapes = (BATCH, HEADS, LENGTH, LENGTH), (BATCH * LENGTH, WIDTH), (BATCH * LENGTH, WIDTH)
    return Drops(*(Dropout(draw(*shape) > -0.67, 4 / 3) for shape in shapes))


def make_layer(weights: Any, *, bfloat16: bool) -> Layer:
    maps, norms = weights
    joined = prepare_map(maps["q"], maps["k"], maps["v"], bfloat16=bfloat16)
    others = [prepare_map(maps[name], bfloat16=bfloat16) for name in "oif"]
    first, second = (Norm(*norm, EPSILON) for norm in norms)
    return Layer(joined, *others, (first, second), HEADS, "gelu")


def rounded(values: Array) -> Array:
    """Round to bfloat16."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(float)


class Reference:
    """The layer in double precision; ``round`` is applied where bfloat16 rounds."""

    def __init__(self, weights: Any, drops: Drops, offsets: Array, round_: Any) -> None:
        maps, norms = weights
        self.round, self.drops, self.offsets = round_, drops, offsets
        self.w = {name: round_(weight) for name, (weight, _) in maps.items()}
        self.b = {name: bias.astype(float) for name, (_, bias) in maps.items()}
        self.norms = [(weight.astype(float), bias.astype(float)) for weight, bias in norms]

    def heads(self, rows: Array) -> Array:
        return rows.reshape(BATCH, LENGTH, HEADS, SIZE).swapaxes(1, 2)

    def rows(self, heads: Array) -> Array:
        return heads.swapaxes(1, 2).reshape(-1, WIDTH)

    def forward(self, states: Array) -> Array:
        r = self.round
        self.residual = states.reshape(-1, WIDTH).astype(float)
        self.x = r(self.residual)
        self.q, self.k, self.v = (self.heads(r(self.x @ self.w[name] + self.b[name])) for name in "qkv")
        scores = self.q @ self.k.swapaxes(2, 3) / np.sqrt(SIZE) + self.offsets
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        self.p = r(weights / weights.sum(-1, keepdims=True))
        mask = self.drops.weights
        self.context = r(self.rows((self.p * mask.kept) @ self.v * mask.scale))
        self.s1, self.y = self.branch(self.context, "o", self.residual, self.drops.attention, 0)
        self.y16 = r(self.y)
        self.h = r(self.y16 @ self.w["i"] + self.b["i"])
        self.a = r(self.h * (1 + erf(self.h / np.sqrt(2))) / 2)
        self.s2, result = self.branch(self.a, "f", self.y, self.drops.feed_forward, 1)
        return result

    def branch(self, inputs: Array, name: str, residual: Array, drop: Dropout, norm: int) -> tuple[Array, Array]:
        sums = (inputs @ self.w[name] + self.b[name]) * drop.kept * drop.scale + residual
        normal, _ = self.normal(sums)
        return sums, normal * self.norms[norm][0] + self.norms[norm][1]

    @staticmethod
    def normal(sums: Array) -> tuple[Array, Array]:
        centred = sums - sums.mean(-1, keepdims=True)
        inverse = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return centred * inverse, inverse

    def norm_gradient(self, sums: Array, norm: int, gradient: Array) -> Array:
        normal, inverse = self.normal(sums)
        inner = gradient * self.norms[norm][0]
        slope = (inner * normal).mean(-1, keepdims=True)
        return (inner - inner.mean(-1, keepdims=True) - normal * slope) * inverse

    def backward(self, gradient: Array) -> dict[str, Array]:
        r, found = self.round, {}
        for_s2 = self.norm_gradient(self.s2, 1, gradient)
        g2 = r(for_s2 * self.drops.feed_forward.kept * self.drops.feed_forward.scale)
        found["f"] = self.a.T @ g2
        phi = np.exp(-(self.h**2) / 2) / np.sqrt(2 * np.pi)
        slope = (1 + erf(self.h / np.sqrt(2))) / 2 + self.h * phi
        for_h = r(r(g2 @ self.w["f"].T) * slope)
        found["i"] = self.y16.T @ for_h
        for_s1 = self.norm_gradient(self.s1, 0, for_s2 + for_h @ self.w["i"].T)
        g1 = r(for_s1 * self.drops.attention.kept * self.drops.attention.scale)
        found["o"] = self.context.T @ g1
        parts = self.attention_gradient(self.heads(r(g1 @ self.w["o"].T)))
        found |= {name: self.x.T @ part for name, part in zip("qkv", parts, strict=True)}
        summed = sum(part @ self.w[name].T for name, part in zip("qkv", parts, strict=True))
        return {**found, "states": for_s1 + summed}

    def attention_gradient(self, outer: Array) -> list[Array]:
        mask, r = self.drops.weights, self.round
        for_v = (self.p * mask.kept).swapaxes(2, 3) @ outer * mask.scale
        for_p = r(outer @ self.v.swapaxes(2, 3) * mask.kept * mask.scale)
        scores = r(self.p * (for_p - (for_p * self.p).sum(-1, keepdims=True))) / np.sqrt(SIZE)
        return [self.rows(r(part)) for part in (scores @ self.k, scores.swapaxes(2, 3) @ self.q, for_v)]


def outcome(call: Call, gradient: Array) -> dict[str, Array]:
    found = call.backward(gradient)
    q, k, v = np.split(found.projections.weight, 3, axis=1)
    maps = {"o": found.output.weight, "i": found.inner.weight, "f": found.outer.weight, "q": q, "k": k, "v": v}
    return {**maps, "states": found.states.reshape(-1, WIDTH), "result": call.result}


def difference(ours: Array, theirs: Array) -> float:
    """Return the largest difference relative to the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 1e-2)])
def test_a_layer_is_the_rounded_reference(weights, drops, draw, bfloat16, tolerance):
    states, gradient = draw(BATCH, LENGTH, WIDTH), draw(BATCH * LENGTH, WIDTH)
    offsets = np.where(draw(BATCH, 1, 1, LENGTH) > 1, -1e4, 0).astype(np.float32)
    ours = outcome(Call(make_layer(weights, bfloat16=bfloat16), states, offsets, drops), gradient)
    reference = Reference(weights, drops, offsets, rounded if bfloat16 else np.asarray)
    theirs = {"result": reference.forward(states), **reference.backward(gradient.astype(float))}
    assert ours.keys() == theirs.keys()
    assert {name: found for name in ours if (found := difference(ours[name], theirs[name])) > tolerance} == {}


def test_bfloat16_is_near_float32(weights, drops, draw):
    states, gradient = draw(BATCH, LENGTH, WIDTH), draw(BATCH * LENGTH, WIDTH)
    half, full = (
        outcome(Call(make_layer(weights, bfloat16=kind), states, None, drops), gradient) for kind in (True, False)
    )
    differences = {name: difference(half[name], full[name]) for name in half}
    assert max(differences.values()) < 0.05
    assert min(differences.values()) > 1e-5  # it is another precision


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("positions", [[4, 0, 20], [4, 0, 4, 4]], ids=["distinct", "repeated"])
def test_some_positions_are_those_of_all(weights, draw, positions, bfloat16):
    layer, states, chosen = make_layer(weights, bfloat16=bfloat16), draw(BATCH, LENGTH, WIDTH), np.array(positions)
    part = Call(layer, states, None, Drops(), positions=chosen)
    whole = Call(layer, states, None, Drops())
    np.testing.assert_allclose(part.result, whole.result[chosen], rtol=1e-5, atol=1e-5)
    gradient, spread = draw(len(chosen), WIDTH), np.zeros((BATCH * LENGTH, WIDTH), np.float32)
    np.add.at(spread, chosen, gradient)
    ours, theirs = outcome(part, gradient), outcome(whole, spread)
    tolerance = 2e-2 if bfloat16 else 1e-5  # the gradient of a repeated position is rounded once or several times
    assert max(difference(ours[name], theirs[name]) for name in ours if name != "result") < tolerance


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_first_positions_are_those_of_all(weights, draw, bfloat16):
    layer, states = make_layer(weights, bfloat16=bfloat16), draw(BATCH, LENGTH, WIDTH)
    first = Call(layer, states, None, Drops(), first_only=True)
    whole = Call(layer, states, None, Drops())
    np.testing.assert_allclose(first.result, whole.result[::LENGTH], rtol=1e-5, atol=1e-5)
    gradient, spread = draw(BATCH, WIDTH), np.zeros((BATCH * LENGTH, WIDTH), np.float32)
    spread[::LENGTH] = gradient
    ours, theirs = outcome(first, gradient), outcome(whole, spread)
    tolerance = 2e-2 if bfloat16 else 1e-5
    assert max(difference(ours[name], theirs[name]) for name in ours if name != "result") < tolerance


def test_one_token_in_one_text(weights, draw):
    call = Call(make_layer(weights, bfloat16=True), draw(1, 1, WIDTH), None, Drops())
    assert np.isfinite(call.result).all()
    assert np.isfinite(call.backward(draw(1, WIDTH)).states).all()


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_same_bits_each_time(weights, drops, draw, bfloat16):
    states, gradient = draw(BATCH, LENGTH, WIDTH), draw(BATCH * LENGTH, WIDTH)
    layer = make_layer(weights, bfloat16=bfloat16)
    first, second = (outcome(Call(layer, states, None, drops), gradient) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_wrong_scale_is_found(weights, drops, draw, monkeypatch):
    states, gradient = draw(BATCH, LENGTH, WIDTH), draw(BATCH * LENGTH, WIDTH)
    reference = Reference(weights, drops, np.zeros(1), rounded)
    reference.forward(states)
    theirs = reference.backward(gradient.astype(float))
    monkeypatch.setattr(encoder_layer, "multiply", lambda left, right, out, factor: np.copyto(out, left * right))
    ours = outcome(Call(make_layer(weights, bfloat16=True), states, None, drops), gradient)
    assert difference(ours["o"], theirs["o"]) > 0.05
