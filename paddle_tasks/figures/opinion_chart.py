"""The bar chart of a summary, as PNG or SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle_tasks.figures import fonts
from paddle_tasks.tasks.opinion.summary import AspectSummary, Summary

MOST_BARS = 15
IMPLICIT = "(implicit)"
SUFFIXES = (".png", ".svg")

_COLOURS = {"positive": "#2ea043", "neutral": "#a8b1ba", "negative": "#da3633"}
_OTHER = "#4c78a8"
_WIDTH, _BELOW, _BAR, _ABOVE = 8, 0.6, 0.36, 0.4
"""Inches: of the chart, of what stands below the bars, of a bar with its gap, of the legend above."""


def draw(summary: Summary, path: Path) -> bool:
    """Write the chart: a bar for each of the most frequent aspects, of which each polarity has its part.

    An SVG holds its texts as texts, for the viewer's fonts. A PNG needs an installed font with all characters.

    Args:
        summary: with one aspect or more.
        path: ends in .png or .svg.

    Returns:
        Whether the bars have the names of the aspects; else they have their numbers, from 1, in the summary's order.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    aspects = summary.aspects[:MOST_BARS]
    names = [_name(aspect) for aspect in aspects]
    is_svg = path.suffix == ".svg"
    font = None if is_svg else fonts.find_font("".join(names))
    has_names = is_svg or font is not None
    labels = names if has_names else [str(number) for number in range(1, len(names) + 1)]
    # The salt and the missing date make equal files of equal summaries.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "paddle_tasks", "axes.unicode_minus": False}
    if font:
        settings["font.family"] = font
    content = io.BytesIO()
    with mpl.rc_context(settings), fonts.quiet():
        figure = Figure(figsize=(_WIDTH, _BELOW + _BAR * len(aspects) + _ABOVE))
        _bars(figure, aspects, labels, summary.polarities)
        figure.savefig(content, format=path.suffix[1:], dpi=150, metadata={"Date": None} if is_svg else None)
    path.write_bytes(content.getvalue())
    return has_names


def _name(aspect: AspectSummary) -> str:
    if aspect.name is None:
        return IMPLICIT
    return "".join(character if character.isprintable() else " " for character in aspect.name)


def _bars(figure: Any, aspects: Sequence[AspectSummary], labels: Sequence[str], polarities: Sequence[str]) -> None:
    height = figure.get_figheight()
    axes = figure.add_axes((_margin(labels), _BELOW / height, 0.96 - _margin(labels), _BAR * len(aspects) / height))
    places = range(len(aspects))
    left = [0] * len(aspects)
    for polarity in polarities:
        counts = [aspect.polarities.get(polarity, 0) for aspect in aspects]
        axes.barh(places, counts, left=left, color=_COLOURS.get(polarity, _OTHER), label=polarity)
        left = [before + count for before, count in zip(left, counts, strict=True)]
    if polarities:
        # Above the bars, where it hides none however few they are.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=min(3, len(polarities)), frameon=False)
    else:
        axes.barh(places, [aspect.mentions for aspect in aspects], color=_OTHER)
    axes.set_yticks(places, labels, parse_math=False)  # a name may hold dollar signs
    axes.margins(y=0.02)
    axes.invert_yaxis()
    axes.set_xlabel("opinions" if polarities else "mentions")
    axes.xaxis.get_major_locator().set_params(integer=True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _margin(labels: Sequence[str]) -> float:
    """Return the part of the width that the longest label takes; a Chinese character is as wide as two letters."""
    widest = max(sum(1 if character.isascii() else 2 for character in label) for label in labels)
    return min(0.4, 0.04 + 0.0105 * widest)
