"""Say what was read, and what is suspicious about it without being wrong."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.data.tables.catalogue import SplitName, shipped_name
from paddle_tasks.data.tables.checks import count_names, summarize_lengths
from paddle_tasks.data.tables.headers import is_usual_name
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import join_names

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_LOOKS_MISSING = frozenset({"na", "n/a", "nil", "none", "unknown", "undefined", "?", "-", "无", "未知", "未标注"})
_ALIKE = "labels that differ only by white space, width, case, invisible characters or spelling of a number"
_MIN_ROWS = 3
_MIN_SHARE = 0.001
_MAX_LABEL_LENGTH = 30
_LABELS_SHOWN = 12
_NAMES_SHOWN = 5


def describe_rows(split: Split[Any], origin: str = "") -> str:
    """Return a line about a split: its rows and its file (or ``origin``), and other things that were counted."""
    origin = origin or str(shipped_name(split.path) or split.path)
    n_bad = f", {len(split.bad_rows):,} bad ones left out" if split.bad_rows else ""
    counts = "".join(f", {count:,} {name.replace('_', ' ')}" for name, count in split.counts.items())
    return f"data.{split.name}: {len(split.examples):,} rows of {origin}{n_bad}{counts}"


def describe_labels(split: Split[Any], labels: Iterable[str], label_names: Mapping[str, str] | None = None) -> str:
    """Return a line with the number of times that each label occurs in a split, the most frequent first.

    Args:
        split: the split.
        labels: a label for each occurrence.
        label_names: the names of labels, if they have some.
    """
    names, counts = label_names or {}, count_names(list(labels))
    shown = [f"{_display(label, names)} {count:,}" for label, count in list(counts.items())[:_LABELS_SHOWN]]
    more = f", … ({len(counts)} labels)" if len(counts) > _LABELS_SHOWN else ""
    return f"data.{split.name}: labels: {', '.join(shown)}{more}"


def describe_texts(split: Split[Any]) -> str:
    """Return a line about a split of texts: its rows, file and lengths."""
    lengths = summarize_lengths(split.examples)
    return (
        f"{describe_rows(split)}; characters of a text: {lengths['mean']:,} on average, p95 {lengths['p95']:,.0f}, max "
        f"{lengths['max']:,}"
    )


def describe_split(split: Split[LabelledText], label_names: Mapping[str, str] | None = None) -> list[str]:
    """Return two lines about a split: its file, rows and lengths; and its labels with their counts.

    Args:
        split: the split.
        label_names: the names of labels, if they have some.
    """
    return [describe_texts(split), describe_labels(split, (example.label for example in split.examples), label_names)]


def _display(label: str, names: Mapping[str, str]) -> str:
    return f"{label} ({names[label]})" if label in names else label


def describe_truncation(lengths: Sequence[int], max_length: int) -> str:
    """Return what is lost if texts are cut at ``max_length`` tokens, or an empty string if none is longer.

    ``describe_truncation([5, 10, 15], 10)`` gives "1 of 3 texts (33.3 %) is longer than max_length 10; cutting loses
    5 of 30 tokens (16.7 %)".

    Args:
        lengths: the number of tokens of each text, before it is cut.
        max_length: the number of tokens that the model reads.
    """
    longer = [length for length in lengths if length > max_length]
    if not longer:
        return ""
    n_lost, n_tokens = sum(longer) - max_length * len(longer), sum(lengths)
    return (
        f"{len(longer):,} of {len(lengths):,} texts ({len(longer) / len(lengths):.1%}) "
        f"{'is' if len(longer) == 1 else 'are'} longer than max_length {max_length}; cutting loses {n_lost:,} of "
        f"{n_tokens:,} tokens ({n_lost / n_tokens:.1%})"
    )


def find_suspicious(splits: Mapping[SplitName, Split[LabelledText]]) -> list[str]:
    """Return a remark for everything in the splits of a task that is suspicious without being wrong.

    That is: labels of train with fewer than 3 rows or 0.1 % of the rows; labels with strange names; labels that differ
    only by white space, width, case, invisible characters, or the spelling of a number; splits with one label; and
    repeated headers and byte-order marks that were dropped.
    """
    return [*_rare(splits), *_strange(splits), *_alike(splits), *_single(splits), *_dropped(splits.values())]


def _counts(split: Split[LabelledText]) -> Counter[str]:
    return Counter(example.label for example in split.examples)


def _rare(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    if "train" not in splits:
        return
    counts = _counts(splits["train"])
    limit = max(_MIN_ROWS, math.ceil(_MIN_SHARE * counts.total()))
    rare = [f"{_quote(label)} {count}" for label, count in counts.items() if count < limit]
    if rare:
        share = f" ({_MIN_SHARE:.1%} of the rows)" if limit > _MIN_ROWS else ""
        yield f"data.train: {len(rare)} of {len(counts)} labels have fewer than {limit} rows{share}: {_join(rare)}"


def _strange(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    labels = list(dict.fromkeys(example.label for split in splits.values() for example in split.examples))
    n_numbers = sum(bool(_NUMBER.fullmatch(label)) for label in labels)
    for label in labels:
        reason = _strange_reason(label) or _mixed_reason(label, n_numbers, len(labels))
        if reason:
            name, row = next(
                (name, row) for name, split in splits.items() for row in split.examples if row.label == label
            )
            yield f"data.{name}: the label {_quote(label)} {reason} (first at {row.where})"


def _strange_reason(label: str) -> str:
    if is_usual_name(label):
        return "looks like the name of a column"
    if label.casefold() in _LOOKS_MISSING:
        return "looks like a missing value"
    if len(label) > _MAX_LABEL_LENGTH:
        return f"is a text of {len(label)} characters"
    return ""


def _mixed_reason(label: str, n_numbers: int, n_labels: int) -> str:
    is_number = bool(_NUMBER.fullmatch(label))
    if not 0 < n_numbers < n_labels or is_number == (n_numbers * 2 > n_labels):
        return ""
    return "is a number among names" if is_number else "is a name among numbers"


def _alike(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    counts = sum((_counts(split) for split in splits.values()), Counter[str]())
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in counts:
        groups[_folded(label)].append(label)
    for labels in groups.values():
        if len(labels) > 1:
            listed = _join([f"{_quote(label)} {counts[label]}" for label in labels])
            yield f"{_ALIKE}: {listed}"


def _folded(label: str) -> str:
    visible = (character for character in label if unicodedata.category(character) != "Cf")  # U+FEFF, U+200B, …
    text = "".join(unicodedata.normalize("NFKC", "".join(visible)).casefold().split())
    return f"{float(text):g}" if _NUMBER.fullmatch(text) else text


def _single(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    for name, split in splits.items():
        labels = _counts(split)
        if len(labels) == 1 and len(split.examples) > 1:
            yield f"data.{name}: all {len(split.examples):,} rows have the label {_quote(next(iter(labels)))}"


def _dropped(splits: Iterable[Split[LabelledText]]) -> Iterator[str]:
    for split in splits:
        if split.dropped:
            counts = [(count, kind if count > 1 else kind.removesuffix("s")) for kind, count in split.dropped.items()]
            listed = " and ".join(f"{count} {kind}" for count, kind in counts)
            yield f"data.{split.name}: left out {listed} inside {split.path}, as joining files leaves them"


def _join(names: Sequence[str]) -> str:
    return join_names(names, 2 * _NAMES_SHOWN)


def _quote(label: str) -> str:
    return repr(label if len(label) <= _MAX_LABEL_LENGTH else f"{label[:_MAX_LABEL_LENGTH]}…")
