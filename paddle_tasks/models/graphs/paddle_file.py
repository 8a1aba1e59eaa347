"""Programs of Paddle Inference: reading back what they hold, and computing with them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks import runtime
from paddle_tasks.arrays import Array
from paddle_tasks.errors import SetupError
from paddle_tasks.language import _

SUFFIX = ".json"
WEIGHTS = ".pdiparams"


def norm_epsilons(path: Path) -> Counter[float]:
    """Return how often each epsilon occurs among the layer normalisations of a program, rounded to float32."""
    found: Counter[float] = Counter()
    for operation in _objects(json.loads(path.read_text(encoding="utf-8"))):
        if str(operation.get("#", "")).endswith("layer_norm"):
            attributes = {one["N"]: one["AT"]["D"] for one in operation["A"]}
            found[float(np.float32(attributes["epsilon"]))] += 1
    return found


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object of a tree."""
    if isinstance(tree, dict):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _objects(value)


class PaddleNetworks:
    """The networks of a folder, computed by Paddle Inference on a CPU; see `Networks`.

    A predictor of Paddle Inference crashes when threads share it, so that one call at a time computes.
    """

    def __init__(self, folder: Path, names: Mapping[str, list[str]], *, onednn: bool = False) -> None:
        """Take the networks of a folder.

        Args:
            folder: the exported folder.
            names: the outputs of each network.
            onednn: whether oneDNN computes what it can.
        """
        self._folder, self._names, self._onednn = folder, names, onednn
        self._predictors, self._lock = dict[str, Any](), threading.Lock()

    def run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of a network by name."""
        with self._lock:
            if name not in self._predictors:
                self._predictors[name] = self._open(name)
            predictor = self._predictors[name]
            for key, array in inputs.items():
                handle = predictor.get_input_handle(key)
                handle.reshape(array.shape)
                handle.copy_from_cpu(np.ascontiguousarray(array))
            predictor.run()
            handles = [predictor.get_output_handle(key) for key in predictor.get_output_names()]
            return dict(zip(self._names[name], [handle.copy_to_cpu() for handle in handles], strict=True))

    def _open(self, name: str) -> Any:
        paddle = runtime.import_paddle()
        files = [self._folder / f"{name}{suffix}" for suffix in (SUFFIX, WEIGHTS)]
        missing = next((file for file in files if not file.is_file()), None)
        if missing is not None:
            raise SetupError(_("{file}: no such file; export the model again").format(file=missing))
        config = paddle.inference.Config(*map(str, files))
        config.disable_gpu()
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(runtime.thread_count())
        if self._onednn:
            config.enable_onednn()
        else:
            config.disable_onednn()
        return paddle.inference.create_predictor(config)
