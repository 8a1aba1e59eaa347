"""VisualDL panels of a masked language model: what it predicts for hidden tokens, and its word vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from paddle import nn

from paddle_tasks.language import _
from paddle_tasks.tasks.panels import MAX_VECTORS
from paddle_tasks.training.adversarial import word_vectors
from paddle_tasks.training.panels import NOTHING, Panels, Vectors, shorten
from paddle_tasks.training.protocol import Record

_N_SAMPLES = 3
_MAX_CHARACTERS = 200


def sample_texts(records: Sequence[Record]) -> dict[str, str]:
    """Return the hidden and the predicted tokens of the first rows, as texts by tag."""
    return {f"sample_{number}": _sample(record) for number, record in enumerate(records[:_N_SAMPLES], start=1)}


def _sample(record: Record) -> str:
    hidden, predicted = (shorten(" ".join(record[side]), _MAX_CHARACTERS) for side in ("gold", "predicted"))
    return _("hidden: {hidden} ‖ predicted: {predicted}").format(hidden=hidden, predicted=predicted)


def row_histograms(records: Sequence[Record]) -> Panels:
    """Return histograms over the rows: mean loss, accuracy and number of hidden tokens."""
    accuracies = [np.mean([a == b for a, b in zip(row["gold"], row["predicted"], strict=True)]) for row in records]
    return Panels(
        histograms={
            "row_loss": np.array([record["loss"] for record in records]),
            "row_accuracy": np.array(accuracies),
            "hidden_tokens": np.array([len(record["gold"]) for record in records]),
        }
    )


def token_vectors(model: nn.Layer, records: Sequence[Record], vocabulary: Sequence[str]) -> Panels:
    """Return the word vectors of the tokens that were hidden most often, with how often they were predicted."""
    weight = word_vectors(model)
    n_hidden = Counter(token for record in records for token in record["gold"])
    if weight is None or not n_hidden:
        return NOTHING
    n_right = Counter(
        token
        for record in records
        for token, predicted in zip(record["gold"], record["predicted"], strict=True)
        if token == predicted
    )
    tokens = [token for token, _count in n_hidden.most_common(MAX_VECTORS)]
    ids = {token: token_id for token_id, token in enumerate(vocabulary)}
    values = weight.detach().astype("float32").numpy()[[ids[token] for token in tokens]]
    results = [_("mostly right") if 2 * n_right[token] > n_hidden[token] else _("mostly wrong") for token in tokens]
    shares = [f"{n_right[token]}/{n_hidden[token]}" for token in tokens]
    rows = list(zip(tokens, results, shares, strict=True))
    return Panels(vectors={"vectors": Vectors(values, (_("token"), _("result"), _("correct")), rows)})
