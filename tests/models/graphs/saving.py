"""Layers with random weights, saved, exported and computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.graphs import onnx_file
from paddle_tasks.models.graphs.network import Network, SavedModel
from paddle_tasks.models.graphs.onnx_file import OnnxNetworks
from paddle_tasks.models.pretrained.saving import save_pretrained, save_weights

VOCABULARY = 40
SIZES = {
    "hidden_size": 8,
    "embedding_size": 6,
    "n_layers": 2,
    "n_heads": 2,
    "max_positions": 32,
    "kernel_sizes": (1, 2, 3),
}


def encoder(kind: str, **sizes: Any) -> Any:
    """Return a small encoder with random weights."""
    return build_encoder(EncoderSection(encoder=kind, **{**SIZES, **sizes}), VOCABULARY, 0)


def randomise(layer: nn.Layer) -> nn.Layer:
    """Draw every parameter anew, so that no bias is 0 and no norm does nothing; return the Layer for prediction."""
    generator = np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.set_value(paddle.to_tensor(generator.normal(0, 0.5, parameter.shape).astype(np.float32)))
    layer.eval()
    return layer


def saved(layer: nn.Layer, folder: Path, config: Mapping[str, Any]) -> SavedModel:
    """Return a Layer as its model folder describes it."""
    write = save_pretrained if hasattr(layer, "encoder") and hasattr(layer.encoder, "describe") else save_weights
    write(layer, folder)
    return SavedModel.read(folder, {"config": config})


def networks(found: Sequence[Network], folder: Path) -> OnnxNetworks:
    """Write networks into a folder, and return them ready to compute."""
    for network in found:
        onnx_file.write(network, folder)
    return OnnxNetworks(folder)


def rows(n_rows: int, length: int) -> tuple[Any, Any]:
    """Return padded ids <int64>[n_rows, length], whose padding is no 0, and lengths of which the first is whole."""
    generator = np.random.default_rng(n_rows * 100 + length)
    lengths = generator.integers(2, length + 1, n_rows)
    lengths[0] = length
    return generator.integers(1, VOCABULARY, (n_rows, length)), lengths


SHAPES = ((1, 2), (3, 7), (4, 12))
"""Batch sizes and lengths: a graph must not know those of its making."""
