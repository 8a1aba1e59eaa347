"""Labelled rows: their format, the splits and labels of a run, and their data check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.pairs.text_pairs import parse_labelled_pair, split_pair
from paddle_tasks.data.tables import checks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.label_names import accept_label_names, check_label_names, map_labels, read_label_names
from paddle_tasks.data.tables.remarks import find_suspicious
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.section import DataSection, LayoutSection
from paddle_tasks.data.tables.sources import resolve_source
from paddle_tasks.data.tables.splits import (
    LabelledText,
    Split,
    load_split,
    ordered_labels,
    parse_labelled_text,
    require_good,
)
from paddle_tasks.errors import ConfigError, DataError, did_you_mean, join_names
from paddle_tasks.language import _, mark


class ParseRow(Protocol):
    """Turns a row into an example whose label is one of ``labels``; None accepts any label."""

    def __call__(self, row: Row, labels: Sequence[str] | None = None) -> LabelledText:
        """Return the example, or raise DataError with the reason why the row cannot be used."""


@dataclass(frozen=True)
class RowFormat:
    """What a row of labelled data holds.

    Attributes:
        fields: the fields of a row.
        parse: turns a row into an example.
        texts: returns the text of an example, or the two texts of a pair.
        n_labels: the number of labels that the task needs; None for two or more.
        wrong_number: the message about another number, with ``{expected}`` and ``{found}``.
    """

    fields: tuple[str, ...]
    parse: ParseRow
    texts: Callable[[LabelledText], tuple[str, ...]]
    n_labels: int | None = None
    wrong_number: str = ""


def _single_text(example: LabelledText) -> tuple[str, ...]:
    return (example.text,)


def _two_texts(example: LabelledText) -> tuple[str, ...]:
    return split_pair(example.text)


_TWO_LABELS = mark("data.labels: a pair is similar or not, expected {expected} labels, found {found}")
SINGLE_TEXT = RowFormat(("text", "label"), parse_labelled_text, _single_text)
TEXT_PAIR = RowFormat(("text_a", "text_b", "label"), parse_labelled_pair, _two_texts, 2, _TWO_LABELS)


class LabelledData:
    """The splits of a run and their labels.

    Attributes:
        splits: those that have been read.
        labels: in the order of the model's logits.
        label_names: the names of labels that are numbers; empty if they have none.
    """

    def __init__(self, section: DataSection, seed: int, row_format: RowFormat) -> None:
        self.section, self.seed, self.format = section, seed, row_format
        self.splits: dict[SplitName, Split[LabelledText]] = {}
        self.labels: tuple[str, ...] = ()
        self.label_names: Mapping[str, str] = {}

    def read(self) -> None:
        """Read and check the splits and their labels.

        Raises:
            UserError: a file cannot be used, or there are too few labels.
        """
        self.label_names = read_label_names(self.section.label_names)
        self.labels = self.section.labels or tuple(self.label_names)
        train = self.load_split("train")
        # A fold comes from the same file as train, so its labels count too: a rare label may occur in that fold alone.
        folds = [self.load_split("dev")] if self.section.folds else []
        self.labels = self.labels or ordered_labels(train, *folds)
        if len(self.labels) < 2:
            raise ConfigError(
                _("data.labels: a classifier needs two labels or more, found {found}").format(found=list(self.labels))
            )
        if not folds:
            self.load_split("dev")
        if self.section.has("test"):
            self.load_split("test")
        self._check_number()
        if not self.section.labels:
            check_label_names(self.section.label_names, _occurring(self.splits.values()))

    def _check_number(self) -> None:
        if self.format.n_labels is not None and len(self.labels) != self.format.n_labels:
            message = _(self.format.wrong_number)
            raise ConfigError(message.format(expected=self.format.n_labels, found=list(self.labels)))

    def load_split(self, name: SplitName, source: str | None = None) -> Split[LabelledText]:
        """Read the configuration's file of a split, or another file, and keep it in `splits`.

        Raises:
            DataError: the file cannot be used.
        """
        path = self.section.source(name, self.seed) if source is None else source
        section = self.section
        labels = section.labels or self.labels or None
        parse = map_labels(
            accept_label_names(partial(self.format.parse, labels=labels), self.label_names), section.label_map
        )
        known = {*self.labels, *self.label_names.values(), *(section.label_map or ())}
        layout = replace(section.layout, known_labels=known)
        split = load_split(name, path, layout, self.format.fields, parse)
        self.splits[name] = require_good(split, section.on_bad_row)
        return split

    def use_section(self, section: DataSection) -> None:
        """Read files as another section says from now on; the labels stay those of the model.

        Raises:
            ConfigError: the section names a label that the model does not have.
            DataError: the file of ``label_names`` cannot be read.
        """
        names = self.label_names
        if section.label_names != self.section.label_names:
            names = read_label_names(section.label_names)
        given = {"labels": section.labels or (), "label_names": names, "label_map": (section.label_map or {}).values()}
        for key, labels in given.items():
            unknown = next((label for label in labels if label not in self.labels), None)
            if unknown is not None:
                near = did_you_mean(unknown, self.labels)
                raise ConfigError(
                    _("data.{key}: the model has no label {label!r}{near} (one of {known})").format(
                        key=key, label=unknown, near=near, known=join_names(self.labels)
                    )
                )
        self.section, self.label_names = section, names

    def label_indices(self, examples: Sequence[LabelledText]) -> Array:
        """Return the index of each example's label <int64>[rows]; 0 for an unknown label."""
        index = {label: number for number, label in enumerate(self.labels)}
        return np.array([index.get(example.label, 0) for example in examples], dtype=np.int64)

    def train_labels(self) -> Array:
        """Return the index of the label of each train row <int64>[rows].

        Raises:
            DataError: all rows have the same label; a linear model can learn nothing from them.
        """
        train = self.splits["train"]
        labels = self.label_indices(train.examples)
        if len(set(labels.tolist())) < 2:
            only = self.labels[labels[0]]
            raise DataError(
                _("data.train: {path}: every row has the label {label!r}; expected two labels or more").format(
                    path=train.path, label=only
                )
            )
        return labels

    def texts(self, split: Split[LabelledText]) -> list[tuple[str, ...]]:
        """Return the text, or the two texts, of each row."""
        return [self.format.texts(example) for example in split.examples]

    def settings(self) -> dict[str, Any]:
        """Return labels and names as a model folder keeps them."""
        names = {"label_names": dict(self.label_names)} if self.label_names else {}
        return {"labels": list(self.labels), **names}

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned."""
        self.labels, self.label_names = tuple(settings["labels"]), settings.get("label_names", {})


@dataclass(frozen=True)
class LabelledDataCheck:
    """The data check of labelled rows."""

    format: RowFormat
    layout_section: type[LayoutSection] = LayoutSection

    def check(self, sources: Mapping[SplitName, str], layout: LayoutSection) -> dict[str, Any]:
        """Return the data report; labels that are not given are those of train."""
        splits: dict[SplitName, Split[LabelledText]] = {}
        names = read_label_names(layout.label_names)
        labels = layout.labels or tuple(names) or None
        for name in sources:
            parse = map_labels(accept_label_names(partial(self.format.parse, labels=labels), names), layout.label_map)
            known_labels = {*(labels or ()), *names.values(), *(layout.label_map or ())}
            known = replace(layout.layout, known_labels=known_labels)
            source = resolve_source(name, sources, known)
            splits[name] = load_split(name, source, known, self.format.fields, parse)
            labels = labels or ordered_labels(splits["train"]) or None
        if not layout.labels:
            check_label_names(layout.label_names, _occurring(splits.values()))
        return {**checks.check(splits), "remarks": find_suspicious(splits)}

    def lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        """Yield the report as lines of text."""
        yield from checks.report_lines(report)
        yield from (_("remark: {remark}").format(remark=remark) for remark in report["remarks"])


def _occurring(splits: Iterable[Split[LabelledText]]) -> set[str]:
    return {example.label for split in splits for example in split.examples}
