"""The exponential moving average of the weights, which is scored and saved in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import paddle
from paddle import Tensor, nn


class WeightAverage:
    """An average over the steps, of which the newest weights enter with 1 - decay; float32 whatever the weights are.

    The first steps, whose weights are hardly trained, are forgotten sooner: step n decays by (1 + n) / (10 + n) as
    long as that is less, as in TensorFlow's ``ExponentialMovingAverage``. Source: Polyak & Juditsky (1992),
    https://doi.org/10.1137/0330046, with weights that fall off.
    """

    def __init__(self, model: nn.Layer, decay: float) -> None:
        self._model, self._decay = model, decay
        self.restart()

    def restart(self) -> None:
        """Take the weights as they are for the average so far."""
        trained = [(name, value) for name, value in self._model.named_parameters() if not value.stop_gradient]
        self.weights: dict[str, Tensor] = dict(trained)
        self.averages = {name: value.detach().astype("float32").clone() for name, value in trained}

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, average in self.averages.items():
            average.scale_(decay)
            average.add_(self.weights[name].detach().astype("float32") * (1 - decay))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages in the place of the weights for as long as the block lasts."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        try:
            self._fill(self.averages)
            yield
        finally:
            self._fill(own)

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def _fill(self, values: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(values[name].astype(weight.dtype), True)
