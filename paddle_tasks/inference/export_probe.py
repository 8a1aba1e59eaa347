"""Whether oneDNN computes the programs of an exported folder rightly, tried in a process of its own: it may crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks import runtime
from paddle_tasks.arrays import Array
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.paddle_file import PaddleNetworks

_CALLS = 4
"""Calls of each network that are tried; their shapes differ."""
_TOLERANCE = 1e-3
_SECONDS = 300


class RecordingNetworks:
    """Networks that keep the inputs and outputs of their first calls.

    Attributes:
        calls: by network and number, the arrays of a call: inputs ``in.NAME`` and outputs ``out.NAME``.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks, self.calls = networks, dict[tuple[str, int], dict[str, Array]]()

    def run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of a network by name."""
        found = self._networks.run(name, inputs)
        number = sum(one == name for one, _number in self.calls)
        if number < _CALLS:
            given = {f"in.{key}": array for key, array in inputs.items()}
            self.calls[name, number] = {**given, **{f"out.{key}": array for key, array in found.items()}}
        return found


def works_with_onednn(folder: Path, recorded: RecordingNetworks, scratch: Path) -> bool:
    """Return whether a fresh process computes recorded calls with oneDNN, and finds what was recorded.

    Args:
        folder: the exported folder.
        recorded: calls of its networks.
        scratch: an empty folder for their arrays.
    """
    for (name, number), arrays in recorded.calls.items():
        np.savez(scratch / f"{name}.{number}.npz", **arrays)
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(folder), str(scratch)]
    try:
        found = subprocess.run(
            command, env=runtime.child_environment(), capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return found.returncode == 0


def main(folder: str, scratch: str) -> None:
    """Compute recorded calls with oneDNN.

    Raises:
        ValueError: outputs are not the recorded ones.
    """
    for path in sorted(Path(scratch).glob("*.npz")):
        name, arrays = path.name.partition(".")[0], dict(np.load(path))
        inputs, outputs = (_part(arrays, prefix) for prefix in ("in.", "out."))
        networks = PaddleNetworks(Path(folder), {name: list(outputs)}, onednn=True)
        found = networks.run(name, inputs)
        if not all(_is_near(found[key], outputs[key]) for key in outputs):
            raise ValueError(path.name)


def _part(arrays: Mapping[str, Any], prefix: str) -> dict[str, Array]:
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _is_near(found: Array, expected: Array) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
