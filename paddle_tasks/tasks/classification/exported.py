"""Exported classifiers: their network, and a Layer that computes with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import paddle
from paddle import Tensor, nn

from paddle_tasks.models.graphs.encoders import Tokens
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import Input, Network, Networks, SavedModel
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.tasks.classification.ngrams import FILE as NGRAMS

LogitsGraph = Callable[[Graph, SavedModel, Tokens], Value]
"""Returns the logits <float32>[batch, classes] of tokens."""
NETWORK, LOGITS = "model", "logits"
_SCRIPT = "character_ngrams.py"


def logits_network(saved: SavedModel, logits: LogitsGraph, inputs: Mapping[str, Input]) -> Network:
    """Return the network of a classifier.

    Args:
        saved: the model.
        logits: adds it to a graph.
        inputs: what it reads.
    """

    def build(graph: Graph, values: Mapping[str, Value]) -> dict[str, Value]:
        tokens = Tokens(values["input_ids"], values.get("token_type_ids"), values["lengths"])
        return {LOGITS: logits(graph, saved, tokens)}

    return Network(NETWORK, inputs, build)


class ExportedClassifier(nn.Layer):  # type: ignore[misc]
    """Returns the logits of a network; see `paddle_tasks.models.classifier.TextClassifier`."""

    def __init__(self, networks: Networks, inputs: Mapping[str, Input]) -> None:
        super().__init__()
        self._networks, self._names = networks, frozenset(inputs)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return <float32>[batch, classes]."""
        given = {"input_ids": input_ids, "token_type_ids": token_type_ids, "lengths": lengths}
        read = {name: tensor.numpy() for name, tensor in given.items() if name in self._names}
        return paddle.to_tensor(self._networks.run(NETWORK, read)[LOGITS])


def write_exported_ngrams(source: Path, folder: Path) -> None:
    """Write n-grams into an exported folder, if the model has any, with the script that predict.py reads them by.

    Args:
        source: the model folder.
        folder: the exported folder.
    """
    if (source / NGRAMS).is_file():
        shutil.copyfile(source / NGRAMS, folder / NGRAMS)
        shutil.copyfile(ASSETS.parent / "scripts" / f"{_SCRIPT}.txt", folder / _SCRIPT)
