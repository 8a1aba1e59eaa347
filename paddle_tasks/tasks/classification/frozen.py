"""Text vectors of a frozen encoder, computed once for each data set with dropout off."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

import numpy as np
import paddle
from paddle import Tensor, nn
from paddlenlp.datasets import MapDataset

from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.models.gradients import without_gradients


def has_fixed_vectors(model: nn.Layer) -> bool:
    """Return whether only the head is trained, so that a text always has the same vector."""
    parameters = dict(model.named_parameters())
    others = [value for name, value in parameters.items() if not name.startswith("head.")]
    return len(others) < len(parameters) and all(value.stop_gradient for value in others)


class TextVectors:
    """Vectors by data set; they are computed again for another model and forgotten with the data set."""

    def __init__(self) -> None:
        self._cache: weakref.WeakKeyDictionary[MapDataset, tuple[weakref.ref[nn.Layer], Tensor]] = (
            weakref.WeakKeyDictionary()
        )

    @without_gradients
    def get(
        self, model: nn.Layer, dataset: MapDataset, batches: Iterable[Batch], check_interrupt: Callable[[], None]
    ) -> Tensor:
        """Return <float32>[rows, width] of a data set, calling ``check_interrupt`` before each computed batch."""
        vectors_model, vectors = self._cache.get(dataset, (lambda: None, None))
        if vectors is None or vectors_model() is not model:
            was_training = model.training
            model.eval()
            try:
                vectors = _compute(model, batches, check_interrupt)
            finally:  # the step is tried again if memory was full
                if was_training:
                    model.train()
            self._cache[dataset] = (weakref.ref(model), vectors)
        return vectors


def _compute(model: nn.Layer, batches: Iterable[Batch], check_interrupt: Callable[[], None]) -> Tensor:
    rows: list[int] = []
    vectors: list[Tensor] = []
    for batch in batches:
        check_interrupt()
        vectors.append(model.text_vectors(batch.input_ids, batch.token_type_ids, batch.lengths).astype("float32"))
        rows.extend(batch.rows)
    return paddle.gather(paddle.concat(vectors), paddle.to_tensor(np.argsort(rows)))
