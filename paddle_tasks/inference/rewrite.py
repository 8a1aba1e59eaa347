"""Rewrite texts ("article spinning"): mask some words and let a masked language model choose others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.fill_mask import (
    Extend,
    Filling,
    Ids,
    LogProbs,
    MaskedIds,
    MaskScorer,
    Tokens,
    extend_filling,
    pad_rows,
)
from paddle_tasks.inference.changeable_words import (
    Word,
    changeable_words,
    has_kind,
    is_chinese_without_negation,
    may_have_kind,
)
from paddle_tasks.language import _, mark
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.pooling import pool
from paddle_tasks.text import words
from paddle_tasks.text.tokenizer import Tokenizer

BEAM_WIDTH = 8
"""The number of candidates for a word."""
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]*[”’」』）)]*")
_WINDOW_SIZE = 128
"""Maximum number of tokens in a window: enough context for a word, and a constant cost per word in long texts."""
_BATCH_SIZE = 32
_NO_WORD = mark("the text contains no word that may be changed")
_NO_CANDIDATE = mark("every change would make the text less similar than min_similarity")
_RANGE = mark("{name}: expected a value from {low} to {high}, found {value}")
_RANGE_UP = mark("{name}: expected a value from {low} on, found {value}")
_RANGE_OF_SHARE = mark("{name}: expected a value above 0, up to 1, found {value}")

States = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RewriteOptions:
    """How many words of a text are replaced, and how.

    Attributes:
        n_variants: the maximum number of variants of a text.
        share: the share of the changeable words that is replaced in a variant; at least one word is.
        rounds: the number of times that words are masked. Each round masks an equal part of the chosen words and sees
            the replacements of the rounds before it.
        min_similarity: the minimum cosine similarity of text and variant, between mean states of the encoder.
        seed: the seed of the choice of words.
    """

    n_variants: int = 3
    share: float = 0.3
    rounds: int = 2
    min_similarity: float = 0.85
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        ranges = {"n_variants": (1, np.inf), "rounds": (1, np.inf), "min_similarity": (-1, 1), "seed": (0, np.inf)}
        for name, (low, high) in {**ranges, "share": (0, 1)}.items():
            value = getattr(self, name)
            if not low <= value <= high or (name == "share" and value == 0):
                message = _RANGE_OF_SHARE if name == "share" else _RANGE_UP if high == np.inf else _RANGE
                raise ConfigError(_(message).format(name=name, low=low, high=high, value=value))


@dataclass(frozen=True)
class _Slot:
    """A changeable word as tokens, one for each character.

    Attributes:
        word: the word.
        window: the index of the window that contains it.
        start: the position of its first token in the ids of the window.
    """

    word: Word
    window: int
    start: int

    @property
    def positions(self) -> tuple[int, ...]:
        return tuple(range(self.start, self.start + self.word.end - self.word.start))


@dataclass(frozen=True, eq=False)
class _EncodedText:
    """A text for the model.

    Attributes:
        text: the text.
        windows: the ids of each window, <int64>[length], from [CLS] to [SEP].
        slots: the changeable words.
        states: <float32>[windows, width], the mean state of each window.
    """

    text: str
    windows: list[Ids]
    slots: list[_Slot]
    states: States


@dataclass(frozen=True)
class _Change:
    """A replaced word; the log-probability is the sum over the new tokens."""

    word: Word
    new: str
    log_prob: float


class Rewriter:
    """Makes variants of texts; call it with one text or with several."""

    def __init__(self, model: nn.Layer, tokenizer: Tokenizer) -> None:
        """Take a `MaskedLanguageModel`, which is put into evaluation mode, and its tokenizer."""
        self.model, self.tokenizer, self.scorer = model, tokenizer, MaskScorer(model, tokenizer)
        is_usable = [len(entry) == 1 and is_chinese_without_negation(entry) for entry in tokenizer.vocabulary]
        self.scorer.allowed &= np.array(is_usable)
        self._tokens = np.flatnonzero(self.scorer.allowed)
        self._characters = [tokenizer.vocabulary[token] for token in self._tokens.tolist()]

    def __call__(self, texts: str | Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Return variants of each text, the most probable first.

        A word is replaced by the most probable other word with as many characters that is in jieba's dictionary, has
        the same kind, and keeps the text similar enough; if there is none, by another string with as many characters.
        Replacements that an earlier variant uses are tried last. A long text is read in windows of sentences; its
        similarity is the minimum over the windows.

        Args:
            texts: one text or several; the result for one does not depend on the others.
            **options: the fields of `RewriteOptions`.

        Returns:
            For each text ``{"input", "variants": [{"text", "marked", "changes": [{"start", "end", "old", "new"}],
            "similarity", "score"}]}``. ``marked`` is the text with changes as ``[-old-]{+new+}``. The range of a change
            is in characters and is the same in the text and in the variant. ``score`` is the mean log-probability of
            the new tokens, computed as in `MaskScorer.fill` over all Chinese characters except negations. If no
            variant can be made, the only variant is the text itself, and ``note`` gives the reason.

        Raises:
            ConfigError: an option is out of its range.
        """
        checked = RewriteOptions(**options)
        return [self._rewrite(text, checked) for text in ([texts] if isinstance(texts, str) else texts)]

    def _rewrite(self, text: str, options: RewriteOptions) -> dict[str, Any]:
        source = self._encode(text)
        used: dict[Word, set[str]] = defaultdict(set)
        variants: dict[str, dict[str, Any]] = {}
        for attempt in range(2 * options.n_variants if source.slots else 0):
            draft = _Draft(self, source, options, used)
            draft.replace_words(np.random.default_rng([options.seed, attempt]))
            if draft.changes:
                variant = _variant_record(text, draft.changes, min(draft.similarities))
                variants.setdefault(variant["text"], variant)
            if len(variants) == options.n_variants:
                break
        if not variants:
            note = _(_NO_CANDIDATE if source.slots else _NO_WORD)
            return {"input": text, "variants": [_variant_record(text, [], 1.0)], "note": note}
        return {"input": text, "variants": sorted(variants.values(), key=lambda variant: -variant["score"])}

    def _encode(self, text: str) -> _EncodedText:
        encoded = self.tokenizer.encode([text], max_length=4 * len(text) + 2)[0]
        ids, offsets = encoded.input_ids.astype(np.int64), encoded.offsets[1:-1]
        size = min(self.scorer.max_length or _WINDOW_SIZE, _WINDOW_SIZE) - 2
        windows = list(sentence_windows(text, offsets[:, 0], size))
        word_at = {word.start: word for word in changeable_words(text)}
        slots = [
            _Slot(word, window, index - start + 1)
            for window, (start, end) in enumerate(windows)
            for index in range(start, end)
            if (word := word_at.get(int(offsets[index, 0])))
            and self._is_spelt(word, ids[index + 1 : end + 1], offsets[index:end])
        ]
        rows = [np.concatenate([ids[:1], ids[start + 1 : end + 1], ids[-1:]]) for start, end in windows]
        states = self.mean_states(rows) if slots else np.zeros((0, 0), np.float32)
        return _EncodedText(text, rows, slots, states)

    def _is_spelt(self, word: Word, ids: Ids, offsets: npt.NDArray[np.int32]) -> bool:
        """Return whether each character of a word is a known token, and all are in the window.

        Args:
            word: the word.
            ids: the ids of the window from the word on.
            offsets: <int32>[tokens, 2], their half-open ranges of characters.
        """
        starts = np.arange(word.start, word.end)
        expected = np.stack([starts, starts + 1], axis=1)
        return np.array_equal(offsets[: len(starts)], expected) and self.tokenizer.unk_id not in ids[: len(starts)]

    @without_gradients
    def mean_states(self, rows: Sequence[Ids]) -> States:
        """Return the encoder's states of each row of ids, averaged over the tokens: <float32>[rows, width]."""
        batches = []
        for start in range(0, len(rows), _BATCH_SIZE):
            ids, lengths = pad_rows(rows[start : start + _BATCH_SIZE], self.tokenizer.pad_id)
            tensors = [paddle.to_tensor(values) for values in (ids, np.zeros_like(ids), lengths)]
            states, first = self.model.encoder(*tensors)
            batches.append(pool("mean", states, first, tensors[2]).numpy())
        return np.concatenate(batches)

    def next_tokens(self, tokens: Sequence[int]) -> Ids:
        """Return the tokens that continue some tokens to a beginning of a dictionary word: <int64>[n], ascending."""
        return self._tokens[words.can_follow(self.spell(tokens), self._characters)]

    def spell(self, tokens: Sequence[int]) -> str:
        """Return the characters of tokens."""
        return "".join(self.tokenizer.vocabulary[token] for token in tokens)


class _Draft:
    """A variant while its words are being replaced.

    Attributes:
        windows: the present ids of each window.
        similarities: the present similarity of each window.
        changes: the changes so far; in the order of the text when `replace_words` is done.
    """

    def __init__(
        self, rewriter: Rewriter, source: _EncodedText, options: RewriteOptions, used: dict[Word, set[str]]
    ) -> None:
        """Take the text, and the replacements that earlier variants use, which this one adds to."""
        self._rewriter, self._source, self._options, self._used = rewriter, source, options, used
        self.windows, self.similarities = list(source.windows), [1.0] * len(source.windows)
        self.changes: list[_Change] = []

    def replace_words(self, generator: np.random.Generator) -> None:
        """Choose words and replace them, round by round."""
        slots, share = self._source.slots, self._options.share
        chosen = generator.permutation(len(slots))[: max(1, round(share * len(slots)))]
        for group in np.array_split(chosen, min(self._options.rounds, len(chosen))):
            masked = [slots[index] for index in sorted(group.tolist())]
            for index, slot in enumerate(masked):
                self._replace(slot, self._mask(masked[index:], slot))
        self.changes.sort(key=lambda change: change.word.start)
        for change in self.changes:
            self._used[change.word].add(change.new)

    def _mask(self, slots: Sequence[_Slot], first: _Slot) -> MaskedIds:
        """Return the window of the first slot with all of the slots in it masked; only the first is to be filled."""
        ids = self.windows[first.window].copy()
        positions = [position for slot in slots if slot.window == first.window for position in slot.positions]
        ids[positions] = self._rewriter.tokenizer.mask_id
        return MaskedIds(ids, first.positions)

    def _replace(self, slot: _Slot, masked: MaskedIds) -> None:
        """Replace a word by the first candidate that keeps the window similar enough; if there is none, keep it."""
        for candidate in self._candidates(slot, masked):
            ids = MaskedIds(self.windows[slot.window], slot.positions).fill(candidate.tokens)
            similarity = _cosine(self._rewriter.mean_states([ids])[0], self._source.states[slot.window])
            if similarity >= self._options.min_similarity:
                new = self._rewriter.spell(candidate.tokens)
                self.changes.append(_Change(slot.word, new, candidate.log_prob))
                self.windows[slot.window], self.similarities[slot.window] = ids, similarity
                return

    def _candidates(self, slot: _Slot, masked: MaskedIds) -> Iterator[Filling]:
        """Yield words of the dictionary, then other strings; among each, those that earlier variants use come last."""
        used = self._used[slot.word]
        for only_dictionary in (True, False):
            extend = self._extend(slot.word, only_dictionary=only_dictionary)
            fillings = self._rewriter.scorer.fill([masked], BEAM_WIDTH, extend)[0]
            yield from sorted(fillings, key=lambda filling: self._rewriter.spell(filling.tokens) in used)

    def _extend(self, word: Word, *, only_dictionary: bool) -> Extend:
        """Return the function that extends the beginning of a replacement by a character."""
        rewriter, old = self._rewriter, self._source.text[word.start : word.end]
        fits = has_kind if only_dictionary else may_have_kind

        def accept(tokens: Tokens) -> bool:
            new = rewriter.spell(tokens)
            if len(new) < len(old):  # not complete yet
                return True
            return new != old and fits(new, word.kind) and is_chinese_without_negation(new)

        def extend(filling: Filling, log_probs: LogProbs) -> Iterator[Filling]:
            candidates = rewriter.next_tokens(filling.tokens) if only_dictionary else None
            return extend_filling(filling, log_probs, BEAM_WIDTH, accept, candidates)

        return extend


def _cosine(one: States, other: States) -> float:
    return float(one @ other / np.maximum(np.linalg.norm(one) * np.linalg.norm(other), 1e-12))


def sentence_windows(text: str, starts: npt.NDArray[np.int32], size: int) -> Iterator[tuple[int, int]]:
    """Divide the tokens of a text into windows: as many whole sentences as fit, or parts of a longer sentence.

    Args:
        text: the text.
        starts: <int32>[tokens], the first character of each token.
        size: the maximum number of tokens of a window.

    Yields:
        Half-open ranges of tokens, which cover all of them.
    """
    start = end = 0
    for sentence_end in np.searchsorted(starts, [match.end() for match in _SENTENCE.finditer(text)]).tolist():
        if sentence_end - start > size and end > start:
            yield start, end
            start = end
        while sentence_end - start > size:
            yield start, start + size
            start += size
        end = sentence_end
    if end > start:
        yield start, end


def _variant_record(text: str, changes: Sequence[_Change], similarity: float) -> dict[str, Any]:
    """Return a variant as JSON; see `Rewriter.__call__`."""
    new_text, marked, position = "", "", 0
    for change in changes:
        unchanged, old = text[position : change.word.start], text[change.word.start : change.word.end]
        new_text, marked = f"{new_text}{unchanged}{change.new}", f"{marked}{unchanged}[-{old}-]{{+{change.new}+}}"
        position = change.word.end
    ranges = [
        {"start": word.start, "end": word.end, "old": text[word.start : word.end], "new": change.new}
        for change in changes
        for word in [change.word]
    ]
    n_tokens = sum(len(change.new) for change in changes)
    score = sum(change.log_prob for change in changes) / n_tokens if n_tokens else 0.0
    variant = {"text": new_text + text[position:], "marked": marked + text[position:], "changes": ranges}
    return {**variant, "similarity": float(similarity), "score": float(score)}
