"""The results table as HTML, and numbers by name as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from paddle_tasks.language import _, label_name
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.reporting.groups import Group
from paddle_tasks.reporting.html.blocks import Paragraph, RichTable
from paddle_tasks.reporting.html.svg import element
from paddle_tasks.reporting.table import EMPTY_CELL, explanations, group_tables

_MARKUP = re.compile(r"`([^`]*)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]*)\]\((https?://[^)\s]+)\)")
_MAX_ROWS = 40


def result_blocks(group: Group) -> Iterator[Any]:
    """Yield the tables of a group, and what their headings mean."""
    for table in group_tables(group):
        headings, *rows = table.filled()
        yield RichTable(headings, [[inline(cell) for cell in row] for row in rows])
    yield Paragraph(" ".join(re.sub(r"\*+", "", sentence) for sentence in explanations([group])), is_note=True)


def inline(text: str) -> Markup:
    """Return a line of Markdown as HTML: code, bold and emphasised text, and links to the web."""
    parts, end = [], 0
    for match in _MARKUP.finditer(text):
        parts += [Markup.escape(text[end : match.start()]), _element(match)]
        end = match.end()
    return Markup("").join([*parts, Markup.escape(text[end:])])


def _element(match: re.Match[str]) -> Markup:
    code, bold, emphasised, name, address = match.groups()
    if address is not None:
        return element("a", name, href=address)
    if code is not None:
        return element("code", code)
    return element("b", bold) if bold is not None else element("em", emphasised)


def label_table(per_label: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], heading: str = "") -> RichTable:
    """Return scores by label as a table, the labels with the most rows first; at most 40.

    Args:
        per_label: the scores of each label.
        names: the names of labels.
        heading: the heading of the first column.
    """
    columns = list(dict.fromkeys(name for scores in per_label.values() for name in scores))
    ranked = sorted(per_label.items(), key=lambda pair: -_count(pair[1]))
    rows = [
        [Markup.escape(label_name(names.get(label, label))), *(cell(scores.get(name)) for name in columns)]
        for label, scores in ranked[:_MAX_ROWS]
    ]
    left_out = len(per_label) - _MAX_ROWS
    title = _("The {count} largest labels; {more} more are left out.").format(count=_MAX_ROWS, more=left_out)
    headings = [heading or _("label"), *(_("rows") if name == "rows" else metric_name(name) for name in columns)]
    return RichTable(headings, rows, title if left_out > 0 else "")


def _count(scores: Mapping[str, Any]) -> float:
    return float(next((scores[name] for name in ("rows", "spans", "expected") if name in scores), 0))


def cell(value: Any) -> Markup:
    """Return a number as a cell: counts whole, scores with four places."""
    if value is None:
        return Markup(EMPTY_CELL)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Markup.escape(str(value))
    return Markup.escape(f"{value:,}" if isinstance(value, int) else f"{value:,.4f}")


def is_breakdown(value: Any) -> bool:
    """Return whether a value of result.json is a table: a mapping of names to numbers by name."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(part, Mapping) for part in value.values())


def numbers(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> RichTable:
    """Return rows of names and numbers as a table."""
    return RichTable(headings, [[cell(value) for value in row] for row in rows])
