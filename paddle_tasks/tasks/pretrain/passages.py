"""Documents as passages of tokens, which the masked language model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.data.batching.token_cache import cached_encodings, cached_word_starts, cached_word_vectors
from paddle_tasks.data.corpus.documents import Document
from paddle_tasks.data.corpus.passages import (
    CLOSING,
    SENTENCE_ENDS,
    Flags,
    Ids,
    Ints,
    Passages,
    cut_rows,
    sentence_starts,
    strip_special_tokens,
)
from paddle_tasks.tasks.pretrain.section import PretrainingConfig, max_passage_length
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.word_vectors import WordVectors


@dataclass(frozen=True)
class PassageForm:
    """What passages are made for.

    Attributes:
        pairs: next-sentence prediction, which needs room for a second [SEP].
        words: hiding whole words instead of characters.
        vectors: the loss over word vectors.
    """

    pairs: bool = False
    words: bool = False
    vectors: bool = False


@dataclass(frozen=True)
class PassageBuilder:
    """Encodes documents and cuts them into passages."""

    tokenizer: Tokenizer
    config: PretrainingConfig

    def build(self, documents: Sequence[Document], form: PassageForm) -> Passages:
        """Return the passages of documents, none of which spans two documents."""
        lines = [line for document in documents for line in document.lines]
        packed = cached_encodings(self.tokenizer, lines, max_length=max(3, 2 + max(map(len, lines), default=0)))
        ids, counts = strip_special_tokens(packed)
        line_starts = np.cumsum(counts) - counts
        document_of_line = np.repeat(np.arange(len(documents)), [len(document.lines) for document in documents])
        lengths = np.bincount(document_of_line, weights=counts, minlength=len(documents)).astype(np.int64)
        starts, ends, numbers = cut_rows(lengths, max_passage_length(self.config, pairs=form.pairs))
        entries = np.array(self.tokenizer.vocabulary)
        every_token = np.ones(len(ids), bool)
        needs_words = form.words or form.vectors
        starts_word = cached_word_starts(self.tokenizer, lines, ids, counts) if needs_words else every_token
        return Passages(
            ids=ids,
            unit_starts=starts_word if form.words else every_token,
            sentences=sentence_starts(ids, line_starts, np.isin(entries, SENTENCE_ENDS), np.isin(entries, CLOSING)),
            starts=starts,
            ends=ends,
            documents=numbers,
            pairs=form.pairs,
            words=self._word_vectors(ids, starts_word, counts) if form.vectors else None,
        )

    def _word_vectors(self, ids: Ids, starts: Flags, counts: Ints) -> WordVectors:
        lines = np.repeat(np.arange(len(counts)), counts)
        size = self.config.model.hidden_size // 2
        return cached_word_vectors(ids, starts, lines, len(self.tokenizer), size=size, seed=self.config.seed)
