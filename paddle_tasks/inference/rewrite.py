"""Rewrite texts ("article spinning"): hide some of their content words and let a masked language model name others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.fill_mask import Filling, Grow, Ids, Masked, MaskScorer, Scores, Tokens, grown, padded
from paddle_tasks.models.pooling import pool
from paddle_tasks.text import words
from paddle_tasks.text.tokenizer import Tokenizer


def _set(words_in_a_row: str) -> frozenset[str]:
    return frozenset(words_in_a_row.split())


_KINDS = {"n": "noun", "v": "verb", "vn": "verb", "vi": "verb", "a": "adjective", "ad": "adjective", "an": "adjective"}
"""What may change, by jieba's tags, and only for its like: no names (nr, ns, nt, nz …), numbers, times, idioms."""
_DEGREE = _set("很 太 最 更 挺 极 颇 真 极其 相当 比较 格外 尤其 更加 稍微 有点 略微 愈加 越发 极为 颇为 较为")
_DEGREE_TAGS = ("d", "zg", "ad", "a", "l", "n")
_NAME_TAGS = re.compile("n[rstz].*")
_NEGATIONS = frozenset("不没沒无無非未别莫勿毋弗甭否")
_NEGATIVE_WORDS = _set("缺乏 缺少 拒绝 禁止 严禁 避免 防止 难以 停止 失去 反对 放弃 免除 除非 杜绝 拒不 切忌")
_NUMERALS = frozenset("零〇一二两三四五六七八九十百千万亿半几第数")
_NUMERAL_END = re.compile(rf".*[\d{''.join(sorted(_NUMERALS))}％%]", re.DOTALL)
_MEASURES = _set("小时 钟头 星期 礼拜 季度 世纪 学期 年级 月份 分钟 公里 公斤 单位 百分点")
_TITLES = re.compile("《[^《》]*》")
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]*[”’」』）)]*")
_LONGEST = 4
"""Characters of the longest word that is changed."""
_WIDTH = 8
"""Candidates for a word."""
_ROOM = 128
"""Tokens read at once: enough to choose a word, and a word's cost does not grow with the text."""
_ROWS = 32
_DEGREE_KIND = "degree"
_NO_WORD = "the text holds no word that may be changed"
_NO_CANDIDATE = "no change leaves the text similar enough"

States = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """How far a text is changed.

    Attributes:
        n_variants: most variants of a text.
        share: part of the words that may change that does, at least one.
        rounds: times that words are hidden; each time an equal part of those chosen, with the others in view.
        min_similarity: the lowest cosine between the encoder's mean states of text and variant.
        seed: chooses the words.
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
                bounds = "above 0, up to 1" if name == "share" else f"from {low} to {high}".replace(" to inf", " on")
                raise ConfigError(f"{name}: expected a value {bounds}, found {value}")


@dataclass(frozen=True)
class Word:
    """A word that may change: its characters, each a token, and the kind of word that may take its place."""

    start: int
    end: int
    kind: str


def changeable_words(text: str) -> list[Word]:
    """Return the nouns, verbs, adjectives and adverbs of degree that stand in jieba's dictionary and may change.

    No names and titles, and no nouns that go on with a name of a place or organisation; no numbers, what is counted
    or measured with them, and dates; nothing that holds a negation; no letters.
    """
    tagged = words.tagged_spans(text)
    titles = [found.span() for found in _TITLES.finditer(text)]
    found = []
    for place, (start, end, tag) in enumerate(tagged):
        kind = _kind(text[start:end], tag)
        in_title = any(first <= start < last for first, last in titles)
        if kind and not in_title and not _is_bound(text, tagged[:place][-2:], text[start:end]):
            found.append(Word(start, end, kind))
    return found


def _kind(word: str, tag: str) -> str:
    """Return the kind of a word that may change, or an empty string."""
    if not _is_free(word):
        return ""
    if word in _DEGREE and tag in _DEGREE_TAGS:
        return _DEGREE_KIND
    is_usable = 2 <= len(word) <= _LONGEST and words.is_word(word) and not _starts_bound(word)
    return _KINDS.get(tag, "") if is_usable else ""


def _starts_bound(word: str) -> bool:
    """Tell whether a word starts with a numeral or a name, as 两本书 and 北京烤鸭 do, which jieba holds for nouns."""
    names = (words.part_of_speech(word[:end]) for end in range(2, len(word)))
    return word[0] in _NUMERALS or any(map(_NAME_TAGS.fullmatch, names))


def _is_free(word: str) -> bool:
    is_chinese = all("\u4e00" <= character <= "\u9fff" for character in word)
    return is_chinese and not _NEGATIONS.intersection(word) and word not in _NEGATIVE_WORDS


def _is_bound(text: str, before: Sequence[tuple[int, int, str]], word: str) -> bool:
    """Tell whether a word belongs to the name or number before it, as 政府 in 上海政府 and 小时 in 三个小时."""
    if not before:
        return False
    start, end, tag = before[-1]
    if _NAME_TAGS.fullmatch(tag):
        return tag[:2] != "nr" or end - start == 1
    if tag in {"m", "mq"} and _NUMERAL_END.fullmatch(text[start:end]):
        return True
    counted = tag in {"m", "mq"} or (tag == "q" and len(before) == 2 and before[0][2] == "m")
    return counted and word in _MEASURES


@dataclass(frozen=True)
class _Slot:
    """Where a word that may change stands: in which window, and where its first token is in that window's ids."""

    word: Word
    window: int
    first: int

    @property
    def places(self) -> tuple[int, ...]:
        return tuple(range(self.first, self.first + self.word.end - self.word.start))


@dataclass(frozen=True, eq=False)
class _Text:
    """A text as it is read: each window's ids from [CLS] to [SEP], and mean states <float32>[windows, width]."""

    text: str
    windows: list[Ids]
    slots: list[_Slot]
    states: States


@dataclass(frozen=True)
class _Change:
    word: Word
    new: str
    log_prob: float


class Rewriter:
    """Makes variants of texts: call it with one text or with several."""

    def __init__(self, model: nn.Layer, tokenizer: Tokenizer) -> None:
        """Take a `MaskedLanguageModel`, which is put into evaluation mode, and its tokenizer."""
        self.model, self.tokenizer, self.scorer = model, tokenizer, MaskScorer(model, tokenizer)
        self.scorer.allowed &= np.array([len(entry) == 1 and _is_free(entry) for entry in tokenizer.vocabulary])
        self._tokens = np.flatnonzero(self.scorer.allowed)
        self._characters = [tokenizer.vocabulary[token] for token in self._tokens.tolist()]

    def __call__(self, texts: str | Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Return variants of each text, the most probable first.

        A word gives way to the most probable other one of its length that stands in jieba's dictionary, is of its
        kind and leaves the text similar enough; when there is none, to another string of as many characters. What an
        earlier variant has put there comes last. A long text is read in windows of sentences; its similarity is the
        lowest of a window's.

        Args:
            texts: one text or several; one result does not depend on the others.
            **options: fields of `Options`.

        Returns:
            For each text ``{"input", "variants": [{"text", "marked", "changes": [{"start", "end", "old", "new"}],
            "similarity", "score"}]}``. ``marked`` shows changes as ``[-old-]{+new+}``; ranges are in characters, in
            the text and in the variant alike; ``score`` is the mean log-probability of a new token, rated as in
            `MaskScorer.fill` among all Chinese characters but negations. A text without variants stands as its only
            one, and ``note`` says why.

        Raises:
            ConfigError: an option is out of its range.
        """
        chosen = Options(**options)
        return [self._rewrite(text, chosen) for text in ([texts] if isinstance(texts, str) else texts)]

    def _rewrite(self, text: str, options: Options) -> dict[str, Any]:
        read = self._read(text)
        used: dict[Word, set[str]] = defaultdict(set)
        variants: dict[str, dict[str, Any]] = {}
        for attempt in range(2 * options.n_variants if read.slots else 0):
            draft = _Draft(self, read, options, used)
            draft.change(np.random.default_rng([options.seed, attempt]))
            if draft.changes:
                variant = _record(text, draft.changes, min(draft.similarities))
                variants.setdefault(variant["text"], variant)
            if len(variants) == options.n_variants:
                break
        if not variants:
            note = _NO_CANDIDATE if read.slots else _NO_WORD
            return {"input": text, "variants": [_record(text, [], 1.0)], "note": note}
        return {"input": text, "variants": sorted(variants.values(), key=lambda found: -found["score"])}

    def _read(self, text: str) -> _Text:
        encoded = self.tokenizer.encode([text], max_length=4 * len(text) + 2)[0]
        ids, offsets = encoded.input_ids.astype(np.int64), encoded.offsets[1:-1]
        windows = list(_windows(text, offsets[:, 0], min(self.scorer.room or _ROOM, _ROOM) - 2))
        changeable = {word.start: word for word in changeable_words(text)}
        slots = [
            _Slot(changeable[int(offsets[place, 0])], number, place - first + 1)
            for number, (first, last) in enumerate(windows)
            for place in range(first, last)
            if (word := changeable.get(int(offsets[place, 0])))
            and self._is_whole(word, ids[place + 1 : last + 1], offsets[place:last])
        ]
        rows = [np.concatenate([ids[:1], ids[first + 1 : last + 1], ids[-1:]]) for first, last in windows]
        return _Text(text, rows, slots, self.states(rows) if slots else np.zeros((0, 0), np.float32))

    def _is_whole(self, word: Word, ids: Ids, offsets: npt.NDArray[np.int32]) -> bool:
        """Tell whether each character of a word is a token that the vocabulary knows, in this window."""
        edges = np.arange(word.start, word.end)
        expected = np.stack([edges, edges + 1], axis=1)
        return np.array_equal(offsets[: len(edges)], expected) and self.tokenizer.unk_id not in ids[: len(edges)]

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def states(self, rows: Sequence[Ids]) -> States:
        """Return the encoder's mean states of some windows: <float32>[rows, width]."""
        found = []
        for start in range(0, len(rows), _ROWS):
            ids, lengths = padded(rows[start : start + _ROWS], self.tokenizer.pad_id)
            tensors = [paddle.to_tensor(values) for values in (ids, np.zeros_like(ids), lengths)]
            states, first = self.model.encoder(*tensors)
            found.append(pool("mean", states, first, tensors[2]).numpy())
        return np.concatenate(found)

    def continuing(self, tokens: Sequence[int]) -> Ids:
        """Return the tokens with which a word of the dictionary goes on after some others: <int64>[n], rising."""
        return self._tokens[words.can_follow(self.spell(tokens), self._characters)]

    def spell(self, tokens: Sequence[int]) -> str:
        """Return the characters of some tokens."""
        return "".join(self.tokenizer.vocabulary[token] for token in tokens)


class _Draft:
    """A variant on its way.

    Attributes:
        windows: the ids now.
        similarities: of each window, now.
        changes: made so far, in the text's order.
    """

    def __init__(self, tools: Rewriter, read: _Text, options: Options, used: dict[Word, set[str]]) -> None:
        self._tools, self._read, self._options, self._used = tools, read, options, used
        self.windows, self.similarities = list(read.windows), [1.0] * len(read.windows)
        self.changes: list[_Change] = []

    def change(self, generator: np.random.Generator) -> None:
        """Choose words and refill them, round by round."""
        slots, share = self._read.slots, self._options.share
        chosen = generator.permutation(len(slots))[: max(1, round(share * len(slots)))]
        for group in np.array_split(chosen, min(self._options.rounds, len(chosen))):
            hidden = [slots[place] for place in sorted(group.tolist())]
            for place, slot in enumerate(hidden):
                self._refill(slot, self._hide(hidden[place:], slot))
        self.changes.sort(key=lambda change: change.word.start)
        for change in self.changes:
            self._used[change.word].add(change.new)

    def _hide(self, hidden: Sequence[_Slot], first: _Slot) -> Masked:
        ids = self.windows[first.window].copy()
        ids[[place for slot in hidden if slot.window == first.window for place in slot.places]] = (
            self._tools.tokenizer.mask_id
        )
        return Masked(ids, first.places)

    def _refill(self, slot: _Slot, masked: Masked) -> None:
        """Put the first candidate there that leaves the window similar enough, if any does: most often the first."""
        for candidate in self._candidates(slot, masked):
            ids = Masked(self.windows[slot.window], slot.places).filled(candidate.tokens)
            similarity = _cosine(self._tools.states([ids])[0], self._read.states[slot.window])
            if similarity >= self._options.min_similarity:
                new = self._tools.spell(candidate.tokens)
                self.changes.append(_Change(slot.word, new, candidate.log_prob))
                self.windows[slot.window], self.similarities[slot.window] = ids, similarity
                return

    def _candidates(self, slot: _Slot, masked: Masked) -> Iterator[Filling]:
        """Yield candidates: words of the dictionary, then what else there may be; of each what was used comes last."""
        for suits in (_same_kind, _any_kind):
            found = self._tools.scorer.fill([masked], _WIDTH, self._grow(slot.word, suits))[0]
            yield from sorted(found, key=lambda filling: self._tools.spell(filling.tokens) in self._used[slot.word])

    def _grow(self, word: Word, suits: Callable[[str, str], bool]) -> Grow:
        """Return what lengthens the beginning of a candidate by characters that may stand there."""
        tools, old = self._tools, self._read.text[word.start : word.end]

        def accept(tokens: Tokens) -> bool:
            new = tools.spell(tokens)
            return len(new) < len(old) or (new != old and suits(new, word.kind) and _is_free(new))

        def grow(start: Filling, scores: Scores) -> Iterator[Filling]:
            among = tools.continuing(start.tokens) if suits is _same_kind else None
            return grown(start, scores, _WIDTH, accept, among)

        return grow


def _same_kind(new: str, kind: str) -> bool:
    if kind == _DEGREE_KIND or new in _DEGREE:
        return kind == _DEGREE_KIND and new in _DEGREE
    return _KINDS.get(words.part_of_speech(new)) == kind and not _starts_bound(new)


def _any_kind(new: str, kind: str) -> bool:
    """Tell whether a string may stand for a word of that kind when no word does: no name and no number."""
    return kind != _DEGREE_KIND and new not in _DEGREE and words.part_of_speech(new) in {"", *_KINDS}


def _cosine(one: States, other: States) -> float:
    return float(one @ other / np.maximum(np.linalg.norm(one) * np.linalg.norm(other), 1e-12))


def _windows(text: str, starts: npt.NDArray[np.int32], room: int) -> Iterator[tuple[int, int]]:
    """Yield half-open ranges of at most ``room`` tokens: as many sentences as fit, or parts of a longer one.

    Args:
        text: the text.
        starts: <int32>[tokens], the first character of each token.
        room: most tokens of a range.
    """
    first = last = 0
    for sentence_end in np.searchsorted(starts, [found.end() for found in _SENTENCE.finditer(text)]).tolist():
        if sentence_end - first > room and last > first:
            yield first, last
            first = last
        while sentence_end - first > room:
            yield first, first + room
            first += room
        last = sentence_end
    if last > first:
        yield first, last


def _record(text: str, changes: Sequence[_Change], similarity: float) -> dict[str, Any]:
    """Return a variant as it is written down."""
    written, marked, at = "", "", 0
    for change in changes:
        kept, old = text[at : change.word.start], text[change.word.start : change.word.end]
        written, marked = f"{written}{kept}{change.new}", f"{marked}{kept}[-{old}-]{{+{change.new}+}}"
        at = change.word.end
    ranges = [
        {"start": word.start, "end": word.end, "old": text[word.start : word.end], "new": change.new}
        for change in changes
        for word in [change.word]
    ]
    n_tokens = sum(len(change.new) for change in changes)
    score = sum(change.log_prob for change in changes) / n_tokens if n_tokens else 0.0
    variant = {"text": written + text[at:], "marked": marked + text[at:], "changes": ranges}
    return {**variant, "similarity": float(similarity), "score": float(score)}
