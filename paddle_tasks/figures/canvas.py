"""Settings, colours and sizes shared by all figures, and their conversion to pixels and files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.figures.fonts import BASE, families, label_names, legible_names, quiet
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
"""Ten colours that people with any colour vision can distinguish (Petroff 2021, arXiv:2107.02270), strongest first."""

DASHES = ("-", "--", "-.", ":")
INK, PALE = "#30343b", "#9aa3ad"
MAX_NAME_LENGTH = 24
_WIDE = 0x2E80  # characters from this code point on are about as wide as high
_PLAIN: Any = {
    "text.parse_math": False,  # names may contain dollar signs
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
    """Apply Matplotlib's defaults, our settings and fonts for the given texts, within the block only."""
    import matplotlib as mpl

    fonts = list(families("".join(sorted(set("".join(texts))))) or (BASE,))
    with mpl.rc_context(), quiet():
        mpl.rcdefaults()
        mpl.rcParams.update({**_PLAIN, "font.family": fonts})
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure with automatic layout; width and height are in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def line_style(index: int) -> dict[str, Any]:
    """Return the colour and dashes of the line with this index; both vary, for readers with colour blindness."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[(index + index // len(COLOURS)) % len(DASHES)],
    }


def display_names(names: Sequence[str], kind: str, max_length: int = MAX_NAME_LENGTH) -> list[str]:
    """Return names for display: replaced if no font has their characters, and shortened if they are long."""
    return [shorten(name, max_length) for name in legible_names(names, kind)]


def display_labels(labels: Sequence[str]) -> list[str]:
    """Return the names of labels for display, in the current language too."""
    return display_names(label_names(labels), "class")


def shorten(name: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """Replace the middle of a name of more than ``max_length`` characters by an ellipsis."""
    if len(name) <= max_length:
        return name
    kept = max_length - 1
    return f"{name[: kept - kept // 2]}…{name[-(kept // 2) :]}"


def printable_title(title: str) -> str:
    """Return a title without the characters that no font has."""
    return title if families(title) else "".join(character for character in title if families(character))


def text_width(names: Sequence[str], size: float) -> float:
    """Return the approximate width in inches of the longest of the names in a font size in points."""
    widths = [sum(1.05 if ord(character) >= _WIDE else 0.63 for character in name) for name in names]
    return max(widths, default=0) * size / 72


def to_image(figure: Figure, dpi: int = 100) -> Array:
    """Return the pixels of a figure, ``<uint8>[height, width, 3]``.

    Args:
        figure: a figure of this package.
        dpi: pixels per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    original_dpi = figure.dpi
    canvas: Any = FigureCanvasAgg(figure)
    with style(), quiet():
        figure.set_dpi(dpi)
        _lay_out(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        figure.set_dpi(original_dpi)
    return pixels


def to_png(figure: Figure, path: Path, dpi: int = 150) -> None:
    """Write a figure as a PNG file, atomically; equal figures give equal files.

    Args:
        figure: a figure of this package.
        path: the file; an existing one is replaced.
        dpi: pixels per inch.
    """
    content = io.BytesIO()
    with style(), quiet():
        _lay_out(figure)
        figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    write_bytes(path, content.getvalue())


def to_svg(figure: Figure, path: Path) -> None:
    """Write a figure as an SVG file whose texts are texts, atomically; equal figures give equal files."""
    import matplotlib as mpl

    content = io.BytesIO()
    with style(), quiet(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "paddle_tasks"}):
        _lay_out(figure)
        figure.savefig(content, format="svg", metadata={"Date": None})
    write_bytes(path, content.getvalue())


def _lay_out(figure: Figure) -> None:
    """Compute the layout once before drawing if axes have a fixed aspect ratio; otherwise axis labels are cut off.

    Drawing computes the layout again. One pass is not enough for such axes, since the first pass changes their size.
    """
    engine = figure.get_layout_engine()
    if engine is not None and any(axes.get_aspect() != "auto" for axes in figure.axes):
        engine.execute(figure)
