"""What all figures have in common: their settings, colours and sizes, and their way into pixels and files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.fonts import BASE, families, legible, quiet
from paddle_tasks.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


COLOURS = (
    "#3f90da",
    "#e76300",
    "#832db6",
    "#bd1f01",
    "#717581",
    "#ffa90e",
    "#a96b59",
    "#94a4a2",
    "#92dadd",
    "#b9ac70",
)
"""Ten colours that people with any colour vision can tell apart (Petroff 2021, arXiv:2107.02270), by strength."""

DASHES = ("-", "--", "-.", ":")
INK, PALE = "#30343b", "#9aa3ad"
LONGEST_NAME = 24
_WIDE = 0x2E80  # from here on a character is about as wide as it is high
_PLAIN: Any = {
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.unicode_minus": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextlib.contextmanager
def style(*texts: str) -> Iterator[None]:
    """Draw within Matplotlib's defaults and the house's settings, with fonts for the texts; nothing of it stays."""
    import matplotlib as mpl

    fonts = list(families("".join(sorted(set("".join(texts))))) or (BASE,))
    with mpl.rc_context(), quiet():
        mpl.rcdefaults()
        mpl.rcParams.update({**_PLAIN, "font.family": fonts})
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, so many inches wide and high, that gives each part the room it needs."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def line_of(place: int) -> dict[str, Any]:
    """Return colour and dashes of a line among others: both differ, for those who see few colours."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[(place + place // len(COLOURS)) % len(DASHES)],
    }


def names_of(names: Sequence[str], kind: str) -> list[str]:
    """Return names as they can be shown: in characters that a font has, and cut in the middle when they are long."""
    return [shortened(name) for name in legible(names, kind)]


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name without its middle when it is longer than so many letters."""
    if len(name) <= longest:
        return name
    kept = longest - 1
    return f"{name[: kept - kept // 2]}…{name[-(kept // 2) :]}"


def title_of(title: str) -> str:
    """Return a title without the characters that no font has."""
    return title if families(title) else "".join(character for character in title if families(character))


def inches_of(names: Sequence[str], size: float) -> float:
    """Return about the width of the longest of the names, in letters of so many points."""
    widths = [sum(1.05 if ord(character) >= _WIDE else 0.63 for character in name) for name in names]
    return max(widths, default=0) * size / 72


def to_image(figure: Figure, dpi: int = 100) -> Array:
    """Return the pixels of a figure <uint8>[height, width, 3].

    Args:
        figure: of this package.
        dpi: pixels per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before = figure.dpi
    canvas: Any = FigureCanvasAgg(figure)
    with style(), quiet():
        figure.set_dpi(dpi)
        _lay_out(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        figure.set_dpi(before)
    return pixels


def to_png(figure: Figure, path: Path, dpi: int = 150) -> None:
    """Write a figure, whole or not at all; equal figures make equal files.

    Args:
        figure: of this package.
        path: is replaced when it is there.
        dpi: pixels per inch.
    """
    content = io.BytesIO()
    with style(), quiet():
        _lay_out(figure)
        figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    write_bytes(path, content.getvalue())


def _lay_out(figure: Figure) -> None:
    """Find out what room each part needs, where a part's sides have a ratio: the name of its axis is cut off else.

    Drawing does the same, and has to do it twice there, as the part has another size when it is done.
    """
    engine = figure.get_layout_engine()
    if engine is not None and any(axes.get_aspect() != "auto" for axes in figure.axes):
        engine.execute(figure)
