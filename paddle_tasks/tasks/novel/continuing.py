"""Continuations of texts as records, as lines for people, and as texts for VisualDL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.novels import Spelling, write_text
from paddle_tasks.generation.decoding import TextStream, generate
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.protocol import Record

WRITING_OPTIONS = (
    "max_new_tokens",
    "top_k",
    "top_p",
    "min_p",
    "temperature",
    "repetition_penalty",
    "no_repeat_window",
    "num_beams",
    "num_return_sequences",
    "seed",
)
"""The options of decoding that `predict` declares; it takes all of `GenerationSection`."""


@dataclass(frozen=True)
class Continuer:
    """Continues texts with a language model.

    Attributes:
        model: rates the next character.
        vocabulary: its characters.
        spelling: how texts are written.
    """

    model: NextTokenModel
    vocabulary: CharacterVocabulary
    spelling: Spelling

    def records(self, texts: Sequence[str], options: GenerationSection) -> list[dict[str, Any]]:
        """Return a record for each text: its outputs, the best one first, and why each of them ends."""
        if not texts:
            return []
        found = generate(self.model, [self._encode(text) for text in texts], self._outputs, options)
        return [
            {"input": text, "outputs": [{"text": o.text, "score": o.score, "finish": o.finish} for o in outputs]}
            for text, outputs in zip(texts, found, strict=True)
        ]

    def stream(self, text: str, options: GenerationSection) -> TextStream:
        """Return an iterator over the characters that continue a text."""
        return TextStream(self.model, self._encode(text), self._outputs, options)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.vocabulary.encode(write_text(text, self.spelling)).tolist()
        return ids

    @property
    def _outputs(self) -> OutputVocabulary:
        texts = ("", *self.vocabulary.characters)
        unknown = self.vocabulary.unknown_id
        return OutputVocabulary(texts, lambda text: self.vocabulary.encode(text).tolist(), forbidden=(unknown,))


def display_outputs(record: Record) -> Sequence[Line]:
    """Return a record as lines: each output after its input, numbered if there are several."""
    outputs = record["outputs"]
    numbers = [f"{number}: " for number in range(1, len(outputs) + 1)] if len(outputs) > 1 else [""]
    return [
        line
        for number, output in zip(numbers, outputs, strict=True)
        for line in _paragraphs([Segment(number + record["input"]), Segment(output["text"], tone="new")])
    ]


def _paragraphs(segments: Sequence[Segment]) -> list[Line]:
    """Return segments as a line for each of their paragraphs."""
    lines: list[list[Segment]] = [[]]
    for segment in segments:
        first, *others = segment.text.split("\n")
        lines[-1].append(replace(segment, text=first))
        lines += [[replace(segment, text=text)] for text in others]
    return list(lines)


def sample_texts(records: Sequence[Record]) -> dict[str, str]:
    """Return the continuations of fixed prompts, as texts by tag."""
    return {
        f"continuation_{number}": f"{record['input']} ‖ {record['outputs'][0]['text']}"
        for number, record in enumerate(records, start=1)
    }
