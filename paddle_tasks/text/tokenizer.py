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
from tokenizers import models, pre_tokenizers, processors

from paddle_tasks.errors import ConfigError, DataError, join_alternatives, shorten
from paddle_tasks.files import read_json_object, write_json, write_text
from paddle_tasks.language import _, join
from paddle_tasks.text.characters import Speller, Tokens, include_marks
from paddle_tasks.text.packing import PackedIds, assemble, fit_lengths
from paddle_tasks.text.vocabulary import (
    MAX_WORD_LENGTH,
    SPECIAL_TOKENS,
    bert_normalizer,
    check_vocabulary,
    learn_vocabulary,
    read_vocabulary,
    replace_surrogates,
)
from paddle_tasks.text.word_table import WordTable

__all__ = ["SPECIAL_TOKENS", "Encoded", "Tokenizer", "learn_vocabulary"]

_VOCABULARY, _SETTINGS, _ADDED = "vocab.txt", "tokenizer_config.json", "added_tokens.json"
LIBRARY_FILE = "tokenizer.json"
"""The file of the `tokenizers` library."""
# PaddleNLP and Hugging Face both write "cls_token": "[CLS]" and so on.
_TOKEN_SETTINGS = {f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS}
CHUNK_SIZE = 1000
"""Texts passed to the library at once; its encoding of a long text takes some hundred kilobytes."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """The encoding of a text or of a pair of texts.

    Attributes:
        input_ids: ``<int32>[length]``, from [CLS] to the last [SEP].
        token_type_ids: ``<int32>[length]``; 0 in the first text, 1 in the second.
        offsets: ``<int32>[length, 2]``, half-open character ranges in the text that the token comes from; (0, 0) for
            the added [CLS] and [SEP].
    """

    input_ids: npt.NDArray[np.int32]
    token_type_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]


class Tokenizer:
    """BERT's tokenizer: cleaning, splitting into words, and greedy longest-match word pieces.

    A special token written in a text, such as ``[MASK]``, is encoded as that token. Using an instance never changes
    its results: threads may share it, and it can be pickled.

    Source: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3; `google-research/bert/tokenization.py`.

    Attributes:
        vocabulary: the entries; an entry's index is its id.
        lowercase: whether texts are lower-cased and stripped of accents.
        fingerprint: SHA-256 of vocabulary and settings; tokenizers with equal fingerprints give equal ids.
    """

    def __init__(self, vocabulary: Sequence[str], *, lowercase: bool = True) -> None:
        """Build the tokenizer.

        Raises:
            DataError: a special token is missing, or an entry is repeated or contains a line break.
        """
        check_vocabulary(vocabulary)
        self.vocabulary, self.lowercase = list(vocabulary), lowercase
        ids = {token: index for index, token in enumerate(self.vocabulary)}
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[token] for token in SPECIAL_TOKENS)
        settings = json.dumps(["bert-wordpiece", {"lowercase": lowercase}, self.vocabulary])
        self.fingerprint = hashlib.sha256(settings.encode()).hexdigest()
        self._library = build_library(ids, lowercase)

    def __getstate__(self) -> dict[str, Any]:
        # These are large, and quickly rebuilt.
        return {name: value for name, value in self.__dict__.items() if name not in ("word_table", "_speller")}

    @cached_property
    def word_table(self) -> WordTable:
        """The look-up table behind `encode_packed`."""
        # Two threads may build one each; the tables are equal, and the last one is kept.
        return WordTable(self._library, {token: index for index, token in enumerate(self.vocabulary)}, self.unk_id)

    @cached_property
    def _speller(self) -> Speller:
        ids = {token: index for index, token in enumerate(self.vocabulary)}
        return Speller(ids, self.unk_id, self._library.normalizer.normalize_str)

    def __len__(self) -> int:
        return len(self.vocabulary)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read ``vocab.txt`` and, if present, ``tokenizer_config.json`` as written by PaddleNLP and Hugging Face.

        Raises:
            SetupError: the folder or its ``vocab.txt`` is missing.
            DataError: a file is invalid, or has settings with which this tokenizer would give wrong ids.
        """
        vocabulary = read_vocabulary(folder / _VOCABULARY)
        settings = _read_json(folder / _SETTINGS)
        lowercase = settings.get("do_lower_case", True)
        _check_settings(folder / _SETTINGS, settings, lowercase)
        _check_added_tokens(folder, settings)
        return cls(vocabulary, lowercase=bool(lowercase))

    def save(self, folder: Path) -> None:
        """Write the files read by `load` and by ``from_pretrained`` of PaddleNLP's BERT and ERNIE tokenizers."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"do_lower_case": self.lowercase, "strip_accents": None, "tokenize_chinese_chars": True}
        write_json(folder / _SETTINGS, {**settings, **_TOKEN_SETTINGS, "tokenizer_class": "BertTokenizer"})
        write_text(folder / _VOCABULARY, "".join(f"{token}\n" for token in self.vocabulary))

    def save_library(self, folder: Path) -> None:
        """Write a file that the `tokenizers` library reads; it adds [CLS] and [SEP] and truncates nothing."""
        library = build_library({token: index for index, token in enumerate(self.vocabulary)}, self.lowercase)
        special = [("[CLS]", self.cls_id), ("[SEP]", self.sep_id)]
        library.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
        )
        library.save(str(folder / LIBRARY_FILE))

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int) -> list[Encoded]:
        """Encode texts as ``[CLS] a [SEP]``, or pairs of texts as ``[CLS] a [SEP] b [SEP]``.

        Long texts are truncated at the end, pairs as in `fit_lengths` (like BertTokenizerFast).

        Args:
            texts: the first texts.
            pairs: the second texts, one for each text; an empty one is still a text, followed by its own [SEP].
            max_length: the maximum number of tokens of an encoding, including special tokens.

        Raises:
            ConfigError: ``max_length`` leaves no room for the special tokens.
            TypeError: ``texts`` is a single text instead of a sequence of texts.
            ValueError: the numbers of texts and second texts differ.
        """
        _check_texts(texts, pairs, max_length)
        if pairs is None:
            return [self._assemble([(text, max_length - 2)]) for text in self._split(texts)]
        split_pairs = zip(self._split(texts), self._split(pairs), strict=True)
        return [self._assemble_pair(first, second, max_length - 3) for first, second in split_pairs]

    def encode_packed(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int) -> PackedIds:
        """Encode texts, or pairs of texts, into arrays: the ids and token types of `encode`, many times faster.

        Arguments and errors are the same as for `encode`.
        """
        _check_texts(texts, pairs, max_length)
        parts = [self.word_table.split(part) for part in (texts, pairs) if part is not None]
        return assemble(parts, max_length, self.cls_id, self.sep_id)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each whole text, without special tokens."""
        max_length = 4 * max(map(len, texts), default=0) + 2  # no character becomes more than four tokens
        lengths: list[int] = self.encode_packed(texts, max_length=max_length).lengths.tolist()
        return [length - 2 for length in lengths]

    def tokens(self, texts: Sequence[str], *, by_character: bool = True) -> list[Tokens]:
        """Return the complete tokens of texts with their offsets and without special tokens, for tagging spans.

        The end of a token is extended over marks without a token of their own, such as an emoji's selector.

        Args:
            texts: the texts.
            by_character: whether each visible character becomes a token (Hangul: several), with ``##`` for Latin
                letters and digits inside a word. Any span of visible characters then consists of whole tokens.
                Otherwise the tokens are the same as in `encode`, and spans that start or end inside one are inexact.
        """
        _check_texts(texts, None, 2)
        tokens_of_texts = []
        for text, split in zip(texts, self._split(texts), strict=True):
            tokens = Tokens(np.array(split.ids, np.int32), np.array(split.offsets, np.int32).reshape(-1, 2))
            if by_character:
                is_inside = np.array([token.startswith("##") for token in split.tokens], bool)
                tokens = self._speller.spell(text, tokens, is_inside)
            tokens_of_texts.append(include_marks(text, tokens))
        return tokens_of_texts

    def _split(self, texts: Sequence[str]) -> Iterator[tokenizers.Encoding]:
        # The library is not used for truncation: there it is a mutable setting of the tokenizer object, and changing
        # it while another thread encodes raises "Already borrowed".
        for start in range(0, len(texts), CHUNK_SIZE):
            chunk = [replace_surrogates(text) for text in texts[start : start + CHUNK_SIZE]]
            yield from self._library.encode_batch(chunk, add_special_tokens=False)

    def _assemble_pair(self, first: tokenizers.Encoding, second: tokenizers.Encoding, max_tokens: int) -> Encoded:
        kept = fit_lengths([np.array([len(first)]), np.array([len(second)])], max_tokens)
        return self._assemble([(part, int(n_kept[0])) for part, n_kept in zip((first, second), kept, strict=True)])

    def _assemble(self, parts: Sequence[tuple[tokenizers.Encoding, int]]) -> Encoded:
        ids, types, offsets = [self.cls_id], [0], [(0, 0)]
        for segment, (part, n_kept) in enumerate(parts):
            ids += [*part.ids[:n_kept], self.sep_id]
            offsets += [*part.offsets[:n_kept], (0, 0)]
            types += [segment] * (len(ids) - len(types))
        return Encoded(np.array(ids, np.int32), np.array(types, np.int32), np.array(offsets, np.int32))


def build_library(ids: dict[str, int], lowercase: bool) -> tokenizers.Tokenizer:
    """Return the tokenizer of the `tokenizers` library for a vocabulary."""
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_LENGTH)
    library = tokenizers.Tokenizer(model)
    library.normalizer = bert_normalizer(lowercase)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.add_special_tokens(list(SPECIAL_TOKENS))
    return library


def _check_texts(texts: Sequence[str], pairs: Sequence[str] | None, max_length: int) -> None:
    if isinstance(texts, str) or isinstance(pairs, str):
        raise TypeError("expected a sequence of texts, found a single text")
    if pairs is not None and len(pairs) != len(texts):
        raise ValueError(f"expected as many second texts as texts, found {len(pairs)} for {len(texts)}")
    n_special, form = (2, "[CLS] … [SEP]") if pairs is None else (3, "[CLS] … [SEP] … [SEP]")
    if max_length < n_special:
        message = _("max_length: expected at least {count} for {form}, found {found}")
        raise ConfigError(message.format(count=n_special, form=form, found=max_length))


def _read_json(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}


def _check_settings(path: Path, settings: dict[str, Any], lowercase: bool) -> None:
    """Refuse settings that would change the ids: a tokenizer that almost fits the model is worse than an error."""
    usable: dict[str, tuple[Any, ...]] = {
        "do_lower_case": (True, False),
        "do_basic_tokenize": (True,),
        "tokenize_chinese_chars": (True,),
        "strip_accents": (None, lowercase),
        "never_split": (None, []),
        **{name: (token,) for name, token in _TOKEN_SETTINGS.items()},
    }
    for name, values in usable.items():
        value = _content(settings[name]) if name in settings else values[0]
        if value not in values:
            expected = join_alternatives([repr(one) for one in values])
            message = _("{file}: {name} is {value}, expected {expected}")
            found = shorten(repr(value), 40)
            raise DataError(message.format(file=path, name=name, value=found, expected=expected))


def _check_added_tokens(folder: Path, settings: dict[str, Any]) -> None:
    keys = ("added_tokens_decoder", "additional_special_tokens")
    added = {str(_content(token)) for key in keys for token in _listed(settings.get(key))}
    others = sorted({*added, *_read_json(folder / _ADDED)} - set(SPECIAL_TOKENS))
    if others:
        message = _("{folder}: tokens added to the vocabulary are not supported, found {tokens}")
        raise DataError(message.format(folder=folder, tokens=join([repr(shorten(token, 40)) for token in others[:5]])))


def _listed(tokens: Any) -> list[Any]:
    """Return the tokens of a setting: an object of tokens by id, a list, one token, or nothing."""
    if isinstance(tokens, dict):
        return list(tokens.values())
    return tokens if isinstance(tokens, list) else [] if tokens is None else [tokens]


def _content(token: Any) -> Any:
    """Return the text of a token, which Hugging Face may wrap as ``{"content": "[CLS]", …}``."""
    return token.get("content") if isinstance(token, dict) else token
