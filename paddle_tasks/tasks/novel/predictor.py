"""Continuing texts without Paddle, with a causal model on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paddle_tasks.config import Section, validate
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.novels import Spelling
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.files import read_json_object
from paddle_tasks.generation.decoding import TextStream
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.paddle_free.causal_lm import CausalWriter, Shape
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.tasks.novel.continuing import WRITING_OPTIONS, Continuer, display_outputs
from paddle_tasks.tasks.novel.exported_writers import SHAPE_FILE, network_writer
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import Record, RecordFormat

_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class TextWriter:
    """Continues texts; see `paddle_tasks.tasks.PaddleFreePredictor`.

    Attributes:
        continuer: the model with its characters.
        generation: how it continues a text if it is not told otherwise.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = FIELDS
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = WRITING_OPTIONS
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]] = ()
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {}

    continuer: Continuer
    generation: GenerationSection

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any], *, bfloat16: bool) -> TextWriter | None:
        """Return the predictor of a model folder; None if only Paddle can compute or check the model.

        Args:
            folder: the model folder.
            settings: its settings.
            bfloat16: is not used: for a few rows the products in float32 are as fast.
        """
        del bfloat16
        section, weights = settings["config"]["model"], folder / _WEIGHTS
        if section.get("architecture") != "gpt" or not weights.is_file():
            return None
        try:
            vocabulary = CharacterVocabulary(list(settings["characters"]))
            arrays = tensors.read(weights)
            shape = Shape(int(section["n_heads"]), section["n_frequent"], section["encoder"] == "transformer")
            writer = CausalWriter(arrays, shape, vocabulary.start_id)
            continuer, generation = _continuer(writer, vocabulary, settings)
        except (ConfigError, LookupError, ValueError, TypeError):  # Paddle's path says what is wrong with the folder
            return None
        if len(arrays["words.weight"]) != len(vocabulary):
            return None
        return cls(continuer, generation)

    @classmethod
    def load_exported(cls, folder: Path, settings: Mapping[str, Any], networks: Networks) -> TextWriter:
        """Return the predictor of an exported folder."""
        vocabulary = CharacterVocabulary(list(settings["characters"]))
        shape = read_json_object(folder / SHAPE_FILE, CheckpointError)["layers_heads_size"]
        return cls(*_continuer(network_writer(settings, shape, networks, vocabulary), vocabulary, settings))

    def predict(self, texts: Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Return the records that `NovelTask.predict` returns; ``options`` are any of `GenerationSection`."""
        return self.continuer.records(texts, self.generation.replace(options))

    def stream(self, text: str, **options: Any) -> TextStream:
        """Return an iterator over the characters that continue a text; the arguments are those of `predict`."""
        return self.continuer.stream(text, self.generation.replace(options))

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the text with each of its continuations."""
        return display_outputs(record)


def _continuer(
    model: NextTokenModel, vocabulary: CharacterVocabulary, settings: Mapping[str, Any]
) -> tuple[Continuer, GenerationSection]:
    """Return what continues texts with a model, and how if it is not told otherwise."""
    config = settings["config"]
    spelling = validate(_pick(config["data"], Spelling), Spelling, "data")
    return Continuer(model, vocabulary, spelling), validate(config["generation"], GenerationSection, "generation")


def _pick(tree: Mapping[str, Any], section: type[Section]) -> dict[str, Any]:
    """Return the keys of a section that others belong to as well."""
    return {name: tree[name] for name in section.model_fields}
