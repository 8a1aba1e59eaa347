"""What there is to look at of a masked language model: what it puts into gaps, and its word vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from paddle import nn

from paddle_tasks.tasks.panels import MOST_VECTORS
from paddle_tasks.training.adversarial import word_vectors
from paddle_tasks.training.panels import NOTHING, Panels, Vectors, shortened

Records = Sequence[Mapping[str, Any]]
_N_SAMPLES = 3
_MOST_CHARACTERS = 200


def filled_samples(records: Records) -> dict[str, str]:
    """Return what was hidden in the first rows, and what was named instead, as texts."""
    return {f"sample_{number}": _filled(record) for number, record in enumerate(records[:_N_SAMPLES], start=1)}


def _filled(record: Mapping[str, Any]) -> str:
    hidden, named = (shortened(" ".join(record[side]), _MOST_CHARACTERS) for side in ("gold", "predicted"))
    return f"hidden: {hidden} ‖ named: {named}"


def filled_panels(records: Records) -> Panels:
    """Return histograms over the rows: their mean loss, the share of hidden tokens named right, and how many are."""
    shares = [np.mean([a == b for a, b in zip(row["gold"], row["predicted"], strict=True)]) for row in records]
    return Panels(
        histograms={
            "row_loss": np.array([record["loss"] for record in records]),
            "row_accuracy": np.array(shares),
            "hidden_tokens": np.array([len(record["gold"]) for record in records]),
        }
    )


def token_vectors(model: nn.Layer, records: Records, vocabulary: Sequence[str]) -> Panels:
    """Return the word vectors of the tokens that were hidden most often, with how often they were named right."""
    weight = word_vectors(model)
    hidden = Counter(token for record in records for token in record["gold"])
    if weight is None or not hidden:
        return NOTHING
    right = Counter(
        token
        for record in records
        for token, named in zip(record["gold"], record["predicted"], strict=True)
        if token == named
    )
    tokens = [token for token, _ in hidden.most_common(MOST_VECTORS)]
    place = {token: number for number, token in enumerate(vocabulary)}
    values = weight.detach().astype("float32").numpy()[[place[token] for token in tokens]]
    results = ["mostly right" if 2 * right[token] > hidden[token] else "mostly wrong" for token in tokens]
    shares = [f"{right[token]}/{hidden[token]}" for token in tokens]
    rows = list(zip(tokens, results, shares, strict=True))
    return Panels(vectors={"vectors": Vectors(values, ("label", "result", "named right"), rows)})
