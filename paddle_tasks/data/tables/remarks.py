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
from paddle_tasks.data.tables.readers import BYTE_ORDER_MARKS
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import join_all, join_names
from paddle_tasks.language import _, in_context, join, label_name, plural

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_LOOKS_MISSING = frozenset({"na", "n/a", "nil", "none", "unknown", "undefined", "?", "-", "无", "未知", "未标注"})
_MIN_ROWS = 3
_MIN_SHARE = 0.001
_MAX_LABEL_LENGTH = 30
_LABELS_SHOWN = 12
_NAMES_SHOWN = 5


def describe_rows(split: Split[Any], origin: str = "") -> str:
    """Return a line about a split: its rows and its file (or ``origin``), and other things that were counted."""
    origin = origin or str(shipped_name(split.path) or split.path)
    bad = _(", {count:,} bad ones left out").format(count=len(split.bad_rows)) if split.bad_rows else ""
    counts = "".join(_describe_count(name, count) for name, count in split.counts.items())
    line = _("{split}: {count:,} rows of {file}{bad}{counts}")
    return line.format(split=_key(split.name), count=len(split.examples), file=origin, bad=bad, counts=counts)


def _key(split: SplitName) -> str:
    """Return the setting that names the file of a split; in Chinese behind the name of the split."""
    return {"train": _("data.train"), "dev": _("data.dev"), "test": _("data.test")}[split]


def _describe_count(name: str, count: int) -> str:
    return _(", {count:,} {name}").format(count=count, name=in_context("count", name.replace("_", " ")))


def describe_labels(split: Split[Any], labels: Iterable[str], label_names: Mapping[str, str] | None = None) -> str:
    """Return a line with the number of times that each label occurs in a split, the most frequent first.

    Args:
        split: the split.
        labels: a label for each occurrence.
        label_names: the names of labels, if they have some.
    """
    names, counts = label_names or {}, count_names(list(labels))
    shown = [f"{_display(label, names)} {count:,}" for label, count in list(counts.items())[:_LABELS_SHOWN]]
    more = _(", … ({count} labels)").format(count=len(counts)) if len(counts) > _LABELS_SHOWN else ""
    return _("{split}: labels: {labels}{more}").format(split=_key(split.name), labels=join(shown), more=more)


def describe_texts(split: Split[Any]) -> str:
    """Return a line about a split of texts: its rows, file and lengths."""
    line = _("{rows}; characters of a text: {mean:,} on average, 95 % have at most {p95:,.0f}, the longest {max:,}")
    return line.format(rows=describe_rows(split), **summarize_lengths(split.examples))


def describe_split(split: Split[LabelledText], label_names: Mapping[str, str] | None = None) -> list[str]:
    """Return two lines about a split: its file, rows and lengths; and its labels with their counts.

    Args:
        split: the split.
        label_names: the names of labels, if they have some.
    """
    return [describe_texts(split), describe_labels(split, (example.label for example in split.examples), label_names)]


def _display(label: str, names: Mapping[str, str]) -> str:
    return f"{label} ({names[label]})" if label in names else label_name(label)


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
    texts = _longer_texts(len(longer), len(lengths))
    message = _("{texts} longer than max_length {max_length}; cutting loses {lost:,} of {total:,} tokens ({share:.1%})")
    return message.format(texts=texts, max_length=max_length, lost=n_lost, total=n_tokens, share=n_lost / n_tokens)


def _longer_texts(count: int, total: int) -> str:
    message = (
        _("{count:,} of {total:,} texts ({share:.1%}) is")
        if count == 1
        else _("{count:,} of {total:,} texts ({share:.1%}) are")
    )
    return message.format(count=count, total=total, share=count / total)


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
    rare = [_quote_with_count(label, count) for label, count in counts.items() if count < limit]
    if rare:
        share = _(" ({share:.1%} of the rows)").format(share=_MIN_SHARE) if limit > _MIN_ROWS else ""
        remark = _("data.train: {count} of {total} labels have fewer than {limit} rows{share}: {labels}")
        yield remark.format(count=len(rare), total=len(counts), limit=limit, share=share, labels=_join(rare))


def _strange(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    labels = list(dict.fromkeys(example.label for split in splits.values() for example in split.examples))
    n_numbers = sum(bool(_NUMBER.fullmatch(label)) for label in labels)
    for label in labels:
        reason = _strange_reason(label) or _mixed_reason(label, n_numbers, len(labels))
        if reason:
            name, row = next(
                (name, row) for name, split in splits.items() for row in split.examples if row.label == label
            )
            remark = _("data.{split}: the label {label} {reason} (first at {where})")
            yield remark.format(split=name, label=_quote(label), reason=reason, where=row.where)


def _strange_reason(label: str) -> str:
    if is_usual_name(label):
        return _("looks like the name of a column")
    if label.casefold() in _LOOKS_MISSING:
        return _("looks like a missing value")
    if len(label) > _MAX_LABEL_LENGTH:
        return _("is a text of {count} characters").format(count=len(label))
    return ""


def _mixed_reason(label: str, n_numbers: int, n_labels: int) -> str:
    is_number = bool(_NUMBER.fullmatch(label))
    if not 0 < n_numbers < n_labels or is_number == (n_numbers * 2 > n_labels):
        return ""
    return _("is a number among names") if is_number else _("is a name among numbers")


def _alike(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    counts = sum((_counts(split) for split in splits.values()), Counter[str]())
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in counts:
        groups[_folded(label)].append(label)
    for labels in groups.values():
        if len(labels) > 1:
            listed = _join([_quote_with_count(label, counts[label]) for label in labels])
            remark = _(
                "labels that differ only by white space, width, case, invisible characters or spelling of a number: "
                "{labels}"
            )
            yield remark.format(labels=listed)


def _folded(label: str) -> str:
    visible = (character for character in label if unicodedata.category(character) != "Cf")  # U+FEFF, U+200B, …
    text = "".join(unicodedata.normalize("NFKC", "".join(visible)).casefold().split())
    return f"{float(text):g}" if _NUMBER.fullmatch(text) else text


def _single(splits: Mapping[SplitName, Split[LabelledText]]) -> Iterator[str]:
    for name, split in splits.items():
        labels = _counts(split)
        if len(labels) == 1 and len(split.examples) > 1:
            remark = _("data.{split}: all {count:,} rows have the label {label}")
            yield remark.format(split=name, count=len(split.examples), label=_quote(next(iter(labels))))


def _dropped(splits: Iterable[Split[LabelledText]]) -> Iterator[str]:
    for split in splits:
        if split.dropped:
            listed = join_all([_count_dropped(kind, count) for kind, count in split.dropped.items()])
            remark = _("data.{split}: left out {what} inside {file}, as joining files leaves them")
            yield remark.format(split=split.name, what=listed, file=split.path)


def _count_dropped(kind: str, count: int) -> str:
    if kind == BYTE_ORDER_MARKS:
        return plural("{count} byte-order mark", "{count} byte-order marks", count)
    return plural("{count} repeated header", "{count} repeated headers", count)


def _join(names: Sequence[str]) -> str:
    return join_names(names, 2 * _NAMES_SHOWN)


def _quote_with_count(label: str, count: int) -> str:
    return _("{label} {count}").format(label=_quote(label), count=count)


def _quote(label: str) -> str:
    return repr(label if len(label) <= _MAX_LABEL_LENGTH else f"{label[:_MAX_LABEL_LENGTH]}…")
