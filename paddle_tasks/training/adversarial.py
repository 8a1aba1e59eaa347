"""The fast gradient method: a second pass over each batch, on word vectors moved to where the loss is larger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError


def word_vectors(model: nn.Layer) -> Tensor | None:
    """Return the weights of the word embedding, which every encoder defines before its others, or None without one."""
    # Not the one with the most rows: a small vocabulary has fewer entries than there are positions.
    layers = model.sublayers(include_self=True)
    return next((layer.weight for layer in layers if isinstance(layer, nn.Embedding)), None)


def check_word_vectors(model: nn.Layer) -> None:
    """Refuse a model whose word vectors the method cannot move.

    Raises:
        ConfigError: there are none, or they are frozen.
    """
    weight = word_vectors(model)
    if weight is None or weight.stop_gradient:
        raise ConfigError("training.fgm_epsilon: moves word vectors along their gradient, but none are trained")


@contextlib.contextmanager
def moved(weight: Tensor, gradient: Tensor, epsilon: float) -> Iterator[None]:
    """Move a weight by ``epsilon`` along its gradient for as long as the block lasts.

    Source: Miyato et al. 2017, https://arxiv.org/abs/1605.07725, on the weights of the embedding instead of the
    vectors of each text, as is usual; the norm is that over the whole matrix.
    """
    own = weight.detach().clone()
    wide = gradient.astype("float32")  # the norm of a scaled gradient is more than a float16 holds
    with paddle.no_grad():
        shifted = own.astype("float32") + wide * (epsilon / (wide.norm() + 1e-12))
        weight.copy_(shifted.astype(weight.dtype), True)
    try:
        yield
    finally:
        with paddle.no_grad():
            weight.copy_(own, True)
