"""Predict the tokens hidden by [MASK]: candidates for each mask alone, and fillings of all masks of a text together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from paddle_tasks.errors import ConfigError, DataError, suggestion
from paddle_tasks.language import _
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.text.tokenizer import Tokenizer

Ids = npt.NDArray[np.int64]
LogProbs = npt.NDArray[np.float32]
Span = tuple[int, int]
"""A half-open range of characters."""
Tokens = tuple[int, ...]
"""Token ids that fill the first masks of a text, from left to right."""
Accept = Callable[[Tokens], bool]

BATCH_SIZE = 32
"""Rows computed at once, and texts filled together."""
MIN_BEAM_WIDTH, MAX_BEAM_WIDTH = 8, 64
"""The beam is as wide as the number of requested fillings, within these limits."""
_SPECIAL_ENTRY = re.compile(r"\[.+\]|<.+>")  # [PAD], [unused1], <S>: the tokenizer never makes such a token of a text
_MISSPELT_MASK = re.compile(r"[\[［【<{(（]\s*(?:mask|ｍａｓｋ)\s*[\]］】>})）]", re.IGNORECASE)


@dataclass(frozen=True)
class MaskedIds:
    """The token ids of a text with masks.

    Attributes:
        ids: <int64>[length], from [CLS] to [SEP].
        mask_positions: the indices of the masks in ``ids``, ascending.
    """

    ids: Ids
    mask_positions: tuple[int, ...]

    def fill(self, tokens: Sequence[int]) -> Ids:
        """Return a copy of the ids with the first masks replaced by tokens."""
        ids = self.ids.copy()
        ids[list(self.mask_positions[: len(tokens)])] = tokens
        return ids


@dataclass(frozen=True)
class Filling:
    """Tokens for the first masks of a text, and their joint log-probability; see `MaskScorer.fill`."""

    tokens: Tokens = ()
    log_prob: float = 0.0


Extend = Callable[[Filling, LogProbs], Iterator[Filling]]
"""Yields a filling extended by one token, for several tokens, from the log-probabilities at its next mask."""


class MaskScorer:
    """Computes a masked language model's probabilities of the tokens at given positions.

    Attributes:
        allowed: <bool>[vocabulary], the tokens that may fill a mask: all but special and unused entries. Probabilities
            are normalised over these.
        max_length: the maximum number of tokens that the model reads, with [CLS] and [SEP]; None if unlimited.
    """

    def __init__(self, model: nn.Layer, tokenizer: Tokenizer) -> None:
        model.eval()
        self.model, self.tokenizer = model, tokenizer
        self.allowed = np.array([not _SPECIAL_ENTRY.fullmatch(entry) for entry in tokenizer.vocabulary])
        self.max_length: int | None = model.encoder.max_length

    def log_probs(self, rows: Sequence[Ids], positions: Sequence[Sequence[int]]) -> LogProbs:
        """Return the log-probabilities of all tokens at positions of rows.

        Args:
            rows: the ids of each row, <int64>[length].
            positions: for each row, indices into it.

        Returns:
            <float32>[positions, vocabulary], row after row; -inf for tokens that are not allowed.
        """
        starts = range(0, len(rows), BATCH_SIZE)
        return np.concatenate([self._score(rows[n : n + BATCH_SIZE], positions[n : n + BATCH_SIZE]) for n in starts])

    @without_gradients
    def _score(self, rows: Sequence[Ids], positions: Sequence[Sequence[int]]) -> LogProbs:
        """Return what `log_probs` returns, for a single batch."""
        ids, lengths = pad_rows(rows, self.tokenizer.pad_id)
        flat = np.concatenate([np.array(columns) + row * ids.shape[1] for row, columns in enumerate(positions)])
        tensors = map(paddle.to_tensor, (ids, np.zeros_like(ids), lengths, flat))
        logits = self.model(*tensors).numpy()[:, : len(self.allowed)]
        logits[:, ~self.allowed] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.asarray(logits, np.float32)

    def fill(
        self,
        texts: Sequence[MaskedIds],
        width: int,
        extend: Extend | None = None,
        first: LogProbs | None = None,
    ) -> list[list[Filling]]:
        """Search for the most probable fillings of each text with a beam, mask by mask from left to right.

        The probability of a filling is that of its first token with all masks in place, times that of its second token
        with the first one filled in, and so on. The search is exhaustive if ``width`` is at least the number of all
        fillings.

        Args:
            texts: the texts; the result for one does not depend on the others.
            width: the number of fillings kept after each mask.
            extend: yields the extensions of a filling; by default `extend_filling` with all tokens.
            first: the log-probabilities at each text's first mask, <float32>[texts, vocabulary], if already known.

        Returns:
            For each text at most ``width`` fillings, the most probable first; equally probable ones in the order of
            their ids.
        """
        extend = extend or partial(extend_filling, width=width)
        beams = [[Filling()] for _ in texts]
        for step in range(max((len(text.mask_positions) for text in texts), default=0)):
            active = [index for index, text in enumerate(texts) if step < len(text.mask_positions) and beams[index]]
            rows = [texts[index].fill(filling.tokens) for index in active for filling in beams[index]]
            if not rows:
                break
            positions = [[texts[index].mask_positions[step]] for index in active for _ in beams[index]]
            log_probs = iter(self.log_probs(rows, positions) if step or first is None else first)
            for index in active:
                extended = [longer for filling in beams[index] for longer in extend(filling, next(log_probs))]
                beams[index] = sorted(extended, key=lambda filling: (-filling.log_prob, filling.tokens))[:width]
        return beams


def extend_filling(
    filling: Filling, log_probs: LogProbs, width: int, accept: Accept | None = None, candidates: Ids | None = None
) -> Iterator[Filling]:
    """Yield a filling extended by each of the most probable next tokens, the most probable first.

    Args:
        filling: the filling.
        log_probs: <float32>[vocabulary], at the next mask.
        width: the maximum number of extensions.
        accept: returns whether to yield the extension with these tokens; a rejected one does not count in ``width``.
        candidates: <int64>[n], ascending, the tokens to choose from; all by default.
    """
    n_accepted = 0
    ranking = np.argsort(-(log_probs if candidates is None else log_probs[candidates]), kind="stable")
    for token in (ranking if candidates is None else candidates[ranking]).tolist():
        if n_accepted == width or log_probs[token] == -np.inf:
            return
        tokens = (*filling.tokens, token)
        if accept is None or accept(tokens):
            n_accepted += 1
            yield Filling(tokens, filling.log_prob + float(log_probs[token]))


def pad_rows(rows: Sequence[Ids], pad_id: int) -> tuple[Ids, Ids]:
    """Return rows of ids as a batch <int64>[batch, length], and their lengths <int64>[batch]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.full((len(rows), lengths.max()), pad_id, np.int64)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    return ids, lengths


# ---- the pipeline


@dataclass(frozen=True)
class _Request:
    """A text to fill.

    Attributes:
        text: the text.
        masked: the part of it that the model reads.
        spans: the half-open range of each [MASK], in characters of the text.
        is_truncated: whether the model reads only a part of the text.
    """

    text: str
    masked: MaskedIds
    spans: Sequence[Span]
    is_truncated: bool


class FillMask:
    """Fills the masks of texts; call it with one text or with several."""

    def __init__(self, model: nn.Layer, tokenizer: Tokenizer) -> None:
        """Take a `MaskedLanguageModel`, which is put into evaluation mode, and its tokenizer."""
        self._scorer, self._tokenizer = MaskScorer(model, tokenizer), tokenizer

    def __call__(self, texts: str | Sequence[str], top_k: int = 5) -> list[dict[str, Any]]:
        """Return the most probable tokens for the masks of each text.

        Args:
            texts: one text or several, each with at least one ``[MASK]``, which stands for one token.
            top_k: the maximum number of candidates for each mask and of fillings of each text; of fillings there are
                at most 64, which is the maximum width of the beam.

        Returns:
            For each text ``{"input", "masks": [{"position", "candidates": [{"token", "prob", "token_str",
            "sequence"}]}], "fillings": [{"text", "prob"}], "text"}``. The position of a mask is in characters. The
            candidates of a mask are rated with all other masks in place; ``sequence`` is the text with this mask filled
            and the others in place, ``token_str`` the token, as other libraries call it. Fillings are rated as a whole,
            see `MaskScorer.fill`. ``text`` is the text of the first filling. ``"truncated": True`` is added if the
            model reads only a part of the text.

        Raises:
            ConfigError: ``top_k`` is not positive.
            DataError: a text contains no [MASK], or its masks are too far apart for the model.
        """
        if top_k < 1:
            raise ConfigError(_("top_k: expected at least 1, found {found}").format(found=top_k))
        texts = [texts] if isinstance(texts, str) else list(texts)
        requests = [self._encode(text) for text in texts]
        chunks = (requests[start : start + BATCH_SIZE] for start in range(0, len(requests), BATCH_SIZE))
        return [record for chunk in chunks for record in self._answer(chunk, top_k)]

    def _encode(self, text: str) -> _Request:
        encoded = self._tokenizer.encode([text], max_length=4 * len(text) + 2)[0]
        positions = np.flatnonzero(encoded.input_ids == self._tokenizer.mask_id)
        if not len(positions):
            near = suggestion("[MASK]") if _MISSPELT_MASK.search(text) else ""
            raise DataError(
                _("{text}: contains no [MASK]; write one for each token to predict{near}").format(
                    text=excerpt(text), near=near
                )
            )
        start, end = self._window(text, len(encoded.input_ids), int(positions[0]), int(positions[-1]))
        ids = np.concatenate([encoded.input_ids[:1], encoded.input_ids[start:end], encoded.input_ids[-1:]])
        spans = [(int(first), int(last)) for first, last in encoded.offsets[positions]]
        masked = MaskedIds(ids.astype(np.int64), tuple((positions - start + 1).tolist()))
        return _Request(text, masked, spans, is_truncated=len(ids) < len(encoded.input_ids))

    def _window(self, text: str, length: int, first: int, last: int) -> tuple[int, int]:
        """Return the half-open range of tokens to read, without [CLS] and [SEP].

        If the text is too long, the context is divided equally between both sides of the masks.

        Args:
            text: the text, for the error message.
            length: the number of its tokens, with [CLS] and [SEP].
            first: the position of the first mask.
            last: the position of the last mask.
        """
        size = (self._scorer.max_length or length) - 2
        n_masked = last - first + 1
        if n_masked > size:
            raise DataError(
                _(
                    "{text}: there are {count} tokens from the first to the last [MASK]; the model reads at most "
                    "{limit}"
                ).format(text=excerpt(text), count=n_masked, limit=size)
            )
        start = max(1, min(first - (size - n_masked) // 2, length - 1 - size))
        return start, min(start + size, length - 1)

    def _answer(self, requests: Sequence[_Request], top_k: int) -> Iterable[dict[str, Any]]:
        """Yield the record of each request."""
        texts = [request.masked for request in requests]
        log_probs = self._scorer.log_probs([text.ids for text in texts], [text.mask_positions for text in texts])
        counts = np.array([len(text.mask_positions) for text in texts])
        width = min(max(top_k, MIN_BEAM_WIDTH), MAX_BEAM_WIDTH)
        beams = self._scorer.fill(texts, width, first=log_probs[np.cumsum(counts) - counts])
        of_each_mask = iter(log_probs)
        for request, beam in zip(requests, beams, strict=True):
            masks = [
                {"position": span[0], "candidates": self._candidates(request.text, span, next(of_each_mask), top_k)}
                for span in request.spans
            ]
            fillings = [
                {"text": self._insert(request, filling.tokens), "prob": float(np.exp(filling.log_prob))}
                for filling in beam[:top_k]
            ]
            record = {"input": request.text, "masks": masks, "fillings": fillings, "text": fillings[0]["text"]}
            yield {**record, "truncated": True} if request.is_truncated else record

    def _candidates(self, text: str, span: Span, log_probs: LogProbs, top_k: int) -> list[dict[str, Any]]:
        """Return the candidates of the mask at ``span``, from its log-probabilities <float32>[tokens]."""
        fillings = list(extend_filling(Filling(), log_probs, top_k))
        tokens = [self._tokenizer.vocabulary[filling.tokens[0]] for filling in fillings]
        probs = [float(np.exp(filling.log_prob)) for filling in fillings]
        return [
            {"token": token, "prob": prob, "token_str": token, "sequence": insert_entries(text, [span], [token])}
            for token, prob in zip(tokens, probs, strict=True)
        ]

    def _insert(self, request: _Request, tokens: Tokens) -> str:
        return insert_entries(request.text, request.spans, [self._tokenizer.vocabulary[token] for token in tokens])


def insert_entries(text: str, spans: Sequence[tuple[int, int]], entries: Sequence[str]) -> str:
    """Return a text with spans replaced by entries of a vocabulary.

    A ``##`` entry is joined to the word before it; between two words of letters or digits, a space is inserted.

    Args:
        text: the text.
        spans: half-open ranges of characters, ascending: the masks.
        entries: an entry for each span, such as ``play`` or ``##ing``.
    """
    filled, position = "", 0
    for index, ((start, end), entry) in enumerate(zip(spans, entries, strict=True)):
        filled = _join(filled, text[position:start]) if index else text[:start]
        is_piece = entry.startswith("##") and len(entry) > 2
        filled = filled.rstrip(" ") + entry[2:] if is_piece else _join(filled, entry)
        position = end
    return _join(filled, text[position:])


def _join(left: str, right: str) -> str:
    """Join two parts of a text, with a space if two words of letters or digits would become one."""
    is_one_word = all(character.isalnum() and character < "\u2e80" for character in (left[-1:], right[:1]))
    return f"{left} {right}" if is_one_word else left + right


def excerpt(text: str) -> str:
    """Return the beginning of a text, quoted for a message."""
    return repr(text if len(text) <= 30 else f"{text[:30]}…")
