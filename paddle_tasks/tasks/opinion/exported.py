"""Exported taggers: a Layer that computes with the networks of an exported folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json_object, write_json
from paddle_tasks.models.chain import Chain
from paddle_tasks.models.crf import CRF
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.spans import ENCODER, PAIRS, TAGS
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.models.pretrained import tensors

_CHAIN = "chain.json"
_SCORES = ("start", "transitions", "end")


def write_chain(weights: Path, folder: Path, n_labels: int) -> None:
    """Write the scores of a tagger's chain as JSON.

    Args:
        weights: the file of its tensors.
        folder: the exported folder.
        n_labels: the number of its labels.
    """
    arrays = tensors.read(weights)
    chain = Chain.without_scores(n_labels)
    scores: Sequence[Array] = [arrays.get(f"crf.{name}", getattr(chain, name)) for name in _SCORES]
    write_json(folder / _CHAIN, {name: array.tolist() for name, array in zip(_SCORES, scores, strict=True)})


class ExportedTagger(OpinionTagger):
    """An `OpinionTagger` whose states, emissions and pairs networks compute; its chain has the trained scores."""

    def __init__(self, networks: Networks, folder: Path, n_labels: int, n_polarities: int) -> None:
        nn.Layer.__init__(self)
        self.n_labels, self.n_polarities = n_labels, n_polarities
        self._networks = networks
        self.crf = CRF(n_labels)
        for name, scores in read_json_object(folder / _CHAIN, CheckpointError).items():
            getattr(self.crf, name).set_value(paddle.to_tensor(scores, dtype="float32"))
        self.pairs = _ExportedPairs(networks)

    def states(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the states <float32>[batch, length, width]."""
        del token_type_ids
        found = self._networks.run(ENCODER, {"input_ids": input_ids.numpy(), "lengths": lengths.numpy()})
        return paddle.to_tensor(found["states"])

    def emissions(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the emissions <float32>[batch, length, tags]."""
        found = self._networks.run(TAGS, {"states": states.numpy(), "lengths": lengths.numpy()})
        return paddle.to_tensor(found["emissions"])


class _ExportedPairs(nn.Layer):  # type: ignore[misc]
    """See `paddle_tasks.models.span_pairs.SpanPairs`."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self._networks = networks

    def forward(self, states: Tensor, aspects: Tensor, opinions: Tensor) -> Tensor:
        """Return the logits <float32>[batch, 1 + aspects, opinions, classes]."""
        given = {"states": states.numpy(), "aspects": aspects.numpy(), "opinions": opinions.numpy()}
        return paddle.to_tensor(self._networks.run(PAIRS, given)["logits"])
