"""Span vectors and distance classes by hand, and the scores of pairs against numpy."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from paddle_tasks.models.span_pairs import SpanPairs, distance_classes, span_vectors

ASPECTS = paddle.to_tensor([[[3, 5], [9, 10]], [[1, 2], [0, 0]]])
OPINIONS = paddle.to_tensor([[[5, 6], [1, 2], [4, 6]], [[2, 80], [70, 71], [0, 0]]])


def test_a_span_is_its_first_its_last_and_its_mean_state():
    states = np.random.default_rng(0).normal(size=(2, 10, 3)).astype(np.float32)
    found = span_vectors(paddle.to_tensor(states), ASPECTS).numpy()
    for row, spans in enumerate(ASPECTS.numpy()):
        for place, (start, end) in enumerate(spans):
            own = states[row, start : max(end, start + 1)]
            np.testing.assert_allclose(
                found[row, place], np.concatenate([own[0], own[-1], own.mean(axis=0)]), atol=1e-6
            )


def test_states_after_a_span_are_ignored():
    states = paddle.randn([2, 10, 3])
    changed = paddle.concat([states[:, :6], states[:, 6:] + 5], axis=1)
    one, other = (span_vectors(given, ASPECTS).numpy() for given in (states, changed))
    assert np.array_equal(one[0, 0], other[0, 0])
    assert not np.array_equal(one[0, 1], other[0, 1])


def test_distance_classes_by_hand():
    found = distance_classes(ASPECTS, OPINIONS).tolist()
    implicit, overlap = 21, 20
    # Directly after; before, one token between; overlapping. Before the second aspect: 3, 7 and 3 tokens between.
    assert found[0] == [[implicit] * 3, [0, 3, overlap], [2 * 3 + 1, 2 * 5 + 1, 2 * 3 + 1]]
    assert found[1][1][:2] == [0, 2 * 9]  # 68 tokens between
    assert np.array(found).shape == (2, 3, 3)


@pytest.mark.parametrize(("gap", "kind"), [(0, 0), (1, 1), (4, 4), (5, 5), (7, 5), (8, 6), (16, 7), (32, 8), (64, 9)])
def test_distances_grow_in_steps_on_both_sides(gap, kind):
    first, second = paddle.to_tensor([[[2, 4]]]), paddle.to_tensor([[[4 + gap, 5 + gap]]])
    assert distance_classes(first, second)[0, 1, 0].item() == 2 * kind
    assert distance_classes(second, first)[0, 1, 0].item() == 2 * kind + 1


def gelu(values: np.ndarray) -> np.ndarray:
    return values * 0.5 * (1 + np.vectorize(math.erf)(values / math.sqrt(2)))


def test_scores_are_numpys():
    paddle.seed(3)
    layer = SpanPairs(4, n_classes=3, size=6, dropout=0.0)
    for parameter in layer.parameters():
        parameter.set_value(paddle.randn(parameter.shape) * 0.5)
    states = paddle.randn([2, 12, 4])
    opinions = paddle.minimum(OPINIONS, paddle.to_tensor(12))
    found = layer(states, ASPECTS, opinions).numpy()
    w = {name: value.numpy().astype(np.float64) for name, value in layer.named_parameters()}
    kinds = distance_classes(ASPECTS, opinions).numpy()

    def line(name: str, values: np.ndarray) -> np.ndarray:
        return values @ w[f"{name}.weight"] + w.get(f"{name}.bias", 0)

    vectors = {name: span_vectors(states, spans).numpy() for name, spans in (("a", ASPECTS), ("o", opinions))}
    for row in range(2):
        for a, o in np.ndindex(3, 3):
            aspect = gelu(line("aspect", vectors["a"][row, a - 1])) if a else w["implicit"]
            opinion = gelu(line("opinion", vectors["o"][row, o]))
            hidden = line("of_aspect", aspect) + line("of_opinion", opinion) + w["distance.weight"][kinds[row, a, o]]
            form = line("bilinear", aspect).reshape(3, 6) @ opinion
            np.testing.assert_allclose(found[row, a, o], line("output", gelu(hidden)) + form, rtol=1e-4, atol=1e-4)


def test_aspects_and_opinions_are_not_interchangeable():
    """Reordering the opinions reorders the scores; swapping aspects and opinions changes them."""
    paddle.seed(3)
    layer, states = SpanPairs(4, n_classes=3, size=6, dropout=0.0), paddle.randn([1, 12, 4])
    aspects, opinions = ASPECTS[:1], OPINIONS[:1]
    found = layer(states, aspects, opinions).numpy()
    turned = layer(states, aspects, opinions[:, ::-1]).numpy()
    np.testing.assert_allclose(turned, found[:, :, ::-1], atol=1e-6)
    swapped = layer(states, opinions, aspects).numpy()
    assert abs(swapped[:, 1:].transpose(0, 2, 1, 3) - found[:, 1:]).max() > 1e-2
