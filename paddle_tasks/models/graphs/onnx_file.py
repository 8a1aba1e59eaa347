"""ONNX files: writing, reading back what they hold, and computing with ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks import runtime
from paddle_tasks.arrays import Array
from paddle_tasks.errors import SetupError
from paddle_tasks.language import _
from paddle_tasks.models.graphs.network import Network

SUFFIX, INT8_SUFFIX = ".onnx", ".int8.onnx"


def write(network: Network, folder: Path) -> Path:
    """Write a network as NAME.onnx into a folder.

    Raises:
        ConfigError: the network has a part that cannot be described.
        SetupError: onnx is not installed.
    """
    try:
        from paddle_tasks.models.graphs.onnx_graph import OnnxGraph  # onnx takes a while to import
    except ImportError as error:
        raise SetupError(_("--format onnx: needs onnx and ONNX Runtime: pip install onnx onnxruntime")) from error

    graph, path = OnnxGraph(), folder / f"{network.name}{SUFFIX}"
    outputs = network.build(graph, {name: name for name in network.inputs})
    graph.write(path, {name: (one.kind, one.axes) for name, one in network.inputs.items()}, outputs)
    return path


def output_names(path: Path) -> list[str]:
    """Return the names of the outputs of a file."""
    import onnx

    return [output.name for output in onnx.load_model(str(path), load_external_data=False).graph.output]


def norm_epsilons(path: Path) -> Counter[float]:
    """Return how often each epsilon occurs among the layer normalisations of a file, rounded to float32."""
    import onnx

    nodes = onnx.load_model(str(path), load_external_data=False).graph.node
    norms = (node for node in nodes if node.op_type == "LayerNormalization")
    return Counter(
        float(np.float32(attribute.f)) for node in norms for attribute in node.attribute if _is_epsilon(attribute)
    )


def _is_epsilon(attribute: Any) -> bool:
    return bool(attribute.name == "epsilon")


class OnnxNetworks:
    """The networks of a folder, computed by ONNX Runtime on a CPU; see `Networks`."""

    def __init__(self, folder: Path, *, int8: bool = False) -> None:
        """Take the networks of a folder, or those whose products are computed in int8."""
        self._folder, self._sessions = folder, dict[str, Any]()
        self._suffix = INT8_SUFFIX if int8 else SUFFIX

    def run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of a network by name."""
        if name not in self._sessions:
            self._sessions[name] = self._open(name)
        session = self._sessions[name]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    @cached_property
    def _library(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            message = _("{folder}: needs ONNX Runtime, which is not installed: pip install onnxruntime")
            raise SetupError(message.format(folder=self._folder)) from error
        return onnxruntime

    def _open(self, name: str) -> Any:
        path, options = self._folder / f"{name}{self._suffix}", self._library.SessionOptions()
        options.intra_op_num_threads = runtime.thread_count()
        options.log_severity_level = 3  # errors; warnings are about nodes that it optimises away
        try:
            return self._library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            message = _("{file}: cannot be opened by ONNX Runtime: {reason}")
            raise SetupError(message.format(file=path, reason=error)) from error
