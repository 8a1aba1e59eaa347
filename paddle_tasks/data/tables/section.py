"""The `data:` section of a configuration: the files, how they are laid out, folds and vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    ValidationError,
    WrapValidator,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from paddle_tasks.config import Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.folds import Part
from paddle_tasks.data.tables.readers import Format, Layout
from paddle_tasks.data.tables.sources import Source, published
from paddle_tasks.text.vocabulary import SPECIAL_TOKENS

Label = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""A label's name; YAML's plain ``0`` and ``1`` are taken as names too."""


def require_distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels, or raise pydantic's error when one of them is repeated."""
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("distinct", "expected each label once")
    return labels


DistinctLabels = Annotated[tuple[Label, ...], AfterValidator(require_distinct)]


def _column(value: Any, validate: Callable[[Any], str | int]) -> str | int:
    try:
        return validate(value)
    except ValidationError:  # which would complain of each type by itself
        raise PydanticCustomError("column", "expected a name or a position, as in data.columns.text=1") from None


class LayoutSection(Section):
    """How data files are laid out, and what to do with rows that cannot be used.

    ``label_names`` gives labels that are numbers their names, as a mapping or a file: JSON lines with ``label`` and
    ``label_desc``, or a text whose lines are the names of 0, 1, 2 and so on. Rows may then hold either, predictions
    have both, and without ``labels`` these are the labels.
    """

    format: Format | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    columns: dict[str, Annotated[str | int, WrapValidator(_column)]] | None = None
    labels: DistinctLabels | None = None
    label_names: str | dict[Label, str] | None = None
    on_bad_row: Literal["stop", "skip"] = "stop"

    @property
    def layout(self) -> Layout:
        """How the files are laid out, for the readers."""
        return Layout(self.format, self.encoding, self.header, self.columns)


class VocabularySection(Section):
    """What an encoder from scratch learns as its vocabulary, from train alone; a pretrained one brings its own.

    What occurs in train only ``min_count`` - 1 times becomes [UNK], so that [UNK] is trained too. English wants
    ``min_word_count``, from which a word is an entry of its own; ``rare_words`` says whether the others are spelt in
    ``characters`` or are ``unknown``, one [UNK] each.
    """

    min_count: PositiveInt = 2
    min_word_count: PositiveInt | None = None
    rare_words: Literal["characters", "unknown"] = "characters"
    max_size: Annotated[int, Field(gt=len(SPECIAL_TOKENS))] | None = None
    lowercase: bool = True

    @field_validator("rare_words")
    @classmethod
    def _needs_words(cls, value: str, info: ValidationInfo) -> str:
        if value == "unknown" and info.data.get("min_word_count", 0) is None:
            raise PydanticCustomError("words", "expected characters, or a data.vocabulary.min_word_count too")
        return value


class SplitsSection(Section):
    """A path or catalogue name for each split.

    With ``folds``, fold number ``fold`` of the train file is dev (`paddle_tasks.data.tables.folds`), and ``dev`` is left out.
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
        if value is not None and folds is None and "folds" in info.data:  # else it is wrong itself
            raise PydanticCustomError("fold", "expected data.folds too, the number of folds")
        if folds is not None and (value is None or value >= folds):
            raise PydanticCustomError("fold", f"expected the number of one of the {folds} folds, 0 to {folds - 1}")
        return value

    @field_validator("dev")
    @classmethod
    def _is_one_dev(cls, value: str | None, info: ValidationInfo) -> str | None:
        has_folds = info.data.get("folds") is not None
        if value is not None and has_folds:
            raise PydanticCustomError("dev", "expected null beside data.folds, which makes a fold of train dev")
        if value is None and not has_folds and "folds" in info.data:
            raise PydanticCustomError("dev", "expected a file, or data.folds, which makes a fold of train dev")
        return value

    def has(self, name: SplitName) -> bool:
        """Tell whether there is such a split."""
        return bool(self.folds) if name == "dev" and self.dev is None else getattr(self, name) is not None

    def source(self, name: SplitName, seed: int) -> Source:
        """Return where a split is; `has` tells whether it is anywhere.

        Args:
            name: the split.
            seed: shuffles the texts that ``folds`` deals.
        """
        if self.folds and self.fold is not None and name != "test":
            part = Part(self.folds, self.fold, seed, held_out=name == "dev")
            return Source(self.train, "train", part, tells_bad_rows=not part.held_out)
        sources: dict[SplitName, str] = {"train": self.train, "dev": self.dev or self.train}
        return self._published(name, {**sources, "test": self.test or self.train})

    def _published(self, name: SplitName, sources: Mapping[SplitName, str]) -> Source:
        """Return where a split is that no folds make."""
        return Source(sources[name], name)


class DataSection(SplitsSection, LayoutSection):
    """The ``data`` section: a path or catalogue name for each split, and how the files are laid out."""

    vocabulary: VocabularySection = VocabularySection()

    def _published(self, name: SplitName, sources: Mapping[SplitName, str]) -> Source:
        return published(name, sources, self.layout)
