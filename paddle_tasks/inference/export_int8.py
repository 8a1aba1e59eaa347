"""Networks whose products are computed in int8, with what that costs and brings on the rows of the run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paddle_tasks.arrays import Array
from paddle_tasks.models.graphs import onnx_file
from paddle_tasks.models.graphs.network import Networks

MIN_SPEEDUP, MAX_COST = 1.3, 0.3
"""From which factor on, and up to which loss in points, the int8 networks become the default."""
_ROUNDS = 2


class TimedNetworks:
    """Networks with the seconds that they have computed.

    Attributes:
        seconds: since the object was made.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks, self.seconds = networks, 0.0

    def run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of a network by name."""
        start = time.perf_counter()
        found = self._networks.run(name, inputs)
        self.seconds += time.perf_counter() - start
        return found


Score = Callable[[Networks], Mapping[str, Any]]
"""Returns the metrics of networks on the rows."""


def write_int8(folder: Path) -> None:
    """Write a copy of each network of a folder whose products with weights are computed in int8.

    The weights are quantised now, a scale for each column; the other side of a product when it is computed.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for path in sorted(folder.glob(f"*{onnx_file.SUFFIX}")):
        target = path.with_name(path.name.replace(onnx_file.SUFFIX, onnx_file.INT8_SUFFIX))
        with _quiet():
            quantize_dynamic(
                path, target, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
            )


def measure_int8(folder: Path, score: Score, metric: str) -> dict[str, Any]:
    """Return what the int8 networks of a folder cost and bring, compared with its float32 networks.

    Both are measured in turn, and the shorter time of two rounds counts.

    Args:
        folder: the exported folder.
        score: scores networks.
        metric: the one that counts; higher is better, and 1 is 100 points.
    """
    seconds: dict[bool, list[float]] = {False: [], True: []}
    scores: dict[bool, float] = {}
    for _round in range(_ROUNDS):
        for is_int8, times in seconds.items():
            timed = TimedNetworks(onnx_file.OnnxNetworks(folder, int8=is_int8))
            scores[is_int8] = float(score(timed)[metric])
            times.append(timed.seconds)
    speedup, cost = min(seconds[False]) / min(seconds[True]), 100 * (scores[False] - scores[True])
    return {
        "metric": metric,
        "float32": scores[False],
        "int8": scores[True],
        "cost_points": round(cost, 3),
        "speedup": round(speedup, 3),
        "is_default": speedup >= MIN_SPEEDUP and cost <= MAX_COST,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the quantiser logs about files that it has not prepared itself."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
