"""The text vectors of an encoder that is frozen whole: computed once for each data set, with dropout off."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

import numpy as np
import paddle
from paddle import Tensor, nn
from paddlenlp.datasets import MapDataset

from paddle_tasks.data.batching.batches import Batch


def vectors_are_fixed(model: nn.Layer) -> bool:
    """Tell whether nothing that a text's vector depends on is trained: nothing but the head."""
    return all(value.stop_gradient for name, value in model.named_parameters() if not name.startswith("head."))


class TextVectors:
    """What `vectors_are_fixed` allows to keep, as long as the data set lives and the model is the same."""

    def __init__(self) -> None:
        self._kept: weakref.WeakKeyDictionary[MapDataset, tuple[weakref.ref[nn.Layer], Tensor]] = (
            weakref.WeakKeyDictionary()
        )

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def of(
        self, model: nn.Layer, dataset: MapDataset, batches: Iterable[Batch], check_interrupt: Callable[[], None]
    ) -> Tensor:
        """Return <float32>[rows, width] of a data set, calling ``check_interrupt`` before each batch that is computed."""
        owner, vectors = self._kept.get(dataset, (lambda: None, None))
        if vectors is None or owner() is not model:
            was_training = model.training
            model.eval()
            try:
                vectors = _computed(model, batches, check_interrupt)
            finally:  # memory may be full, and the step be tried again
                if was_training:
                    model.train()
            self._kept[dataset] = (weakref.ref(model), vectors)
        return vectors


def _computed(model: nn.Layer, batches: Iterable[Batch], check_interrupt: Callable[[], None]) -> Tensor:
    rows: list[int] = []
    vectors: list[Tensor] = []
    for batch in batches:
        check_interrupt()
        vectors.append(model.text_vectors(batch.input_ids, batch.token_type_ids, batch.lengths).astype("float32"))
        rows.extend(batch.rows)
    return paddle.gather(paddle.concat(vectors), paddle.to_tensor(np.argsort(rows)))
