"""The summary of many reviews as a table, beside its chart."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paddle_tasks.cli.colours import visible
from paddle_tasks.figures.opinion_chart import IMPLICIT, MOST_BARS, draw
from paddle_tasks.tasks.opinion.summary import AspectSummary, Summary, summarise

_MOST_ROWS = 30
_WIDTH = 110  # of what is no terminal
_STYLES = {"positive": "green", "negative": "red"}


def show_summary(records: Sequence[Mapping[str, Any]], chart: Path) -> None:
    """Print the table of what `predict` says of reviews, and draw the chart.

    Raises:
        DataError: nothing was found in any review.
    """
    summary = summarise(records)
    has_names = draw(summary, chart)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table(summary), highlight=False)
    left_out = len(summary.aspects) - _MOST_ROWS
    if left_out > 0:
        console.print(f"… and {left_out} more aspects", highlight=False)
    console.print(f"chart {chart}, the first {min(MOST_BARS, len(summary.aspects))}", highlight=False, soft_wrap=True)
    if not has_names:
        console.print(
            "No installed font has all characters of the aspects: the chart has their numbers instead (those of the "
            "table); install a Chinese font such as Noto Sans CJK, or name an .svg, which the viewer's fonts show.",
            highlight=False,
        )


def table(summary: Summary) -> Table:
    """Return the most frequent aspects with counts, polarity shares and typical opinions."""
    title = f"{len(summary.aspects)} aspects in {summary.n_reviews} reviews"
    found = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    found.add_column("", justify="right")
    found.add_column("aspect")
    found.add_column("mentions", justify="right")
    for polarity in summary.polarities:
        found.add_column(visible(polarity), justify="right", style=_STYLES.get(polarity))
    if summary.polarities:
        found.add_column("typical opinions")
    for number, aspect in enumerate(summary.aspects[:_MOST_ROWS], start=1):
        found.add_row(*_cells(number, aspect, summary.polarities))
    return found


def _cells(number: int, aspect: AspectSummary, polarities: Sequence[str]) -> list[Text]:
    name = IMPLICIT if aspect.name is None else visible(aspect.name)
    cells = [str(number), name, str(aspect.mentions)]
    cells += [f"{aspect.share(polarity):.0%}" if aspect.polarities else "–" for polarity in polarities]
    if polarities:
        cells.append(", ".join(f"{visible(opinion)} {count}" for opinion, count in aspect.opinions))
    return [Text(cell) for cell in cells]  # names are no markup
