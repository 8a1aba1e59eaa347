"""Long texts: what kind of app is described? CLUE's IFLYTEK, whose texts may be longer than an encoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from paddle import nn
from pydantic import NonNegativeInt, PositiveInt

from paddle_tasks.data.batching.token_cache import encoded
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.errors import ConfigError
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.heads import Head
from paddle_tasks.models.long_text import LongTextClassifier, WindowPooling, Windows
from paddle_tasks.tasks.classification.section import ClassificationConfig, ClassifierSection
from paddle_tasks.tasks.classification.task import TextClassification
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.truncation import Method, Truncation, truncated

_N_SPECIAL = 2  # [CLS] and [SEP]


class LongTextData(DataSection):
    """The ``data`` section, and what is kept of a text of more than `training.max_length` tokens.

    ``truncation`` keeps the ``head``, the ``tail``, a quarter of head and the rest of tail (``head_tail``), or all in
    ``windows`` of that length, each of which begins with the last ``window_overlap`` tokens of the one before. Of a
    text with more than ``max_windows`` the first ones are kept.
    """

    truncation: Method = "head"
    window_overlap: NonNegativeInt = 0
    max_windows: PositiveInt | None = 16


class LongTextModel(ClassifierSection):
    """The ``model`` section, and how the vectors of a text's windows become one."""

    head: Head = "course"
    window_pooling: WindowPooling = "mean"


class LongTextConfig(ClassificationConfig):
    """The whole configuration of the task."""

    data: LongTextData
    model: LongTextModel


class Task(TextClassification):
    """One of many classes for one long text, by `LongTextClassifier`."""

    Config: ClassVar[type[ClassificationConfig]] = LongTextConfig
    Model: ClassVar[type[nn.Layer]] = LongTextClassifier

    config: LongTextConfig

    def read(self) -> None:
        """See `TextClassification.read`; the windows have to go on."""
        data, room = self.config.data, self.config.training.max_length - _N_SPECIAL
        if self._has_windows and data.window_overlap >= room:
            raise ConfigError(
                f"data.window_overlap: {data.window_overlap} is not less than the {room} tokens of a window, which are "
                f"training.max_length without [CLS] and [SEP]"
            )
        super().read()

    @property
    def _has_windows(self) -> bool:
        return self.config.data.truncation == "windows"

    def _encode(self, texts: Sequence[str]) -> PackedIds:
        data, tokenizer = self.config.data, self.tokenizer
        whole = encoded(tokenizer, texts, max_length=max(map(len, texts), default=0) + _N_SPECIAL)
        cut = Truncation(data.truncation, data.window_overlap, data.max_windows)
        most = self.config.training.max_length
        return truncated(whole, cut, max_length=most, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id)

    def _most_tokens(self, batch_size: int, given: int | None) -> int | None:
        """Bound the tokens of all windows of a batch; as many as rows of one window could have when not told."""
        return given or (batch_size * self.config.training.max_length if self._has_windows else None)

    def _layer(self, encoder: Encoder) -> nn.Layer:
        windows = Windows(self.config.training.max_length, self.config.model.window_pooling)
        return self.Model(encoder, n_classes=len(self.labels), windows=windows, **self._parts())
