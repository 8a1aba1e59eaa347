"""The CRF Layer: values and gradients against enumeration, precision, and that it learns transitions."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.chain import Chain, allowed_transitions
from paddle_tasks.models.crf import CRF

from .test_chain import LENGTHS, enumerated, make, scores

TAGS = np.array([[1, 2, 0, 3], [3, 2, 2, 2], [0, 3, 4, 2], [1, 1, 2, 2]])  # illegal tags in the padding


def layer(chain: Chain) -> CRF:
    crf = CRF(len(chain.start) // 2)
    for name, parameter in crf.named_parameters():
        parameter.set_value(getattr(chain, name).astype(np.float32))
    return crf


def given(seed: int = 0, scale: float = 1.0, padding: float = np.nan) -> tuple[CRF, Chain, paddle.Tensor]:
    """Return a Layer, its scores as Paddle has them, and emissions."""
    chain, emissions = make(seed, scale)
    crf = layer(chain)
    tensor = paddle.to_tensor(np.where(np.isnan(emissions), padding, emissions).astype(np.float32), stop_gradient=False)
    return crf, crf.chain(), tensor


def expected(chain: Chain, emissions: np.ndarray) -> np.ndarray:
    """Return each row's negative log-likelihood by enumeration, in float64."""
    rows = []
    for row, length in enumerate(LENGTHS):
        own = emissions[row, :length].astype(np.float64)
        rows.append(enumerated(chain, own, length)[0] - scores(chain, own, TAGS[None, row, :length])[0])
    return np.array(rows)


def tensors() -> tuple[paddle.Tensor, paddle.Tensor]:
    return paddle.to_tensor(TAGS), paddle.to_tensor(LENGTHS)


@pytest.mark.parametrize("seed", range(3))
def test_it_matches_enumeration(seed):
    crf, chain, emissions = given(seed)
    tags, lengths = tensors()
    found = crf(emissions, tags, lengths)
    assert found.dtype == paddle.float32
    np.testing.assert_allclose(found.numpy(), expected(chain, emissions.numpy()), rtol=1e-5)
    parts = crf.log_partition(emissions, lengths) - crf.score(emissions, tags, lengths)
    np.testing.assert_allclose(found.numpy(), parts.numpy(), atol=1e-5)
    for row, length in enumerate(LENGTHS):
        log_sum, marginals, _, best = enumerated(chain, emissions.numpy()[row].astype(np.float64), length)
        assert float(crf.log_partition(emissions, lengths)[row]) == pytest.approx(log_sum, abs=1e-5)
        np.testing.assert_allclose(crf.marginals(emissions, lengths)[row, :length], marginals, atol=1e-5)
        assert crf.decode(emissions, lengths)[row, :length].tolist() == best.tolist()


def test_gradients_match_finite_differences():
    """Each row has another weight; padding gets no gradient."""
    crf, chain, emissions = given(1)
    weights, step = np.array([0.5, 2.0, -1.0, 3.0]), 1e-5
    (crf(emissions, *tensors()) * paddle.to_tensor(weights.astype(np.float32))).sum().backward()
    values = np.nan_to_num(emissions.numpy()).astype(np.float64)
    for place in np.ndindex(*values.shape):
        change = np.zeros_like(values)
        change[place] = step
        slope = weights @ (expected(chain, values + change) - expected(chain, values - change)) / (2 * step)
        assert float(emissions.grad[place]) == pytest.approx(slope, abs=1e-5), place
    for name, parameter in crf.named_parameters():
        own = {key: getattr(chain, key).astype(np.float64) for key in ("start", "transitions", "end")}
        for place in np.ndindex(*own[name].shape):
            ends = []
            for sign in (1, -1):
                moved = own[name].copy()
                moved[place] += sign * step
                ends.append(weights @ expected(Chain(**{**own, name: moved}), values))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert float(parameter.grad[place]) == pytest.approx(slope, abs=1e-5), (name, place)


def test_log_partition_and_score_have_gradients_of_their_own():
    crf, _, emissions = given()
    tags, lengths = tensors()
    crf.log_partition(emissions, lengths).sum().backward()
    np.testing.assert_allclose(emissions.grad.numpy(), crf.marginals(emissions, lengths), atol=1e-6)
    emissions.clear_grad()
    crf.score(emissions, tags, lengths).sum().backward()
    assert emissions.grad.numpy().sum() == LENGTHS.sum()


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e30])
def test_values_and_gradients_are_finite_however_large_the_scores_are(scale):
    crf, _, emissions = given(2, scale, padding=np.inf)
    loss = crf(emissions, *tensors())
    loss.sum().backward()
    assert np.isfinite(loss.numpy()).all()
    assert (loss.numpy() >= 0).all()
    assert np.isfinite(emissions.grad.numpy()).all()
    assert all(np.isfinite(parameter.grad.numpy()).all() for parameter in crf.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_double(dtype):
    crf, chain, emissions = given()
    half = emissions.detach().astype(dtype)
    half.stop_gradient = False
    loss = crf(half, *tensors())
    loss.sum().backward()
    np.testing.assert_allclose(loss.numpy(), expected(chain, half.astype("float32").numpy()), rtol=1e-5)
    assert str(half.grad.dtype).endswith(dtype)
    assert np.isfinite(half.grad.astype("float32").numpy()).all()


def test_weights_in_half_precision_get_gradients_in_theirs():
    crf, _, emissions = given()
    crf.to(dtype="bfloat16")
    crf(emissions, *tensors()).sum().backward()
    assert {str(parameter.grad.dtype) for parameter in crf.parameters()} == {"paddle.bfloat16"}


def test_a_certain_path_has_no_loss():
    """In float32 the difference of two sums of this size would be off by some 1e-2."""
    emissions = np.zeros((1, 200, 5), np.float32)
    emissions[..., 0] = 1000.0
    zeros, length = paddle.zeros([1, 200], dtype="int64"), paddle.to_tensor([200])
    assert float(CRF(2)(paddle.to_tensor(emissions), zeros, length)) == 0.0
    emissions[..., 0] = 10.0
    expected_loss = 200 * np.log1p(2 * np.exp(-10.0))  # paths through I-x need B-x first: less than 1e-8
    assert float(CRF(2)(paddle.to_tensor(emissions), zeros, length)) == pytest.approx(expected_loss, rel=1e-4)


def test_illegal_transitions_get_no_gradient():
    crf, _, emissions = given(3)
    crf(emissions, *tensors()).sum().backward()
    gradient = crf.transitions.grad.numpy()
    assert not gradient[~allowed_transitions(2)].any()
    assert (gradient[allowed_transitions(2)] != 0).all()
    assert (crf.start.grad.numpy() != 0).tolist() == [True, True, False, True, False]


def test_rows_by_themselves_are_those_of_the_batch():
    crf, _, emissions = given(5)
    together = crf(emissions, *tensors()).numpy()
    for row, length in enumerate(LENGTHS):
        own = paddle.to_tensor(TAGS[row : row + 1, :length]), paddle.to_tensor([length])
        assert float(crf(emissions[row : row + 1, :length], *own)) == pytest.approx(together[row], rel=1e-6)


def test_frozen_scores_stay_without_gradient():
    crf, _, emissions = given()
    crf.transitions.stop_gradient = True
    crf(emissions, *tensors()).sum().backward()
    assert crf.transitions.grad is None
    assert crf.start.grad is not None


def test_gradients_of_gradients_are_refused():
    crf, _, emissions = given()
    with pytest.raises(Exception, match="derivatives of derivatives"):
        paddle.grad(crf(emissions, *tensors()).sum(), emissions, create_graph=True)


def test_it_learns_transitions_without_informative_emissions():
    """A repeating pattern of tags, with emissions that are all equal."""
    tags = paddle.to_tensor(np.tile([0, 1, 2, 2, 0, 3], (2, 2)))
    lengths, crf = paddle.to_tensor([12, 6]), CRF(2)
    emissions = paddle.zeros([2, 12, 5])
    optimizer = paddle.optimizer.Adam(0.3, parameters=crf.parameters())
    losses = []
    for _ in range(60):
        loss = crf(emissions, tags, lengths).sum()
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert losses[0] > 15
    assert losses[-1] < 5
    np.testing.assert_allclose(crf.chain().transitions[~allowed_transitions(2)], 0)
