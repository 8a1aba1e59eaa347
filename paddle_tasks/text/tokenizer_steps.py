"""What the tokenizer does with a text, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.tokenizer import Encoded, Tokenizer, build_library
from paddle_tasks.text.vocabulary import SPECIAL_TOKENS, replace_surrogates


class Piece(NamedTuple):
    """A word piece of a text.

    Attributes:
        token: the entry of the vocabulary; ``##`` in front if it continues a word, [UNK] if there is none.
        start: where it begins in the text, in characters.
        end: where it ends, exclusive.
    """

    token: str
    start: int
    end: int


@dataclass(frozen=True)
class TextSteps:
    """What the tokenizer does with one text.

    Attributes:
        text: the text.
        normalised: lower-cased if the tokenizer does so, without accents and control characters, and with spaces round
            Chinese characters.
        pieces: all word pieces.
        n_kept: how many of them the model reads; the others are cut off.
    """

    text: str
    normalised: str
    pieces: tuple[Piece, ...]
    n_kept: int

    @property
    def words(self) -> list[str]:
        """The words that the pieces are of, as they stand in the text."""
        starts = [piece.start for piece in self.pieces if not piece.token.startswith("##")]
        ends = [
            piece.end
            for piece, after in zip(self.pieces, [*self.pieces[1:], None], strict=True)
            if after is None or not after.token.startswith("##")
        ]
        return [self.text[start:end] for start, end in zip(starts, ends, strict=True)]

    @property
    def cut(self) -> list[str]:
        """The tokens that the model does not read."""
        return [piece.token for piece in self.pieces[self.n_kept :]]

    @property
    def unknown(self) -> list[str]:
        """What of the text became [UNK]."""
        return [self.text[piece.start : piece.end] for piece in self.pieces if piece.token == SPECIAL_TOKENS[1]]


@dataclass(frozen=True, eq=False)
class TokenizerSteps:
    """What the tokenizer does with a text or a pair of texts.

    Attributes:
        texts: each text by itself.
        tokens: the entries that the model reads: [CLS] a [SEP], or [CLS] a [SEP] b [SEP].
        input_ids: their ids <int64>[length].
        token_type_ids: <int64>[length], 1 in a second text.
        offsets: <int64>[length, 2], half-open character ranges; (0, 0) for [CLS] and [SEP].
        padded_ids: ``input_ids`` with padding up to the asked length.
        attention_mask: <int64>[padded length], 1 for real tokens and 0 for padding.
        decoded: the text of the ids, which has lost case, spaces and what became [UNK].
    """

    texts: tuple[TextSteps, ...]
    tokens: tuple[str, ...]
    input_ids: Array
    token_type_ids: Array
    offsets: Array
    padded_ids: Array
    attention_mask: Array
    decoded: str


def trace(
    tokenizer: Tokenizer,
    text: str,
    pair: str | None,
    max_length: int,
    padded_length: int = 0,
    *,
    by_character: bool = False,
) -> TokenizerSteps:
    """Return what a tokenizer does with a text or a pair of texts.

    Args:
        tokenizer: the tokenizer.
        text: the text.
        pair: a second text.
        max_length: the maximum number of tokens, [CLS] and [SEP] included.
        padded_length: the number of tokens that shorter texts are padded to; 0 for no padding.
        by_character: whether each visible character of a single text becomes a token; see `Tokenizer.tokens`.
    """
    by_character = by_character and pair is None
    encoded = _encode(tokenizer, text, pair, max_length, by_character=by_character)
    ids, types = (array.astype(np.int64) for array in (encoded.input_ids, encoded.token_type_ids))
    tokens = tuple(tokenizer.vocabulary[number] for number in ids)
    n_padding = max(0, padded_length - len(ids))
    mask = np.pad(np.ones_like(ids), (0, n_padding))
    padded = np.pad(ids, (0, n_padding), constant_values=tokenizer.pad_id)
    texts = [text] if pair is None else [text, pair]
    n_special = [2, 1]  # of the first and the second text
    n_kept = [int((types == segment).sum()) - n_special[segment] for segment in range(len(texts))]
    steps = tuple(_steps(tokenizer, *given, by_character=by_character) for given in zip(texts, n_kept, strict=True))
    return TokenizerSteps(steps, tokens, ids, types, encoded.offsets, padded, mask, decode(tokens))


def _encode(tokenizer: Tokenizer, text: str, pair: str | None, max_length: int, *, by_character: bool) -> Encoded:
    if by_character:
        return encode_characters(tokenizer, text, max_length)
    return tokenizer.encode([text], None if pair is None else [pair], max_length=max_length)[0]


def encode_characters(tokenizer: Tokenizer, text: str, max_length: int) -> Encoded:
    """Return the encoding of a text of which each visible character is a token."""
    tokens = tokenizer.tokens([text])[0]
    n_kept = max_length - 2
    kept = np.array([tokenizer.cls_id, *tokens.input_ids[:n_kept], tokenizer.sep_id], np.int32)
    places = np.pad(tokens.offsets[:n_kept], ((1, 1), (0, 0)))
    return Encoded(kept, np.zeros_like(kept), places)


def _steps(tokenizer: Tokenizer, text: str, n_kept: int, *, by_character: bool) -> TextSteps:
    text = replace_surrogates(text)
    ids = {token: number for number, token in enumerate(tokenizer.vocabulary)}
    library = build_library(ids, tokenizer.lowercase)
    if by_character:
        found = tokenizer.tokens([text])[0]
        places = zip(found.input_ids.tolist(), found.offsets.tolist(), strict=True)
        pieces = [Piece(tokenizer.vocabulary[number], start, end) for number, (start, end) in places]
    else:
        split = library.encode(text, add_special_tokens=False)
        pieces = [Piece(token, *ends) for token, ends in zip(split.tokens, split.offsets, strict=True)]
    return TextSteps(text, library.normalizer.normalize_str(text), tuple(pieces), n_kept)


def decode(tokens: Sequence[str]) -> str:
    """Return tokens as a text, as ``decode`` of Hugging Face's tokenizers does: spaces between them, pieces joined."""
    return " ".join(tokens).replace(" ##", "")
