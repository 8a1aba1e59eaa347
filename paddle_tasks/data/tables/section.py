"""The ``data:`` section of a configuration: files, layout, folds and vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WrapValidator, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from paddle_tasks.config import Count, Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.folds import Part
from paddle_tasks.data.tables.readers import Format, Layout
from paddle_tasks.data.tables.sources import Source, resolve_source
from paddle_tasks.data.tables.splits import source_sha256
from paddle_tasks.data.tables.text_files import no_text_encoding
from paddle_tasks.data.tables.text_lines import is_text_encoding
from paddle_tasks.language import _
from paddle_tasks.text.vocabulary import SPECIAL_TOKENS

Label = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""A label; a YAML integer such as ``0`` is read as the text ``"0"``."""


def require_distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels, or raise pydantic's error when one of them is repeated."""
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("distinct", _("expected each label once"))
    return labels


DistinctLabels = Annotated[tuple[Label, ...], AfterValidator(require_distinct)]


def _column(value: Any, validate: Callable[[Any], str | int]) -> str | int:
    try:
        return validate(value)
    except ValidationError:  # its message lists each type of the union separately
        message = _("expected a name or a position, as in data.columns.text=1")
        raise PydanticCustomError("column", message) from None


class LayoutSection(Section):
    """The layout of data files, and what to do with rows that cannot be used.

    ``label_names`` maps labels to names. It is a mapping or a file: a table or JSON lines with ``label`` and ``name``
    (or ``label_desc``), or a text whose lines are the names of labels 0, 1, 2 and so on. Rows may then hold either the
    label or its name, and predictions have both. Unless ``labels`` is given, the keys of ``label_names`` are the
    labels. ``label_map`` maps labels of the files to labels of the task, as in ``{"1": positive, "0": negative}``;
    other labels stay as they are.
    """

    format: Format | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    columns: dict[str, Annotated[str | int, WrapValidator(_column)]] | None = None
    labels: DistinctLabels | None = None
    label_names: str | dict[Label, str] | None = None
    label_map: dict[Label, Label] | None = None
    on_bad_row: Literal["stop", "skip"] = "stop"

    @field_validator("encoding")
    @classmethod
    def _is_of_texts(cls, value: str) -> str:
        if not is_text_encoding(value):
            raise PydanticCustomError("encoding", no_text_encoding(value).replace("{", "{{").replace("}", "}}"))
        return value

    @property
    def layout(self) -> Layout:
        """The layout, for the readers."""
        return Layout(self.format, self.encoding, self.header, self.columns)


class VocabularySection(Section):
    """How the vocabulary of an encoder trained from scratch is built from train; a pretrained encoder has its own.

    Characters that occur in train fewer than ``min_count`` times become [UNK], so that [UNK] is trained too. For
    English, set ``min_word_count``: words that occur at least so often are entries. ``rare_words`` says what
    happens to the other words: they are spelt in ``characters``, or each is ``unknown``, one [UNK].
    """

    min_count: Count = 2
    min_word_count: Count | None = None
    rare_words: Literal["characters", "unknown"] = "characters"
    max_size: Annotated[Count, Field(gt=len(SPECIAL_TOKENS))] | None = None
    lowercase: bool = True

    @field_validator("rare_words")
    @classmethod
    def _needs_words(cls, value: str, info: ValidationInfo) -> str:
        if value == "unknown" and info.data.get("min_word_count", 0) is None:
            raise PydanticCustomError("words", _("expected characters, or a data.vocabulary.min_word_count too"))
        return value


class SplitsSection(Section):
    """A path or catalogue name for each split.

    With ``folds``, ``dev`` is left out, and fold number ``fold`` of the train file becomes dev
    (`paddle_tasks.data.tables.folds`).
    """

    train: str
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    fold: Annotated[int | None, Field(ge=0, validate_default=True)] = None
    dev: Annotated[str | None, Field(validate_default=True)] = None
    test: str | None = None

    @field_validator("fold")
    @classmethod
    def _is_a_fold(cls, value: int | None, info: ValidationInfo) -> int | None:
        folds = info.data.get("folds")
        if value is not None and folds is None and "folds" in info.data:  # an invalid data.folds has its own message
            raise PydanticCustomError("fold", _("expected data.folds too, the number of folds"))
        if folds is not None and (value is None or value >= folds):
            message = _("expected the number of one of the {folds} folds, 0 to {last}")
            raise PydanticCustomError("fold", message, {"folds": folds, "last": folds - 1})
        return value

    @field_validator("dev")
    @classmethod
    def _is_one_dev(cls, value: str | None, info: ValidationInfo) -> str | None:
        has_folds = info.data.get("folds") is not None
        if value is not None and has_folds:
            raise PydanticCustomError("dev", _("expected null beside data.folds, which makes a fold of train dev"))
        if value is None and not has_folds and "folds" in info.data:
            raise PydanticCustomError("dev", _("expected a file, or data.folds, which makes a fold of train dev"))
        return value

    def has(self, name: SplitName) -> bool:
        """Return whether the configuration has this split."""
        return bool(self.folds) if name == "dev" and self.dev is None else getattr(self, name) is not None

    def source(self, name: SplitName, seed: int) -> Source:
        """Return the source of a split for which `has` is true.

        Args:
            name: the split.
            seed: the seed that assigns texts to ``folds``.
        """
        if self.folds and self.fold is not None and name != "test":
            part = Part(self.folds, self.fold, seed, held_out=name == "dev")
            return Source(self.train, "train", part, reports_bad_rows=not part.held_out)
        sources: dict[SplitName, str] = {"train": self.train, "dev": self.dev or self.train}
        return self._source_without_folds(name, {**sources, "test": self.test or self.train})

    def _source_without_folds(self, name: SplitName, sources: Mapping[SplitName, str]) -> Source:
        """Return the source of a split if no folds are configured, or of test."""
        return Source(sources[name], name)

    def split_sha256(self, name: SplitName, seed: int) -> str | None:
        """Return the SHA-256 that identifies the rows of a split; None if it is unknown before they are read."""
        del name, seed
        return None


class DataSection(SplitsSection, LayoutSection):
    """The ``data`` section of the classifiers: the files of each split, their layout, and the vocabulary."""

    vocabulary: VocabularySection = VocabularySection()

    def split_sha256(self, name: SplitName, seed: int) -> str | None:
        """Return the SHA-256 that identifies the rows of a split."""
        return source_sha256(self.source(name, seed), self.layout)

    def _source_without_folds(self, name: SplitName, sources: Mapping[SplitName, str]) -> Source:
        return resolve_source(name, sources, self.layout)
