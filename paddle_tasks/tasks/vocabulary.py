"""The tokenizer of an encoder trained from scratch, which learns its vocabulary from the train split alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from paddle_tasks.data.tables.section import VocabularySection
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.vocabulary import learn_vocabulary


class _HasText(Protocol):
    @property
    def text(self) -> str:
        """The text."""


def learn_tokenizer(section: VocabularySection, train: Sequence[_HasText]) -> Tokenizer:
    """Return the tokenizer whose vocabulary `data.vocabulary` asks for."""
    vocabulary = learn_vocabulary(
        (example.text for example in train),
        min_count=section.min_count,
        max_size=section.max_size,
        lowercase=section.lowercase,
        min_word_count=section.min_word_count,
        spell_rare_words=section.rare_words == "characters",
    )
    return Tokenizer(vocabulary, lowercase=section.lowercase)
