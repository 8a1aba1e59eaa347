"""The fast gradient method: an adversarial second pass over each batch, with perturbed word vectors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _


def word_vectors(model: nn.Layer) -> Tensor | None:
    """Return the weight of the word embedding, <float>[vocabulary, width], or None if the model has no embedding.

    Every encoder defines its word embedding before its other embeddings.
    """
    # The embedding with the most rows may be another: a small vocabulary has fewer entries than there are positions.
    layers = model.sublayers(include_self=True)
    return next((layer.weight for layer in layers if isinstance(layer, nn.Embedding)), None)


def check_word_vectors(model: nn.Layer) -> None:
    """Refuse a model whose word vectors cannot be perturbed.

    Raises:
        ConfigError: the model has no word vectors, or they are frozen.
    """
    weight = word_vectors(model)
    if weight is None or weight.stop_gradient:
        raise ConfigError(
            _(
                "training.fgm_epsilon: adversarial training needs trainable word vectors; this model has none, or they "
                "are frozen"
            )
        )


@contextlib.contextmanager
def perturbed(weight: Tensor, gradient: Tensor, epsilon: float) -> Iterator[None]:
    """Shift a weight by ``epsilon`` in the direction of its gradient within the block, and restore it afterwards.

    As is usual, the embedding matrix is shifted instead of the vectors of each text, and the gradient is normalised
    by its norm over the whole matrix. Source: Miyato et al. 2017, https://arxiv.org/abs/1605.07725.
    """
    original = weight.detach().clone()
    wide = gradient.astype("float32")  # the norm of a scaled gradient may overflow float16
    with paddle.no_grad():
        shifted = original.astype("float32") + wide * (epsilon / (wide.norm() + 1e-12))
        weight.copy_(shifted.astype(weight.dtype), True)
    try:
        yield
    finally:
        with paddle.no_grad():
            weight.copy_(original, True)
