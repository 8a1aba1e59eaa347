"""BERT's WordPiece tokenizer from a vocab.txt: ids equal to PaddleNLP's BertTokenizerFast, offsets in characters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import models, pre_tokenizers

from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.files import write_json, write_text
from paddle_tasks.text.characters import Speller, Tokens, with_marks
from paddle_tasks.text.packing import PackedIds, assemble, shares
from paddle_tasks.text.vocabulary import (
    MAX_WORD_LENGTH,
    SPECIAL_TOKENS,
    bert_normalizer,
    check_vocabulary,
    learn_vocabulary,
    read_vocabulary,
    without_surrogates,
)
from paddle_tasks.text.word_table import WordTable

__all__ = ["SPECIAL_TOKENS", "Encoded", "Tokenizer", "learn_vocabulary"]

_VOCABULARY, _SETTINGS, _ADDED = "vocab.txt", "tokenizer_config.json", "added_tokens.json"
# Both write "cls_token": "[CLS]" and so on.
_TOKEN_SETTINGS = {f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS}
# Texts handed to the library at once: its own form of a long text takes some hundred kilobytes.
_CHUNK = 1000


@dataclass(frozen=True, eq=False)
class Encoded:
    """One text, or a pair of texts, as ids.

    Attributes:
        input_ids: ``<int32>[length]``, from [CLS] to the last [SEP].
        token_type_ids: ``<int32>[length]``; 0 in the first text, 1 in the second.
        offsets: ``<int32>[length, 2]``, half-open ranges of characters in the token's own text; (0, 0) for the
            [CLS] and [SEP] put round the texts.
    """

    input_ids: npt.NDArray[np.int32]
    token_type_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]


class Tokenizer:
    """Cleaning, splitting into words and greedy longest-match word pieces, as published with BERT.

    A special token that stands in a text is read as that token. What an instance gives is never changed by use:
    threads may share it, and it can be pickled.

    Source: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3; `google-research/bert/tokenization.py`.

    Attributes:
        vocabulary: the entries; an entry's place is its id.
        lowercase: whether texts are put in lower case and lose their accents.
        fingerprint: SHA-256 over vocabulary and settings; equal fingerprints give equal ids.
    """

    def __init__(self, vocabulary: Sequence[str], *, lowercase: bool = True) -> None:
        """Build the tokenizer.

        Raises:
            DataError: a special token is missing, an entry stands twice or holds a line break.
        """
        check_vocabulary(vocabulary)
        self.vocabulary, self.lowercase = list(vocabulary), lowercase
        ids = {token: place for place, token in enumerate(self.vocabulary)}
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[token] for token in SPECIAL_TOKENS)
        settings = json.dumps(["bert-wordpiece", {"lowercase": lowercase}, self.vocabulary])
        self.fingerprint = hashlib.sha256(settings.encode()).hexdigest()
        self._library = _build(ids, lowercase)

    def __getstate__(self) -> dict[str, Any]:
        # The tables are large and quickly made again.
        return {name: value for name, value in self.__dict__.items() if name not in ("_table", "_speller")}

    @cached_property
    def _table(self) -> WordTable:
        # Two threads may both make one, of which the last stays: they are equal.
        return WordTable(self._library, {token: place for place, token in enumerate(self.vocabulary)}, self.unk_id)

    @cached_property
    def _speller(self) -> Speller:
        ids = {token: place for place, token in enumerate(self.vocabulary)}
        return Speller(ids, self.unk_id, self._library.normalizer.normalize_str)

    def __len__(self) -> int:
        return len(self.vocabulary)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read ``vocab.txt`` and, when there, ``tokenizer_config.json``, as PaddleNLP and Hugging Face write them.

        Raises:
            SetupError: the folder or its ``vocab.txt`` is missing.
            DataError: a file is broken, or asks for something that would give other ids than this tokenizer's.
        """
        vocabulary = read_vocabulary(folder / _VOCABULARY)
        settings = _read_json(folder / _SETTINGS)
        lowercase = settings.get("do_lower_case", True)
        _check_settings(folder / _SETTINGS, settings, lowercase)
        _check_added_tokens(folder, settings)
        return cls(vocabulary, lowercase=bool(lowercase))

    def save(self, folder: Path) -> None:
        """Write the two files that `load` and ``from_pretrained`` of PaddleNLP's BERT and ERNIE tokenizers read."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"do_lower_case": self.lowercase, "strip_accents": None, "tokenize_chinese_chars": True}
        write_json(folder / _SETTINGS, {**settings, **_TOKEN_SETTINGS, "tokenizer_class": "BertTokenizer"})
        write_text(folder / _VOCABULARY, "".join(f"{token}\n" for token in self.vocabulary))

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int) -> list[Encoded]:
        """Encode texts as ``[CLS] a [SEP]``, or with their second texts as ``[CLS] a [SEP] b [SEP]``.

        What is too long loses its tail; of a pair, the longer text first, and an odd place is left to the longer
        (to the second when both are as long), as BertTokenizerFast does it.

        Args:
            texts: the first texts.
            pairs: for each text its second text; an empty one is still a text, with a [SEP] of its own.
            max_length: most tokens of an encoding, special tokens included.

        Raises:
            ConfigError: ``max_length`` leaves no room for the special tokens.
            TypeError: ``texts`` is one text instead of a sequence of texts.
            ValueError: there are more or fewer second texts than texts.
        """
        _check_texts(texts, pairs, max_length)
        if pairs is None:
            return [self._assemble([(text, max_length - 2)]) for text in self._split(texts)]
        both = zip(self._split(texts), self._split(pairs), strict=True)
        return [self._assemble_pair(first, second, max_length - 3) for first, second in both]

    def encode_packed(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int) -> PackedIds:
        """Encode texts, or pairs of texts, into arrays: the ids and token types of `encode`, many times faster.

        Args and errors are those of `encode`.
        """
        _check_texts(texts, pairs, max_length)
        parts = [self._table.split(part) for part in (texts, pairs) if part is not None]
        return assemble(parts, max_length, self.cls_id, self.sep_id)

    def tokens(self, texts: Sequence[str], *, by_character: bool = True) -> list[Tokens]:
        """Return the tokens of texts with their places, without special tokens and whole, for spans and their tags.

        A token's end takes in what hangs on it and has no token of its own, such as an emoji's selector.

        Args:
            texts: the texts.
            by_character: whether each visible character is a token (or, as Hangul, several) of its own, a Latin letter
                or digit inside a word in its ``##`` form, so that any span of visible characters has its own tokens.
                Else they are those of `encode`, and a span that begins or ends inside one cannot be told.
        """
        _check_texts(texts, None, 2)
        found = []
        for text, split in zip(texts, self._split(texts), strict=True):
            tokens = Tokens(np.array(split.ids, np.int32), np.array(split.offsets, np.int32).reshape(-1, 2))
            if by_character:
                is_inside = np.array([token.startswith("##") for token in split.tokens], bool)
                tokens = self._speller.spell(text, tokens, is_inside)
            found.append(with_marks(text, tokens))
        return found

    def _split(self, texts: Sequence[str]) -> Iterator[tokenizers.Encoding]:
        # Truncation is ours: the library's is a state of its object, and changing it while another thread
        # encodes raises "Already borrowed".
        for start in range(0, len(texts), _CHUNK):
            chunk = [without_surrogates(text) for text in texts[start : start + _CHUNK]]
            yield from self._library.encode_batch(chunk, add_special_tokens=False)

    def _assemble_pair(self, first: tokenizers.Encoding, second: tokenizers.Encoding, room: int) -> Encoded:
        kept = shares([np.array([len(first)]), np.array([len(second)])], room)
        return self._assemble([(part, int(number[0])) for part, number in zip((first, second), kept, strict=True)])

    def _assemble(self, parts: Sequence[tuple[tokenizers.Encoding, int]]) -> Encoded:
        ids, types, offsets = [self.cls_id], [0], [(0, 0)]
        for segment, (part, kept) in enumerate(parts):
            ids += [*part.ids[:kept], self.sep_id]
            offsets += [*part.offsets[:kept], (0, 0)]
            types += [segment] * (len(ids) - len(types))
        return Encoded(np.array(ids, np.int32), np.array(types, np.int32), np.array(offsets, np.int32))


def _build(ids: dict[str, int], lowercase: bool) -> tokenizers.Tokenizer:
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_LENGTH)
    library = tokenizers.Tokenizer(model)
    library.normalizer = bert_normalizer(lowercase)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.add_special_tokens(list(SPECIAL_TOKENS))
    return library


def _check_texts(texts: Sequence[str], pairs: Sequence[str] | None, max_length: int) -> None:
    if isinstance(texts, str) or isinstance(pairs, str):
        raise TypeError("encode expects a sequence of texts, found a single text")
    if pairs is not None and len(pairs) != len(texts):
        raise ValueError(f"encode expects as many second texts as texts, found {len(pairs)} for {len(texts)}")
    n_special, form = (2, "[CLS] … [SEP]") if pairs is None else (3, "[CLS] … [SEP] … [SEP]")
    if max_length < n_special:
        raise ConfigError(f"max_length: expected at least {n_special} for {form}, found {max_length}")


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found a {type(content).__name__}")
    return content


def _check_settings(path: Path, settings: dict[str, Any], lowercase: bool) -> None:
    """Refuse what would change the ids: better no tokenizer than one that is nearly the model's."""
    usable: dict[str, tuple[Any, ...]] = {
        "do_lower_case": (True, False),
        "do_basic_tokenize": (True,),
        "tokenize_chinese_chars": (True,),
        "strip_accents": (None, lowercase),
        "never_split": (None, []),
        **{name: (token,) for name, token in _TOKEN_SETTINGS.items()},
    }
    for name, values in usable.items():
        found = _content(settings[name]) if name in settings else values[0]
        if found not in values:
            raise DataError(f"{path}: {name} is {found!r}, expected {' or '.join(map(repr, values))}")


def _check_added_tokens(folder: Path, settings: dict[str, Any]) -> None:
    added = [_content(token) for token in (settings.get("added_tokens_decoder") or {}).values()]
    added += [_content(token) for token in settings.get("additional_special_tokens") or []]
    added += list(_read_json(folder / _ADDED))
    others = sorted({str(token) for token in added} - set(SPECIAL_TOKENS))
    if others:
        found = ", ".join(map(repr, others[:5]))
        raise DataError(f"{folder}: tokens added to the vocabulary cannot be used, found {found}")


def _content(token: Any) -> Any:
    """Return a token's text, which Hugging Face may wrap as ``{"content": "[CLS]", …}``."""
    return token.get("content") if isinstance(token, dict) else token
