"""Which layer of an encoder knows the labels of a classification best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_tasks import tasks
from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.splits import LabelledText
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.metrics.linear_probe import linear_probe_accuracy
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.process_state import default_settings
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.inspect import ReadingModel, reading_model

_MAX_ROWS = 2000
"""Train rows that are read; more change the accuracies little."""
_BATCH_SIZE = 32


@dataclass(frozen=True)
class Probe:
    """What a linear classifier on each layer reaches.

    Attributes:
        accuracies: on dev, of the embeddings and of each layer.
        majority: the accuracy on dev of always choosing the most frequent label of train.
        n_train: train rows.
        n_dev: dev rows.
    """

    accuracies: tuple[float, ...]
    majority: float
    n_train: int
    n_dev: int

    @property
    def best(self) -> int:
        """The index of the layer with the highest accuracy; 0 stands for the embeddings."""
        return int(np.argmax(self.accuracies))


def probe_layers(model: str | Path, config: str | Path, settings: Sequence[str] = ()) -> Probe:
    """Fit a linear classifier on the mean state of each layer, and score it on dev (Alain and Bengio, 2017).

    The encoder is not trained: what a linear map reads off a layer is what the layer holds in plain sight. Source:
    https://arxiv.org/abs/1610.01644.

    Args:
        model: as for `paddle_tasks.inspect`; a Transformer.
        config: the configuration of a classification of single texts, for its data.
        settings: KEY=VALUE that replace those of the configuration.

    Raises:
        UserError: one of them cannot be used, or the encoder is no Transformer.
    """
    with default_settings():
        found, task = reading_model(str(model)), _read_task(config, settings)
        splits = [_rows(task, name) for name in ("train", "dev")]
        length = min(task.config.training.max_length, found.max_length)
        states = [_layer_means(found, [row.text for row in rows], length) for rows in splits]
        labels = [[row.label for row in rows] for rows in splits]
    pairs = zip(*states, strict=True)
    accuracies = [linear_probe_accuracy(train, labels[0], dev, labels[1]) for train, dev in pairs]
    most_frequent = Counter(labels[0]).most_common(1)[0][0]
    n_train, n_dev = map(len, labels)
    return Probe(tuple(accuracies), labels[1].count(most_frequent) / n_dev, n_train, n_dev)


def _read_task(config: str | Path, settings: Sequence[str]) -> Any:
    section = load_config(config, settings)
    task = tasks.find(section.task)(section)
    task.read()
    if task.INPUT_FIELDS != ("text",) or not isinstance(task.splits["train"].examples[0], LabelledText):
        message = _("{file}: task {task} does not give one label to one text, which a probe needs")
        raise ConfigError(message.format(file=config, task=section.task))
    return task


def _rows(task: Any, name: str) -> Sequence[Any]:
    """Return rows of a split, evenly spaced if there are many."""
    rows = task.splits[name].examples
    step = -(-len(rows) // _MAX_ROWS)
    return list(rows[::step])


@without_gradients
def _layer_means(model: ReadingModel, texts: Sequence[str], length: int) -> Array:
    """Return the mean state of each text in each layer <float32>[layers + 1, texts, width]."""
    means = [np.zeros(0)] * len(texts)
    packed = model.tokenizer.encode(texts, max_length=length)
    order = sorted(range(len(texts)), key=lambda row: len(packed[row].input_ids))
    for start in range(0, len(order), _BATCH_SIZE):
        rows = order[start : start + _BATCH_SIZE]
        lengths = np.array([len(packed[row].input_ids) for row in rows])
        ids = np.zeros((len(rows), lengths.max()), np.int64)
        for number, row in enumerate(rows):
            ids[number, : lengths[number]] = packed[row].input_ids
        states = np.stack(list(_states(model.encoder, ids, lengths)))
        real = (np.arange(ids.shape[1]) < lengths[:, None])[None, :, :, None]
        sums = (states * real).sum(axis=2) / lengths[:, None]
        for number, row in enumerate(rows):
            means[row] = sums[:, number]
    return np.stack(means, axis=1)


def _states(encoder: Encoder, ids: Array, lengths: Array) -> Iterator[Array]:
    """Yield the inputs of the first Transformer layer and the result of each <float32>[batch, length, width].

    Raises:
        ConfigError: the encoder has no Transformer layers.
    """
    layers = [layer for layer in encoder.sublayers() if isinstance(layer, nn.TransformerEncoderLayer)]
    if not layers:
        raise ConfigError(_("probe: expected an encoder with Transformer layers, such as builtin/ernie-mini-zh"))
    inputs: list[Any] = []
    hooks = [layer.register_forward_pre_hook(lambda _layer, given: inputs.append(given[0])) for layer in layers]
    try:
        tensors = (paddle.to_tensor(array) for array in (ids, np.zeros_like(ids), lengths))
        last, _vectors = encoder(*tensors)
    finally:
        for hook in hooks:
            hook.remove()
    yield from (state.numpy() for state in (*inputs, last))
