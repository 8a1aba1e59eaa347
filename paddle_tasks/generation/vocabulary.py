"""What decoding knows of a model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OutputVocabulary:
    """The tokens that a model writes.

    Attributes:
        texts: the text that each token adds to the output, by id; empty for special tokens. The last ids may be of
            tokens that occur in prompts only, which the model does not rate.
        encode: returns the token ids of a text; those of a text that cannot be written contain a forbidden one.
        forbidden: ids that are never written: padding, unknown, unused entries.
        end: ids that end an output; they are part of its tokens.
    """

    texts: Sequence[str]
    encode: Callable[[str], Sequence[int]]
    forbidden: tuple[int, ...] = ()
    end: tuple[int, ...] = ()

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return "".join([self.texts[token] for token in tokens])
