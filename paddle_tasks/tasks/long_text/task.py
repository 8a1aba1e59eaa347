"""Long texts: what kind of app is described? CLUE's IFLYTEK, whose texts may be longer than an encoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from paddle import nn

from paddle_tasks.config import Count, CountOrZero
from paddle_tasks.data.batching.token_cache import cached_encodings
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.graphs.windows import window_logits
from paddle_tasks.models.heads import Head
from paddle_tasks.models.long_text import LongTextClassifier, WindowPooling, WindowSettings
from paddle_tasks.tasks.classification.exported import LogitsGraph
from paddle_tasks.tasks.classification.section import ClassificationConfig, ClassifierSection
from paddle_tasks.tasks.classification.task import ClassifierTask
from paddle_tasks.tasks.encoder import N_SPECIAL_TOKENS
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.truncation import Method, Truncation, truncate


class LongTextData(DataSection):
    """The ``data`` section, and what is kept of a text of more than ``training.max_length`` tokens.

    ``truncation`` keeps the ``head``, the ``tail``, one quarter from the head and the rest from the tail
    (``head_tail``), or everything in ``windows`` of that length. Each window begins with the last ``window_overlap``
    tokens of the one before. If a text has more than ``max_windows``, the first ones are kept.
    """

    truncation: Method = "head"
    window_overlap: CountOrZero = 0
    max_windows: Count | None = 16


class LongTextModel(ClassifierSection):
    """The ``model`` section, and how the vectors of a text's windows become one vector."""

    head: Head = "course"
    window_pooling: WindowPooling = "mean"


class LongTextConfig(ClassificationConfig):
    """The whole configuration of the task."""

    data: LongTextData
    model: LongTextModel


class LongTextTask(ClassifierTask[LongTextConfig]):
    """One of many classes for one long text, by `LongTextClassifier`."""

    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ()  # explanations do not know windows
    Config: ClassVar[type[ClassificationConfig]] = LongTextConfig
    Model: ClassVar[type[nn.Layer]] = LongTextClassifier
    GRAPH: ClassVar[LogitsGraph] = staticmethod(window_logits)

    def check_settings(self) -> None:
        """Check that each window begins after the one before, and what every classifier checks."""
        super().check_settings()
        overlap = self.config.data.window_overlap
        if self._has_windows and overlap >= self.max_tokens:
            raise ConfigError(
                _(
                    "data.window_overlap: {overlap} is not less than the {limit} tokens of a window "
                    "(training.max_length without [CLS] and [SEP])"
                ).format(overlap=overlap, limit=self.max_tokens)
            )

    @property
    def _has_windows(self) -> bool:
        return self.config.data.truncation == "windows"

    @property
    def max_text_tokens(self) -> int | None:
        """The tokens of all windows together, or of one input."""
        data = self.config.data
        if not self._has_windows:
            return self.max_tokens
        step = self.max_tokens - data.window_overlap
        return None if data.max_windows is None else self.max_tokens + (data.max_windows - 1) * step

    def encode(self, texts: Sequence[str]) -> PackedIds:
        """Return what the model reads of each text, one window after another."""
        data, tokenizer = self.config.data, self.tokenizer
        whole = cached_encodings(tokenizer, texts, max_length=max(map(len, texts), default=0) + N_SPECIAL_TOKENS)
        truncation = Truncation(data.truncation, data.window_overlap, data.max_windows)
        max_length = self.config.training.max_length
        return truncate(whole, truncation, max_length=max_length, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id)

    def token_limit(self, batch_size: int, max_tokens: int | None) -> int | None:
        """Return the limit over all windows of a batch; by default the tokens of ``batch_size`` rows of one window."""
        return max_tokens or (batch_size * self.config.training.max_length if self._has_windows else None)

    @staticmethod
    def export_script() -> str:
        """Return the name of the script for long texts."""
        return "long_texts"

    def build_layer(self, encoder: Encoder) -> nn.Layer:
        """Return the Layer over an encoder."""
        windows = WindowSettings(self.config.training.max_length, self.config.model.window_pooling)
        return self.Model(encoder, n_classes=len(self.labels), windows=windows, **self.layer_settings())
