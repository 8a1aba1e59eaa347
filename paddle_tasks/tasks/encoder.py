"""What tasks with a tokenizer and an encoder share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from paddle import nn
from paddlenlp.datasets import MapDataset

from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.tables.section import VocabularySection
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, in_context
from paddle_tasks.models.encoders.build import SCRATCH, Encoder, EncoderSection, build_encoder
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.models.pretrained.saving import load_encoder, load_state, save_pretrained
from paddle_tasks.tasks.base import BaseTask
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.vocabulary import learn_vocabulary
from paddle_tasks.training.settings import RunSection, TextTrainingSection

N_SPECIAL_TOKENS = 2
"""[CLS] and [SEP]."""

CLASSIFIER_DEFAULTS: Mapping[str, Any] = {
    "training.loss": {
        "label_smoothing": 0.0,
        "class_weights": None,
        "focal_gamma": 0.0,
        "r_drop": 0.0,
        "teachers": [],
        "teacher_weight": 0.5,
    },
    "training.cache_frozen": True,
}
"""Settings of classifiers that older versions wrote for every task, with their defaults."""


class EncoderConfig(RunSection):
    """The configuration of a task over an encoder."""

    model: EncoderSection
    training: TextTrainingSection = TextTrainingSection()


class FeatureCache:
    """The features of splits, computed once for all evaluations."""

    def __init__(self) -> None:
        self._datasets: dict[tuple[Any, ...], MapDataset] = {}

    def of(self, split: Split[Any], compute: Callable[[Sequence[Any]], Any], *variant: Any) -> MapDataset:
        """Return a split's features.

        Args:
            split: the split; its SHA-256 identifies it.
            compute: turns examples into features, which are ``MapDataset.new_data``.
            variant: distinguishes several kinds of features of one split.
        """
        key = (split.sha256, *variant)
        if key not in self._datasets:
            self._datasets[key] = MapDataset(list(split.examples)).map(compute, batched=True)
        return self._datasets[key]


E = TypeVar("E", bound=EncoderConfig)


class EncoderTask(BaseTask[E]):
    """A task with a tokenizer and an encoder.

    Attributes:
        tokenizer: turns texts into ids; known once the data has been read or a model has been loaded.
        features: the features of the splits.
    """

    tokenizer: Tokenizer

    def __init__(self, config: E) -> None:
        super().__init__(config)
        self.features = FeatureCache()

    # ---- reading

    def read(self) -> None:
        """Read and check data, labels, vocabulary and the encoder's name; write nothing."""
        self.check_settings()
        encoder = self.config.model.encoder
        source = None if encoder in SCRATCH else resolve(encoder)
        self.read_splits()
        self.tokenizer = self.learn_tokenizer() if source is None else Tokenizer.load(tokenizer_folder(source))
        self.prepare()

    def check_settings(self) -> None:
        """Check what the configuration alone can show to be wrong.

        Raises:
            ConfigError: settings do not fit together.
        """

    @abstractmethod
    def read_splits(self) -> None:
        """Read train, dev and, if there is one, test."""

    @abstractmethod
    def learn_tokenizer(self) -> Tokenizer:
        """Return a tokenizer whose vocabulary is learnt from train, for an encoder that is trained from scratch."""

    @property
    def by_character(self) -> bool:
        """Whether each visible character of a text becomes a token; see `Tokenizer.tokens`."""
        return False

    @property
    def max_tokens(self) -> int:
        """The maximum number of tokens of an input without [CLS] and [SEP]."""
        return self.config.training.max_length - N_SPECIAL_TOKENS

    @property
    def max_text_tokens(self) -> int | None:
        """The maximum number of tokens of a text that `predict` reads; None if it reads a text of any length whole."""
        return self.max_tokens

    def find_truncated(self, texts: Sequence[str]) -> list[bool]:
        """Return for each text whether `predict` reads only a part of it."""
        if self.max_text_tokens is None:
            return [False] * len(texts)
        max_length = self.max_text_tokens + N_SPECIAL_TOKENS
        return [length > max_length for length in self.input_lengths(texts)]

    def input_lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each whole input, with [CLS] and [SEP]."""
        return [count + N_SPECIAL_TOKENS for count in self.count_tokens(texts)]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each whole text, without [CLS] and [SEP]."""
        return self.tokenizer.count_tokens(texts)

    # ---- batches

    @cached_property
    def train_sampler(self) -> LengthGroupedBatchSampler:
        """Decides which train rows make a batch."""
        training = self.config.training
        max_tokens = self.token_limit(training.batch_size, training.max_tokens_per_batch)
        return LengthGroupedBatchSampler(self.train_lengths, training.batch_size, self.config.seed, max_tokens)

    def token_limit(self, batch_size: int, max_tokens: int | None) -> int | None:
        """Return the token limit of a batch of ``batch_size`` rows if ``max_tokens`` is set; None is no limit."""
        del batch_size
        return max_tokens

    # ---- the model

    def build_model(self) -> nn.Layer:
        """Return the Layer over its encoder, pretrained or from scratch."""
        model = self.new_model()
        if self.config.training.recompute:
            model.encoder.recompute()
        return model

    def new_model(self) -> nn.Layer:
        """Return the Layer over its encoder."""
        section = self.config.model
        if section.encoder in SCRATCH:
            return self.model_over(build_encoder(section, len(self.tokenizer), self.tokenizer.pad_id))
        return self.model_over(load_pretrained(section.encoder))

    def model_over(self, encoder: Encoder) -> nn.Layer:
        """Return the Layer over an encoder, once it is certain that the encoder can read the inputs."""
        self.check_max_length(encoder)
        return self.build_layer(encoder)

    def check_max_length(self, encoder: Encoder) -> None:
        """Raise when the inputs may be longer than the encoder reads."""
        max_length = self.config.training.max_length
        if encoder.max_length is not None and max_length > encoder.max_length:
            raise ConfigError(
                _("training.max_length: {length} is more than the {limit} tokens that {encoder} reads").format(
                    length=max_length, limit=encoder.max_length, encoder=self.config.model.encoder
                )
            )

    @abstractmethod
    def build_layer(self, encoder: Encoder) -> nn.Layer:
        """Return the task's Layer over an encoder."""

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer, and what `settings` returns beside the configuration."""
        save_pretrained(model, folder)
        self.tokenizer.save(folder)
        self.write_settings(folder)

    def load_model(self, folder: Path) -> nn.Layer:
        """Return the model of a folder that `save_model` wrote."""
        model = self.model_over(load_encoder(folder))
        load_state(model, folder)
        return model

    @classmethod
    def restore(cls, folder: Path) -> Any:
        """Return the task of a model folder or an exported one, with its tokenizer and without its model."""
        task = super().restore(folder)
        task.tokenizer = Tokenizer.load(folder)
        return task

    @classmethod
    def write_export(cls, source: Path, folder: Path) -> None:
        """Write the tokenizer, also as the file of the `tokenizers` library."""
        del cls
        tokenizer = Tokenizer.load(source)
        tokenizer.save(folder)
        tokenizer.save_library(folder)

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings that a model card names."""
        training = config["training"]
        return {
            _("tokens a batch"): training["max_tokens_per_batch"],
            _("rows a batch"): training["batch_size"],
            in_context("setting", "length"): training["max_length"],
        }


def learn_tokenizer(section: VocabularySection, texts: Iterable[str]) -> Tokenizer:
    """Return a tokenizer whose vocabulary is learnt from texts, by the settings of ``data.vocabulary``."""
    vocabulary = learn_vocabulary(
        texts,
        min_count=section.min_count,
        max_size=section.max_size,
        lowercase=section.lowercase,
        min_word_count=section.min_word_count,
        spell_rare_words=section.rare_words == "characters",
    )
    return Tokenizer(vocabulary, lowercase=section.lowercase)
