"""Lines and tables as HTML, for notebooks and pages.

Backgrounds are translucent and text has the colour of its surroundings, so that a fragment can be read on a light page
and on a dark one. It contains no scripts and loads nothing; all texts are escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from paddle_tasks.language import _
from paddle_tasks.training.display import Cell, Line, Segment, Table

_FOR, _AGAINST, _NEW = "46,160,67", "218,54,51", "31,136,229"
_TONES = {"positive": _FOR, "negative": _AGAINST, "new": _NEW}
_LABEL_COLOURS = ("31,136,229", "245,158,11", "20,166,120", "217,70,130", "130,90,220", "110,140,60")
"""Backgrounds of the labels, in the order of their names."""
_MIN_STRENGTH, _DEEPEST = 0.05, 0.55
_INVALID = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_BLOCK = "line-height:1.75;white-space:pre-wrap;overflow-wrap:anywhere"
_MARK = "padding:.1em .25em;margin:0 .05em;border-radius:.3em;color:inherit"
_NAME = "font-size:.75em;font-weight:600;margin-left:.35em;opacity:.8"
_TABLE = "border-collapse:collapse;margin:.3em 0;text-align:left"
_CELL = "padding:.15em .8em .15em 0;border:0;background:none;vertical-align:top;white-space:normal"
_HEADING = f"{_CELL};border-bottom:1px solid rgba(128,128,128,.6);font-weight:600"


def escape(text: str) -> str:
    """Return a text for HTML; characters that no page can hold become replacement characters."""
    return html.escape(replace_invalid(text))


def replace_invalid(text: str) -> str:
    """Return a text with replacement characters for those that no page can hold."""
    return _INVALID.sub("\N{REPLACEMENT CHARACTER}", text)


def lines_to_html(lines: Sequence[Line]) -> str:
    """Return lines as an HTML fragment, with a legend if segments have strengths."""
    colours = _label_colours(lines)
    drawn = ["".join(_segment(segment, colours) for segment in line) or "&nbsp;" for line in lines]
    return f'<div style="{_BLOCK}">{_legend(lines)}{"".join(f"<div>{line}</div>" for line in drawn)}</div>'


def table_to_html(table: Table) -> str:
    """Return a table as an HTML fragment."""
    rows = "".join(f"<tr>{''.join(map(_cell, row, _alignments(table)))}</tr>" for row in table.rows)
    title = f'<div style="font-weight:600">{escape(table.title)}</div>' if table.title else ""
    remarks = "".join(f'<div style="opacity:.8">{escape(remark)}</div>' for remark in table.remarks)
    return f'<div>{title}<table style="{_TABLE}">{_headings(table)}{rows}</table>{remarks}</div>'


def page(fragment: str, title: str) -> str:
    """Return a whole page that shows a fragment, light or dark as the reader's system is."""
    head = '<meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    body = "max-width:52em;margin:2em auto;padding:0 1em;font-family:sans-serif"
    return (
        f"<!DOCTYPE html>\n<html>\n<head>{head}<title>{escape(title)}</title></head>\n"
        f'<body style="{body}">\n{fragment}\n</body>\n</html>\n'
    )


# ---- lines


def _label_colours(lines: Sequence[Line]) -> dict[str, str]:
    labels = sorted({segment.label for line in lines for segment in line if segment.label is not None})
    return {label: _LABEL_COLOURS[number % len(_LABEL_COLOURS)] for number, label in enumerate(labels)}


def _legend(lines: Sequence[Line]) -> str:
    if not any(segment.strength for line in lines for segment in line):
        return ""
    marks = _mark(_("supports the label"), _FOR, _DEEPEST) + " | " + _mark(_("speaks against it"), _AGAINST, _DEEPEST)
    return f'<div style="font-size:.85em">{marks}</div>'


def _segment(segment: Segment, colours: Mapping[str, str]) -> str:
    text = escape(segment.text)
    if not text:
        return ""
    if segment.label is not None:
        name = f'<span style="{_NAME}">{escape(segment.label)}</span>'
        return _mark(segment.text, colours[segment.label], 0.3, name)
    if segment.change == "removed":
        return f'<del style="{_MARK};background:rgba({_AGAINST},.25)">{text}</del>'
    if segment.change == "added":
        return f'<ins style="{_MARK};background:rgba({_FOR},.3);text-decoration:none">{text}</ins>'
    if abs(segment.strength) >= _MIN_STRENGTH:
        colour = _FOR if segment.strength > 0 else _AGAINST
        return f'<span style="background:rgba({colour},{_DEEPEST * abs(segment.strength):.2f})">{text}</span>'
    return _mark(segment.text, _TONES[segment.tone], 0.3) if segment.tone else text


def _mark(text: str, colour: str, opacity: float, after: str = "") -> str:
    """Return a text on a background; ``after`` is HTML."""
    return f'<mark style="{_MARK};background:rgba({colour},{opacity:g})">{escape(text)}{after}</mark>'


# ---- tables


def _alignments(table: Table) -> list[str]:
    return ["right" if number in table.aligned_right else "left" for number in range(len(table.columns))]


def _headings(table: Table) -> str:
    if not any(table.columns):
        return ""
    cells = zip(table.columns, _alignments(table), strict=True)
    inner = "".join(f'<th style="{_HEADING};text-align:{side}">{escape(name)}</th>' for name, side in cells)
    return f"<tr>{inner}</tr>"


def _cell(cell: Cell, side: str) -> str:
    content = _mark(cell.text, _TONES[cell.tone], 0.3) if cell.tone else escape(cell.text)
    if cell.link:
        content = f'<a href="{escape(cell.link)}" style="color:inherit;text-decoration:underline">{content}</a>'
    return f'<td style="{_CELL};text-align:{side}">{content}</td>'
