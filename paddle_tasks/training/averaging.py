"""An exponential moving average of the weights, which is evaluated and saved instead of the trained weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from paddle import Tensor, nn

from paddle_tasks.models.gradients import without_gradients


class WeightAverage:
    """An exponential moving average of the trainable weights, kept in float32 whatever the dtype of the weights.

    Each update computes ``average = decay * average + (1 - decay) * weight``. Step n uses the decay
    ``min(decay, (1 + n) / (10 + n))``, so that the hardly trained weights of the first steps are forgotten sooner, as
    in TensorFlow's ``ExponentialMovingAverage``. Source: Polyak & Juditsky (1992), https://doi.org/10.1137/0330046,
    here with exponential instead of equal weights.

    Attributes:
        weights: the trainable parameters by name.
        averages: their averages <float32> by name.
    """

    def __init__(self, model: nn.Layer, decay: float) -> None:
        self._model, self._decay = model, decay
        self.restart()

    def restart(self) -> None:
        """Restart the average from the current weights."""
        trained = [(name, value) for name, value in self._model.named_parameters() if not value.stop_gradient]
        self.weights: dict[str, Tensor] = dict(trained)
        self.averages = {name: value.detach().astype("float32").clone() for name, value in trained}

    @without_gradients
    def update(self, step: int) -> None:
        """Add the current weights to the average after ``step``, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, average in self.averages.items():
            average.scale_(decay)
            average.add_(self.weights[name].detach().astype("float32") * (1 - decay))

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the weights by their averages within the block, and restore them afterwards."""
        trained = {name: weight.detach().clone() for name, weight in self.weights.items()}
        try:
            self._copy_to_weights(self.averages)
            yield
        finally:
            self._copy_to_weights(trained)

    @without_gradients
    def _copy_to_weights(self, values: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(values[name].astype(weight.dtype), True)
