"""Print tables on a terminal."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from paddle_tasks.cli.colours import TONES, replace_controls
from paddle_tasks.training.display import Table

_WIDTH = 110
"""The number of columns if stdout is not a terminal."""


def print_table(table: Table) -> None:
    """Print a table and its remarks."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(rich_table(table), highlight=False)
    for remark in table.remarks:
        console.print(Text(remark), highlight=False, soft_wrap=True)


def rich_table(table: Table) -> RichTable:
    """Return a table as a rich table; control characters are replaced, and markup in texts has no effect."""
    drawn = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, heading in enumerate(table.columns):
        drawn.add_column(replace_controls(heading), justify="right" if number in table.aligned_right else "left")
    for row in table.rows:
        drawn.add_row(*(Text(replace_controls(cell.text), TONES[cell.tone]) for cell in row))
    return drawn
