"""Tables on a terminal."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from paddle_tasks.cli.colours import TONES, visible
from paddle_tasks.training.display import Table

_WIDTH = 110
"""The width of an output that is not a terminal."""


def print_table(table: Table) -> None:
    """Print a table and its remarks."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(rich_table(table), highlight=False)
    for remark in table.remarks:
        console.print(Text(remark), highlight=False, soft_wrap=True)


def rich_table(table: Table) -> RichTable:
    """Return a table as one of rich; control characters are removed, and names are not read as markup."""
    drawn = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, heading in enumerate(table.columns):
        drawn.add_column(visible(heading), justify="right" if number in table.aligned_right else "left")
    for row in table.rows:
        drawn.add_row(*(Text(visible(cell.text), TONES[cell.tone]) for cell in row))
    return drawn
