"""The interface between decoding strategies and autoregressive models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]
"""<float32>[rows, vocabulary], unnormalised log-probabilities of the next token; log-probabilities will do too."""


class NextTokenModel(Protocol):
    """A model that rates the next token of several rows, and keeps what it computed of their earlier tokens.

    A state belongs to the model: only the methods here look into it. What a row is rated must not depend on the other
    rows. A state that was passed to `advance` or `select` is not used again, so that a model may change it in place.
    """

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Any, Logits]:
        """Return the state after the prompts and the logits of the token that follows each.

        Args:
            prompts: the token ids of each row; their lengths may differ. A model that needs a first token of its own
                adds it here, so a prompt may be empty if the model says so. An encoder-decoder takes the beginnings
                of its outputs; it was given the sources when it was made.
        """

    def advance(self, state: Any, tokens: Sequence[int]) -> tuple[Any, Logits]:
        """Append one token to each row; return the new state and the logits of the token after it."""

    def select(self, state: Any, rows: Sequence[int]) -> Any:
        """Return the state of these rows, in this order; a row may occur several times or not at all."""


def log_softmax(logits: Logits) -> Logits:
    """Return the log-probabilities of logits, <float32>[rows, vocabulary] both.

    Raises:
        ValueError: the model computed NaN or infinity.
    """
    highest = find_highest(logits)
    shifted = logits - highest[:, None]
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


def find_highest(logits: Logits) -> Logits:
    """Return the highest logit of each row <float32>[rows].

    Raises:
        ValueError: it is NaN or infinite in some row; single tokens may have -inf.
    """
    highest = logits.max(axis=1)
    if not np.isfinite(highest).all():
        raise ValueError("the logits of the next token are not finite")
    return np.asarray(highest)
