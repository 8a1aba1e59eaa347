"""Language models of this task as decoding strategies use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paddle_tasks.arrays import Array

Contexts = list[list[int]]


class RecomputingWriter:
    """Rates the next entry from the last entries of each row, which it reads anew for each; a `NextTokenModel`."""

    def __init__(self, log_probs: Callable[[Contexts], Array], first: Sequence[int], window: int) -> None:
        """Take what rates the next entries.

        Args:
            log_probs: returns the log-probabilities <float32>[rows, vocabulary] of the entry after each context.
            first: the entries before each prompt.
            window: the maximum length of a context.
        """
        self._log_probs, self._first, self._window = log_probs, list(first), window

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Contexts, Array]:
        """Return the contexts and the log-probabilities of the entries after them."""
        return self._rate([[*self._first, *prompt] for prompt in prompts])

    def advance(self, state: Contexts, tokens: Sequence[int]) -> tuple[Contexts, Array]:
        """Append one entry to each row; return the contexts and the log-probabilities of the entries after them."""
        return self._rate([[*row, token] for row, token in zip(state, tokens, strict=True)])

    def select(self, state: Contexts, rows: Sequence[int]) -> Contexts:
        """Return the contexts of these rows."""
        return [state[row] for row in rows]

    def _rate(self, rows: Contexts) -> tuple[Contexts, Array]:
        contexts = [row[-self._window :] for row in rows]
        return contexts, self._log_probs(contexts)
