"""Texts in colours: by what speaks for a label, green, and against it, red, or by the spans that were found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.text import Text

Draw = Callable[[str, Sequence[float]], Text]
"""Takes a text and each character's strength in [-1, 1]."""

_FOR, _AGAINST = (46, 160, 67), (218, 54, 51)
# Weaker parts, by the strongest of the text, are left as they are.
_FAINT, _WEAK = 0.05, 0.25
_LEGEND = [("for the label", 1.0), (" ", 0.0), ("against it", -1.0)]


_SPANS = ("#8ec5ff", "#ffd166", "#b5e48c", "#ffadad", "#cdb4db")
"""Backgrounds of the labels, in the order of their names."""


def show_explained(records: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Write texts to stderr, by default, with what `predict` has found out about them."""
    show = show_spans if "spans" in records[0] else show_attributions
    show(records, console)


def show_spans(records: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Write texts to stderr, by default, with their spans: in colours where these can be seen, else as 【text｜label】.

    Args:
        records: what `predict` gives of opinions; below each text stand its triplets.
        console: where to.
    """
    console = console or Console(file=sys.stderr)
    in_colours = bool(console.color_system) and not console.no_color
    labels = sorted({span["label"] for record in records for span in record["spans"]})
    styles = {label: Style(color="#000000", bgcolor=_SPANS[place % len(_SPANS)]) for place, label in enumerate(labels)}
    if in_colours:
        legend = [Text(f" {visible(label)} ", style) for label, style in styles.items()]
        console.print(*legend, soft_wrap=True, highlight=False)
    for record in records:
        console.print(_with_spans(record, styles if in_colours else {}), soft_wrap=True, highlight=False)
        for triplet in record.get("triplets", ()):
            console.print(_triplet(triplet), soft_wrap=True, highlight=False)


def _with_spans(record: Mapping[str, Any], styles: Mapping[str, Style]) -> Text:
    text, line, place = record["input"], Text(), 0
    for span in record["spans"]:
        if span["start"] < place:
            continue  # it overlaps the one that was marked before
        line.append(visible(text[place : span["start"]]))
        term, label = visible(text[span["start"] : span["end"]]), visible(span["label"])
        line.append(*((term, styles[span["label"]]) if styles else (f"【{term}｜{label}】",)))
        place = span["end"]
    return line.append(visible(text[place:]))


def _triplet(triplet: Mapping[str, Any]) -> Text:
    terms = [visible(triplet[side]["text"]) if triplet[side] else "(implicit)" for side in ("aspect", "opinion")]
    colour = {"positive": "green", "negative": "red"}.get(triplet["polarity"], "")
    line = Text(f"  {terms[0]}: {terms[1]}  ")
    return line.append(visible(triplet["polarity"]), colour).append(f" {triplet['prob']:.2f}")


def show_attributions(records: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Write texts to stderr, by default: coloured where colours can be seen, with ``{+for+}`` and ``[-against-]`` else.

    Args:
        records: what `predict` gives with ``explain``.
        console: where to.
    """
    console = console or Console(file=sys.stderr)
    draw = coloured if console.color_system and not console.no_color else marked
    for line in [_legend(draw), *(_line(record, draw) for record in records)]:
        console.print(line, soft_wrap=True, highlight=False)


def _legend(draw: Draw) -> Text:
    text = "".join(part for part, _ in _LEGEND)
    return draw(text, [strength for part, strength in _LEGEND for _ in part])


def _line(record: Mapping[str, Any], draw: Draw) -> Text:
    label = record["label"]
    head = Text(f"{visible(label)} {record['probabilities'][label]:.1%}  ")
    return head.append_text(draw(record["input"], strengths(record["input"], record["attributions"])))


def strengths(text: str, attributions: Sequence[Sequence[Any]]) -> list[float]:
    """Return each character's strength in [-1, 1], by the strongest of the text.

    Tokens that share a character add up there.
    """
    values = [0.0] * len(text)
    for start, end, value in attributions:
        for place in range(start, end):
            values[place] += value
    largest = max(map(abs, values), default=0.0)
    return [value / largest for value in values] if largest else values


def coloured(text: str, strengths: Sequence[float]) -> Text:
    """Return a text with a background that is the stronger the more a character counts."""
    line = Text()
    for character, strength in zip(visible(text), strengths, strict=True):
        line.append(character, style=_style(strength))
    return line


def _style(strength: float) -> Style | None:
    if abs(strength) < _FAINT:
        return None
    full = _FOR if strength > 0 else _AGAINST
    red, green, blue = (round(255 + (part - 255) * abs(strength)) for part in full)
    return Style(color="#000000", bgcolor=f"#{red:02x}{green:02x}{blue:02x}")


def marked(text: str, strengths: Sequence[float]) -> Text:
    """Return a text whose stronger parts stand in marks, as `git diff --word-diff` writes them."""
    line = Text()
    kinds = zip(visible(text), (_kind(strength) for strength in strengths), strict=True)
    for kind, part in groupby(kinds, key=lambda pair: pair[1]):
        before, after = {1: ("{+", "+}"), -1: ("[-", "-]"), 0: ("", "")}[kind]
        line.append(f"{before}{''.join(character for character, _ in part)}{after}")
    return line


def _kind(strength: float) -> int:
    return 0 if abs(strength) < _WEAK else (1 if strength > 0 else -1)


def visible(text: str) -> str:
    """Return a text of the same length without what would move a terminal's cursor or change its state."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
