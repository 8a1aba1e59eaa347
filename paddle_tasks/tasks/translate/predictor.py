"""Translating texts without Paddle, with a model on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paddle_tasks.config import validate
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.parallel.pairs import FIELDS
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.decoding import TextStream
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.paddle_free.encoder_decoder import SourceTranslator
from paddle_tasks.models.paddle_free.recurrent_decoder import RecurrentShape
from paddle_tasks.models.paddle_free.transformer_decoder import DecoderShape
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.tasks.translate.exported_writers import network_translator
from paddle_tasks.tasks.translate.panels import ATTENTION
from paddle_tasks.tasks.translate.section import TranslateModel
from paddle_tasks.tasks.translate.translating import (
    TRANSLATING_OPTIONS,
    Translator,
    decoding_options,
    display_translations,
)
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import Record, RecordFormat

_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class TextTranslator:
    """Translates texts; see `paddle_tasks.tasks.PaddleFreePredictor`.

    Attributes:
        translator: the model with its characters.
        generation: how it translates a text if it is not told otherwise.
    """

    FIELDS: ClassVar[tuple[str, ...]] = FIELDS
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = FIELDS[:1]
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain", *TRANSLATING_OPTIONS)
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]] = ()
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"explain": ATTENTION}

    translator: Translator
    generation: GenerationSection

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any], *, bfloat16: bool) -> TextTranslator | None:
        """Return the predictor of a model folder; None if only Paddle can check the model.

        Args:
            folder: the model folder.
            settings: its settings.
            bfloat16: is not used: for a few rows the products in float32 are as fast.
        """
        del bfloat16
        config, weights = settings["config"], folder / _WEIGHTS
        if not weights.is_file():
            return None
        try:
            vocabulary = CharacterVocabulary(list(settings["characters"]))
            arrays = tensors.read(weights)
            shape = _shape(validate(config["model"], TranslateModel, "model"), vocabulary.start_id)
            generation = validate(config["generation"], GenerationSection, "generation")
        except (ConfigError, LookupError, ValueError, TypeError):  # Paddle's path says what is wrong with the folder
            return None
        if len(arrays["words.weight"]) != len(vocabulary):
            return None
        return cls(Translator(SourceTranslator(arrays, shape), vocabulary), generation)

    @classmethod
    def load_exported(cls, folder: Path, settings: Mapping[str, Any], networks: Networks) -> TextTranslator:
        """Return the predictor of an exported folder."""
        del folder
        config, vocabulary = settings["config"], CharacterVocabulary(list(settings["characters"]))
        section = validate(config["model"], TranslateModel, "model")
        generation = validate(config["generation"], GenerationSection, "generation")
        return cls(Translator(network_translator(section, networks, vocabulary), vocabulary), generation)

    def predict(self, texts: Sequence[str], *, explain: bool | None = None, **options: Any) -> list[dict[str, Any]]:
        """Return the records that `TranslateTask.predict` returns; ``options`` are any of `GenerationSection`."""
        return self.translator.records(texts, decoding_options(self.generation, options), explain=bool(explain))

    def stream(self, text: str, **options: Any) -> TextStream:
        """Return an iterator over the characters that translate a text; the arguments are those of `predict`."""
        return self.translator.stream(text, decoding_options(self.generation, {"num_beams": 1, **options}))

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the text with each of its translations."""
        return display_translations(record)


def _shape(section: TranslateModel, start_id: int) -> RecurrentShape | DecoderShape:
    """Return what the tensors of a model do not tell."""
    if section.architecture == "rnn":
        return RecurrentShape(section.cell, section.attention, section.n_frequent, start_id)
    return DecoderShape(section.n_heads, section.n_frequent, section.activation, start_id)
