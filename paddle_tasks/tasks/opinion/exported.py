"""Exported taggers: a Layer that computes with the networks of an exported folder."""

from __future__ import annotations

from pathlib import Path

import paddle
from paddle import Tensor, nn

from paddle_tasks.models.crf import CRF
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.spans import ENCODER, PAIRS, TAGS
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.tasks.opinion.exported_tagger import read_chain


class ExportedTagger(OpinionTagger):
    """An `OpinionTagger` whose states, emissions and pairs networks compute; its chain has the trained scores."""

    def __init__(self, networks: Networks, folder: Path, n_labels: int, n_polarities: int) -> None:
        nn.Layer.__init__(self)
        self.n_labels, self.n_polarities = n_labels, n_polarities
        self._networks = networks
        self.crf = CRF(n_labels)
        for name, scores in vars(read_chain(folder)).items():
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
