"""A chart of horizontal bars whose parts are counts, as PNG or SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks.figures import fonts

SUFFIXES = (".png", ".svg")
_DEFAULT_COLOUR = "#4c78a8"
_WIDTH, _BELOW, _BAR, _ABOVE = 8, 0.6, 0.36, 0.4
"""Inches: the chart, the axis below the bars, a bar with its gap, the legend above."""


def write_stacked_bars(
    path: Path,
    names: Sequence[str],
    parts: Mapping[str, Sequence[int]],
    *,
    unit: str,
    colours: Mapping[str, str] | None = None,
) -> bool:
    """Write the chart; equal arguments give equal files.

    An SVG holds its texts as texts, which the viewer's fonts show. A PNG needs an installed font with all characters.

    Args:
        path: ends in .png or .svg.
        names: the name of each bar, from top to bottom; at least one.
        parts: the counts of each bar, by the name of the part; with more than one part there is a legend.
        unit: the label of the axis.
        colours: the colours of the parts.

    Returns:
        Whether the bars have their names; without a font for them they are numbered from 1.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    printable = [_printable(name) for name in names]
    is_svg = path.suffix == ".svg"
    font = None if is_svg else fonts.find_font("".join([*printable, *parts, unit]))
    has_names = is_svg or font is not None
    labels = printable if has_names else [str(number) for number in range(1, len(names) + 1)]
    # With a fixed salt and without a date, equal charts are equal files.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "paddle_tasks", "axes.unicode_minus": False}
    if font:
        settings["font.family"] = font
    content = io.BytesIO()
    with mpl.rc_context(settings), fonts.quiet():
        figure = Figure(figsize=(_WIDTH, _BELOW + _BAR * len(names) + _ABOVE))
        axes = _draw_bars(figure, labels, parts, colours or {})
        axes.set_xlabel(unit)
        figure.savefig(content, format=path.suffix[1:], dpi=150, metadata={"Date": None} if is_svg else None)
    path.write_bytes(content.getvalue())
    return has_names


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name)


def _draw_bars(
    figure: Any, labels: Sequence[str], parts: Mapping[str, Sequence[int]], colours: Mapping[str, str]
) -> Any:
    height, margin = figure.get_figheight(), _margin(labels)
    axes = figure.add_axes((margin, _BELOW / height, 0.96 - margin, _BAR * len(labels) / height))
    left = [0] * len(labels)
    for name, counts in parts.items():
        axes.barh(range(len(labels)), counts, left=left, color=colours.get(name, _DEFAULT_COLOUR), label=name)
        left = [start + count for start, count in zip(left, counts, strict=True)]
    if len(parts) > 1 or colours:
        # Above the bars, where it hides none of them.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=min(3, len(parts)), frameon=False)
    _style(axes, labels)
    return axes


def _style(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, parse_math=False)  # a name may contain dollar signs
    axes.margins(y=0.02)
    axes.invert_yaxis()
    axes.xaxis.get_major_locator().set_params(integer=True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _margin(labels: Sequence[str]) -> float:
    """Return the share of the width that the longest label takes; a Chinese character is as wide as two letters."""
    width = max(sum(1 if character.isascii() else 2 for character in label) for label in labels)
    return min(0.4, 0.04 + 0.0105 * width)
