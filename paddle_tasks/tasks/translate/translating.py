"""Translations as records, as lines for people, and as texts for VisualDL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.parallel_batches import pad_rows
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.continuation import Continuation
from paddle_tasks.generation.decoding import TextStream, generate
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.generation.section import BEAM_OPTIONS, GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary
from paddle_tasks.language import _
from paddle_tasks.tasks.translate.vocabulary import END, encode_source, special_ids
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.protocol import Record

TRANSLATING_OPTIONS = ("max_new_tokens", "num_beams", "length_penalty", "num_return_sequences", "temperature", "seed")
"""The options of decoding that `predict` declares; it takes all of `GenerationSection`."""
_ROWS_PER_BATCH = 256
"""Rows that are decoded together, beams included."""


class TranslationModel(Protocol):
    """Reads sources and makes decoders for them; `SourceTranslator` and `NetworkTranslator` are such."""

    @property
    def has_attention(self) -> bool:
        """Whether `attention` returns weights."""

    def writer(self, ids: Array, lengths: Array) -> NextTokenModel:
        """Return the decoder for padded sources <int64>[sources, length] of these lengths <int64>[sources]."""

    def attention(self, source: Array, target: Array) -> Array:
        """Return the attention <float32>[target length and 1, source length]; see `SourceTranslator.attention`."""


@dataclass(frozen=True)
class Translator:
    """Translates texts with a trained model.

    Attributes:
        model: the model.
        vocabulary: of both sides.
    """

    model: TranslationModel
    vocabulary: CharacterVocabulary

    def translate(
        self, texts: Sequence[str], options: GenerationSection, check_interrupt: Callable[[], None] = lambda: None
    ) -> list[list[Continuation]]:
        """Return the translations of each text, the best one first.

        Texts are sorted by length and decoded in batches; the translations of a text do not depend on the others.

        Args:
            texts: the texts; one without characters is refused.
            options: of decoding.
            check_interrupt: called before each batch.

        Raises:
            DataError: a text is empty.
        """
        sources = [encode_source(self.vocabulary, text) for text in texts]
        found: dict[int, list[Continuation]] = {}
        for rows in _batches(sources, max(1, _ROWS_PER_BATCH // max(options.num_beams, options.num_return_sequences))):
            check_interrupt()
            writer = self._writer([sources[row] for row in rows])
            found.update(zip(rows, generate(writer, [[]] * len(rows), self.outputs, options), strict=True))
        return [found[row] for row in range(len(texts))]

    def records(
        self, texts: Sequence[str], options: GenerationSection, *, explain: bool = False
    ) -> list[dict[str, Any]]:
        """Return a record for each text: its translations, the best one first, and why each of them ends.

        Args:
            texts: the texts.
            options: of decoding.
            explain: whether each translation has its attention: a row for each of its characters and its end, with a
                weight for each character of the text.

        Raises:
            ConfigError: the model has no attention to explain by.
        """
        if explain and not self.model.has_attention:
            raise ConfigError(
                _("explain: the model was trained with model.attention none, so that there are no weights")
            )
        found = zip(texts, self.translate(texts, options), strict=True)
        return [
            {"input": text, "outputs": [self._output(text, o, explain) for o in outputs]} for text, outputs in found
        ]

    def _output(self, text: str, output: Continuation, explain: bool) -> dict[str, Any]:
        record: dict[str, Any] = {"text": output.text, "score": output.score, "finish": output.finish}
        if explain:
            record["attention"] = self.attention(text, output.text).round(4).tolist()
        return record

    def stream(self, text: str, options: GenerationSection) -> TextStream:
        """Return an iterator over the characters that translate a text."""
        source = encode_source(self.vocabulary, text)
        return TextStream(self._writer([source]), [], self.outputs, options)

    @cached_property
    def outputs(self) -> OutputVocabulary:
        """What decoding knows of the vocabulary."""
        texts = tuple("" if text == END else text for text in ("", *self.vocabulary.characters))
        unknown, end = self.vocabulary.unknown_id, special_ids(self.vocabulary).end
        return OutputVocabulary(texts, lambda text: self.vocabulary.encode(text).tolist(), (unknown,), (end,))

    def attention(self, source: str, target: str) -> Array:
        """Return the attention <float32>[target characters and end, source characters] of a pair."""
        return self.model.attention(encode_source(self.vocabulary, source), self.vocabulary.encode(target))

    def _writer(self, sources: Sequence[Array]) -> NextTokenModel:
        return self.model.writer(*pad_rows(sources, self.vocabulary.pad_id))


def decoding_options(generation: GenerationSection, given: Mapping[str, Any]) -> GenerationSection:
    """Return how texts are translated.

    Args:
        generation: the configuration's.
        given: options that replace it, if they are not None. Greedy decoding has no settings of beams.
    """
    greedy = BEAM_OPTIONS if given.get("num_beams") == 1 else {}
    return generation.replace({**greedy, **given})


def _batches(sources: Sequence[Array], size: int) -> Iterator[list[int]]:
    """Yield the numbers of sources of similar lengths."""
    order = np.argsort([-len(source) for source in sources], kind="stable").tolist()
    for start in range(0, len(order), size):
        yield order[start : start + size]


def display_translations(record: Record) -> Sequence[Line]:
    """Return a record as lines: the input, and each translation, numbered if there are several."""
    outputs = record["outputs"]
    numbers = [f"{number}: " for number in range(1, len(outputs) + 1)] if len(outputs) > 1 else [""]
    translated = [[Segment(number), Segment(o["text"], tone="new")] for number, o in zip(numbers, outputs, strict=True)]
    return [[Segment(record["input"])], *translated]
