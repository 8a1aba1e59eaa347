"""Views of Paddle's memory, and dropout's masks."""

from __future__ import annotations

import gc

import numpy as np
import paddle
import pytest

from paddle_tasks.models.cpu.arrays import Mask, empty, view

SHAPE = (400, 500)
PROBABILITIES = (0.002, 0.1, 0.25, 0.5, 0.9, 0.99)


def test_what_is_written_is_in_the_tensor():
    tensor = paddle.zeros([2, 3])
    view(tensor)[1, 2] = 7
    assert tensor.tolist() == [[0, 0, 0], [0, 0, 7]]
    tensor[0, 0] = 5.0
    assert view(tensor)[0, 0] == 5


def test_a_part_begins_where_it_begins():
    tensor = paddle.arange(12, dtype="float32").reshape([4, 3])
    assert view(tensor[2:]).tolist() == [[6, 7, 8], [9, 10, 11]]
    assert view(tensor.unsqueeze(0)).shape == (1, 4, 3)


def test_a_view_keeps_its_tensor():
    before = np.arange(1 << 18, dtype=np.float32)
    array = view(paddle.to_tensor(before))
    gc.collect()
    part = view(paddle.to_tensor(before)).reshape(2, -1).T[3:]
    others = [paddle.full([1 << 18], float(value)) for value in range(8)]  # would take freed memory
    assert np.array_equal(array, before)
    assert np.array_equal(part, before.reshape(2, -1).T[3:])
    assert len(others) == 8


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int32", "int64", "bool"])
def test_another_type_is_refused(dtype):
    with pytest.raises(ValueError, match=f"expected a contiguous float32 tensor .* found paddle.{dtype} "):
        view(paddle.ones([4]).astype(dtype))


@pytest.mark.parametrize("part", [lambda x: x.t(), lambda x: x[:, 1:], lambda x: x[::2]])
def test_what_is_not_contiguous_is_refused(part):
    with pytest.raises(ValueError, match=r"strides \["):
        view(part(paddle.ones([4, 3])))


class ElsewherePlace:
    def is_cpu_place(self) -> bool:
        return False

    def __str__(self) -> str:
        return "Place(gpu:0)"


class ElsewhereTensor:
    """A stand-in for a tensor on a GPU."""

    dtype, shape, strides, place = paddle.float32, [2], [1], ElsewherePlace()

    def is_contiguous(self) -> bool:
        return True


def test_another_place_is_refused():
    with pytest.raises(ValueError, match=r"on the CPU, found .* on Place\(gpu"):
        view(ElsewhereTensor())


@pytest.mark.gpu
@pytest.mark.skipif(not paddle.is_compiled_with_cuda(), reason="needs a CUDA device")
def test_a_gpu_is_refused():
    with pytest.raises(ValueError, match="on the CPU"):
        view(paddle.ones([2]).cuda())


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 4)])
def test_nothing_can_be_viewed(shape):
    tensor, array = empty(*shape)
    assert tensor.shape == list(shape)
    assert array.shape == shape
    assert array.dtype == np.float32


def test_no_dimensions():
    assert view(paddle.to_tensor(3.5)) == 3.5


# ---- masks


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_the_share_that_is_kept(probability):
    paddle.seed(1)
    kept, size = Mask(SHAPE, probability).kept.mean(), SHAPE[0] * SHAPE[1]
    rounded = round(probability * 256) / 256
    assert abs(rounded - probability) <= 1 / 512
    assert abs(kept - (1 - rounded)) <= 5 * np.sqrt(rounded * (1 - rounded) / size)


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_the_scale_keeps_the_expectation(probability):
    mask = Mask((8,), probability)
    assert float(mask.scale) * (1 - round(probability * 256) / 256) == pytest.approx(1, abs=1e-7)


def test_elements_are_independent():
    """All elements have the same mean over masks, and no two elements are correlated."""
    paddle.seed(2)
    masks = np.stack([Mask((16, 24), 0.5).kept for _ in range(2000)]).astype(float)
    deviation = 0.5 / np.sqrt(len(masks))
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 5 * deviation
    signs = (2 * masks - 1).reshape(len(masks), -1)
    together = signs.T @ signs / len(masks) - np.eye(signs.shape[1])
    assert np.abs(together).max() < 6 / np.sqrt(len(masks))


def test_the_seed_gives_the_same_masks_again():
    def draw() -> list[np.ndarray]:
        return [Mask((30, 5), 0.5).kept for _ in range(3)]

    paddle.seed(3)
    first = draw()
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    state = paddle.get_rng_state()
    following = draw()
    paddle.seed(3)
    assert all(map(np.array_equal, draw(), first))
    paddle.set_rng_state(state)
    assert all(map(np.array_equal, draw(), following))
    paddle.seed(4)
    assert not np.array_equal(draw()[0], first[0])


@pytest.mark.parametrize("probability", [0, 0.0, 1 / 600])
def test_small_probabilities_are_none(probability):
    assert Mask.draw((3, 4), probability) is None


@pytest.mark.parametrize("probability", [0.998, 0.999, 1.0])
def test_nearly_all_is_dropped_without_a_division_by_zero(probability):
    mask = Mask.draw((1000,), probability)
    result = np.ones(1000, np.float32)
    mask.apply(result, result)
    assert np.isfinite(result).all()
    assert (probability == 0.998) or not result.any()


@pytest.mark.parametrize("shape", [(), (1,), (7,), (9, 3), (0, 4)])
def test_shapes_that_are_no_multiple_of_a_draw(shape):
    assert Mask(shape, 0.5).kept.shape == shape


def test_apply_in_place_and_elsewhere():
    mask, values = Mask((50,), 0.5), np.arange(50, dtype=np.float32)
    elsewhere = np.empty_like(values)
    mask.apply(values, elsewhere)
    assert np.array_equal(elsewhere, np.where(mask.kept, 2 * values, 0))
    mask.apply(values, values)
    assert np.array_equal(values, elsewhere)
