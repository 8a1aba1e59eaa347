"""Name what stands behind each [MASK] of a text, mask by mask and together."""

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

from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.text.tokenizer import Tokenizer

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Tokens = tuple[int, ...]
Accept = Callable[[Tokens], bool]

_BATCH = 32
"""Rows computed at once, and texts that are filled together."""
_WIDTH, _WIDEST = 8, 64
"""Fillings of a text's first masks that are carried on to the next one: as many as are asked for, within these."""
_NO_WORD = re.compile(r"\[.+\]|<.+>")  # [PAD] and its kin, [unused1], <S>: no text gives an entry of such a form
_NEARLY = re.compile(r"[\[［【<{(（]\s*(?:mask|ｍａｓｋ)\s*[\]］】>})）]", re.IGNORECASE)


@dataclass(frozen=True)
class Masked:
    """What the model reads of a text.

    Attributes:
        ids: <int64>[length], from [CLS] to [SEP].
        places: where among these the masks stand, rising.
    """

    ids: Ids
    places: tuple[int, ...]

    def filled(self, tokens: Sequence[int]) -> Ids:
        """Return the ids with the first masks filled."""
        ids = self.ids.copy()
        ids[list(self.places[: len(tokens)])] = tokens
        return ids


@dataclass(frozen=True)
class Filling:
    """Tokens for the first masks of a text, and their joint log-probability; see `MaskScorer.fill`."""

    tokens: Tokens = ()
    log_prob: float = 0.0


Grow = Callable[[Filling, Scores], Iterator[Filling]]


class MaskScorer:
    """The probabilities that a masked language model gives to the tokens that may stand at a place.

    Attributes:
        allowed: <bool>[vocabulary], what may: all but special and unused entries. Probabilities are over these alone.
        room: most tokens that the model reads, special ones included; None for any number.
    """

    def __init__(self, model: nn.Layer, tokenizer: Tokenizer) -> None:
        model.eval()
        self.model, self.tokenizer = model, tokenizer
        self.allowed = np.array([not _NO_WORD.fullmatch(entry) for entry in tokenizer.vocabulary])
        self.room: int | None = model.encoder.max_length

    def log_probs(self, rows: Sequence[Ids], places: Sequence[Sequence[int]]) -> Scores:
        """Return the log-probabilities at each row's places, one row after another: <float32>[places, vocabulary]."""
        starts = range(0, len(rows), _BATCH)
        return np.concatenate([self._batch(rows[n : n + _BATCH], places[n : n + _BATCH]) for n in starts])

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def _batch(self, rows: Sequence[Ids], places: Sequence[Sequence[int]]) -> Scores:
        ids, lengths = padded(rows, self.tokenizer.pad_id)
        flat = np.concatenate([np.array(those) + row * ids.shape[1] for row, those in enumerate(places)])
        tensors = map(paddle.to_tensor, (ids, np.zeros_like(ids), lengths, flat))
        logits = self.model(*tensors).numpy()[:, : len(self.allowed)]
        logits[:, ~self.allowed] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.asarray(logits, np.float32)

    def fill(
        self,
        texts: Sequence[Masked],
        width: int,
        grow: Grow | None = None,
        first: Scores | None = None,
    ) -> list[list[Filling]]:
        """Search the most probable fillings of each text, by a beam from left to right.

        A filling's probability is that of its first token with all masks in place, times that of its second token
        with the first one filled in, and so on. With a width of all fillings, all are found.

        Args:
            texts: what is to be filled; one result does not depend on the others.
            width: fillings kept after each mask.
            grow: yields a beginning with the tokens that may come next, as `grown` does, which is the default.
            first: the log-probabilities at each text's first mask <float32>[texts, vocabulary], when they are known.

        Returns:
            For each text at most ``width`` fillings, the most probable first; equal ones by their ids.
        """
        grow = grow or partial(grown, width=width)
        beams = [[Filling()] for _ in texts]
        for step in range(max((len(text.places) for text in texts), default=0)):
            live = [row for row, text in enumerate(texts) if step < len(text.places) and beams[row]]
            rows = [texts[row].filled(filling.tokens) for row in live for filling in beams[row]]
            if not rows:
                break
            places = [[texts[row].places[step]] for row in live for _ in beams[row]]
            scores = iter(self.log_probs(rows, places) if step or first is None else first)
            for row in live:
                found = [longer for old in beams[row] for longer in grow(old, next(scores))]
                beams[row] = sorted(found, key=lambda filling: (-filling.log_prob, filling.tokens))[:width]
        return beams


def grown(
    old: Filling, scores: Scores, width: int, accept: Accept | None = None, among: Ids | None = None
) -> Iterator[Filling]:
    """Yield a filling with each of its best next tokens, of all or ``among`` some <int64>[n], rising."""
    n_kept = 0
    falling = np.argsort(-(scores if among is None else scores[among]), kind="stable")
    for token in (falling if among is None else among[falling]).tolist():
        if n_kept == width or scores[token] == -np.inf:
            return
        tokens = (*old.tokens, token)
        if accept is None or accept(tokens):
            n_kept += 1
            yield Filling(tokens, old.log_prob + float(scores[token]))


def padded(rows: Sequence[Ids], pad_id: int) -> tuple[Ids, Ids]:
    """Return rows of ids as a batch <int64>[batch, length], and their lengths <int64>[batch]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.full((len(rows), lengths.max()), pad_id, np.int64)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    return ids, lengths


class FillMask:
    """Fills the masks of texts: call it with one text or with several."""

    def __init__(self, model: nn.Layer, tokenizer: Tokenizer) -> None:
        """Take a `MaskedLanguageModel`, which is put into evaluation mode, and its tokenizer."""
        self._scorer, self._tokenizer = MaskScorer(model, tokenizer), tokenizer

    def __call__(self, texts: str | Sequence[str], top_k: int = 5) -> list[dict[str, Any]]:
        """Return what may stand behind the masks of each text.

        Args:
            texts: one text or several, each with at least one ``[MASK]``, which stands for one token.
            top_k: most candidates of a mask, and most fillings of a text; of these there are 64 at most, since the
                search for them carries as many from mask to mask.

        Returns:
            For each text ``{"input", "masks": [{"position", "candidates": [{"token", "prob"}]}], "fillings": [{"text",
            "prob"}], "text"}``. A mask's position is in characters; its candidates are rated with all other masks in
            place. Fillings rate the masks together, as `MaskScorer.fill` says; ``text`` is the first one's.

        Raises:
            ConfigError: ``top_k`` is not positive.
            DataError: a text has no [MASK], or they lie farther apart than the model reads.
        """
        if top_k < 1:
            raise ConfigError(f"top_k: expected at least 1, found {top_k}")
        texts = [texts] if isinstance(texts, str) else list(texts)
        masked = [self._masked(text) for text in texts]
        chunks = (masked[start : start + _BATCH] for start in range(0, len(masked), _BATCH))
        return [record for chunk in chunks for record in self._records(chunk, top_k)]

    def _masked(self, text: str) -> tuple[str, Masked, list[tuple[int, int]]]:
        """Return a text, the part of it that the model reads, and its masks' ranges of characters."""
        encoded = self._tokenizer.encode([text], max_length=4 * len(text) + 2)[0]
        places = np.flatnonzero(encoded.input_ids == self._tokenizer.mask_id)
        if not len(places):
            near = "; did you mean '[MASK]'?" if _NEARLY.search(text) else ""
            raise DataError(f"{excerpt(text)}: holds no [MASK]; put one for each token to be named{near}")
        start, end = self._window(text, len(encoded.input_ids), int(places[0]), int(places[-1]))
        ids = np.concatenate([encoded.input_ids[:1], encoded.input_ids[start:end], encoded.input_ids[-1:]])
        spans = [(int(first), int(last)) for first, last in encoded.offsets[places]]
        return text, Masked(ids.astype(np.int64), tuple((places - start + 1).tolist())), spans

    def _window(self, text: str, length: int, first: int, last: int) -> tuple[int, int]:
        """Return the tokens between [CLS] and [SEP] that are read, with as much before the masks as behind them."""
        room = (self._scorer.room or length) - 2
        if last - first + 1 > room:
            raise DataError(
                f"{excerpt(text)}: from its first to its last [MASK] there are {last - first + 1} tokens; "
                f"the model reads {room}"
            )
        start = max(1, min(first - (room - (last - first + 1)) // 2, length - 1 - room))
        return start, min(start + room, length - 1)

    def _records(
        self, texts: Sequence[tuple[str, Masked, list[tuple[int, int]]]], top_k: int
    ) -> Iterable[dict[str, Any]]:
        rows = [row for _, row, _ in texts]
        scores = self._scorer.log_probs([row.ids for row in rows], [row.places for row in rows])
        counts = np.array([len(row.places) for row in rows])
        width = min(max(top_k, _WIDTH), _WIDEST)
        found = self._scorer.fill(rows, width, first=scores[np.cumsum(counts) - counts])
        of_mask = iter(scores)
        for (text, _, spans), fillings in zip(texts, found, strict=True):
            masks = [{"position": start, "candidates": self._candidates(next(of_mask), top_k)} for start, _ in spans]
            best = [
                {"text": self._written(text, spans, filling.tokens), "prob": float(np.exp(filling.log_prob))}
                for filling in fillings[:top_k]
            ]
            yield {"input": text, "masks": masks, "fillings": best, "text": best[0]["text"]}

    def _candidates(self, scores: Scores, top_k: int) -> list[dict[str, Any]]:
        return [
            {"token": self._tokenizer.vocabulary[filling.tokens[0]], "prob": float(np.exp(filling.log_prob))}
            for filling in grown(Filling(), scores, top_k)
        ]

    def _written(self, text: str, spans: Sequence[tuple[int, int]], tokens: Sequence[int]) -> str:
        """Write tokens into a text: a ``##`` piece goes on with the word before it, two other words stay two."""
        written, at = "", 0
        for place, ((start, end), token) in enumerate(zip(spans, tokens, strict=True)):
            written = _parted(written, text[at:start]) if place else text[:start]
            entry = self._tokenizer.vocabulary[token]
            is_piece = entry.startswith("##") and len(entry) > 2
            written = written.rstrip(" ") + entry[2:] if is_piece else _parted(written, entry)
            at = end
        return _parted(written, text[at:])


def _parted(left: str, right: str) -> str:
    """Join two parts of a text, with a space where two words of letters would run into one."""
    runs_together = all(character.isalnum() and character < "\u2e80" for character in (left[-1:], right[:1]))
    return f"{left} {right}" if runs_together else left + right


def excerpt(text: str) -> str:
    """Return a text for a message."""
    return repr(text if len(text) <= 30 else f"{text[:30]}…")
