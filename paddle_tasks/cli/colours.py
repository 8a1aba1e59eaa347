"""Show lines of segments on a terminal: in colours, or with marks if there are no colours."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.style import Style
from rich.text import Text

from paddle_tasks.language import _
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.wrapping import wrap

_FOR, _AGAINST = (46, 160, 67), (218, 54, 51)
# Segments with a smaller absolute strength are shown like neutral ones.
_MIN_COLOURED, _MIN_MARKED = 0.05, 0.25
_LABEL_COLOURS = ("#8ec5ff", "#ffd166", "#b5e48c", "#ffadad", "#cdb4db")
"""Backgrounds of the labels, in the order of their names."""
TONES = {"": "", "positive": "green", "negative": "red", "new": "cyan"}
CHANGES = {"added": "green", "removed": "red strike"}


def show_lines(lines: Sequence[Line], console: Console | None = None) -> None:
    """Write lines to a console, by default to stderr, below a legend of their colours and marks; wrap on a terminal.

    Without colours a span is written as 【text｜label】, and segments for and against a prediction as ``{+for+}`` and
    ``[-against-]``.
    """
    console = console or Console(file=sys.stderr)
    has_colours = bool(console.color_system) and not console.no_color
    styles = label_styles(lines)
    for line in [*_legend(lines, styles, has_colours=has_colours), *lines]:
        text = draw_coloured(line, styles) if has_colours else draw_marked(line)
        for row in _rows(text, console.width) if console.is_terminal else [text]:
            console.print(row, soft_wrap=True, highlight=False)


def _rows(text: Text, width: int) -> Iterator[Text]:
    """Yield a text as rows that fit a terminal; the later ones are indented two columns more."""
    plain, end = text.plain.rstrip(), 0
    indent = " " * (len(plain) - len(plain.lstrip()))
    hanging = f"{indent}  "
    for number, row in enumerate(wrap(plain, width, indent, hanging)):
        content = row[len(hanging if number else indent) :]
        start = plain.index(content, end)
        end = start + len(content)
        yield Text(hanging if number else indent).append_text(text[start:end])


def _legend(lines: Sequence[Line], styles: Mapping[str, Style], *, has_colours: bool) -> Iterator[Line]:
    if any(segment.strength for line in lines for segment in line):
        yield [
            Segment(_("supports the label"), strength=1.0),
            Segment(" | "),
            Segment(_("speaks against it"), strength=-1.0),
        ]
    if styles and has_colours:
        names = [Segment(f" {label} ", label=label) for label in styles]
        yield [part for name in names for part in (name, Segment(" "))][:-1]


def label_styles(lines: Sequence[Line]) -> dict[str, Style]:
    """Return the style of each label that occurs in lines."""
    labels = sorted({segment.label for line in lines for segment in line if segment.label is not None})
    colours = {label: _LABEL_COLOURS[number % len(_LABEL_COLOURS)] for number, label in enumerate(labels)}
    return {label: Style(color="#000000", bgcolor=colour) for label, colour in colours.items()}


def draw_coloured(line: Line, styles: Mapping[str, Style]) -> Text:
    """Return a line in colours; a segment with a larger absolute strength has a deeper background colour."""
    text = Text()
    for segment in line:
        style = styles[segment.label] if segment.label is not None else _style(segment)
        text.append(replace_controls(segment.text), style)
    return text


def _style(segment: Segment) -> Style | str | None:
    if segment.change:
        return CHANGES[segment.change]
    strength = segment.strength
    if abs(strength) < _MIN_COLOURED:
        return TONES[segment.tone] or None
    full = _FOR if strength > 0 else _AGAINST
    red, green, blue = (round(255 + (part - 255) * abs(strength)) for part in full)
    return Style(color="#000000", bgcolor=f"#{red:02x}{green:02x}{blue:02x}")


def draw_marked(line: Line) -> Text:
    """Return a line without colours; strong segments are marked as `git diff --word-diff` marks words."""
    text = Text()
    for sign, segments in groupby(line, key=_sign):
        before, after = {1: ("{+", "+}"), -1: ("[-", "-]"), 0: ("", "")}[sign]
        text.append(f"{before}{''.join(map(_with_label, segments))}{after}")
    return text


def _sign(segment: Segment) -> int:
    if segment.change:
        return 1 if segment.change == "added" else -1
    return 0 if abs(segment.strength) < _MIN_MARKED else (1 if segment.strength > 0 else -1)


def _with_label(segment: Segment) -> str:
    text = replace_controls(segment.text)
    return text if segment.label is None else f"【{text}｜{replace_controls(segment.label)}】"


def replace_controls(text: str) -> str:
    """Return a text of the same length without characters that move a terminal's cursor or change its state."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
