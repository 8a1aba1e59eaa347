"""Fonts that have the characters of a text, and what stands for a text when there are none."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

_KNOWN = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")
"""Fonts that are tried first, of the many that may have the characters."""

BASE = "DejaVu Sans"
"""The font that comes with Matplotlib, for all characters that it has."""


class MissingGlyphs(UserWarning):
    """No installed font has the characters of some texts, and Latin ones stand for them."""


def find_font(text: str) -> str | None:
    """Return an installed font with all characters of a text; None when there is none."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    needed = {ord(character) for character in text if not character.isspace()}
    found = _first_with(needed, fontManager.ttflist)
    if found is None:  # Matplotlib keeps its list of fonts; there may be new ones
        listed = list(fontManager.ttflist)
        for path in sorted({*findSystemFonts()} - {entry.fname for entry in listed}):
            with contextlib.suppress(OSError, RuntimeError):
                fontManager.addfont(path)
        found = _first_with(needed, fontManager.ttflist[len(listed) :])
    return found


def _first_with(needed: set[int], entries: Iterable[Any]) -> str | None:
    """Return the name of the best-known font with all those characters."""
    for entry in sorted(entries, key=lambda entry: (entry.name not in _KNOWN, entry.name)):
        # Matplotlib's own last resort has a box for every character there is.
        usual = entry.style == "normal" and "last resort" not in entry.name.lower()
        if usual and needed <= _characters(entry.fname):
            return str(entry.name)
    return None


@cache
def _characters(path: str) -> frozenset[int]:
    """Return the code points that a font file has; none when it was uninstalled or cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@cache
def families(text: str) -> tuple[str, ...] | None:
    """Return the fonts, the first one first, that together have all characters of a text; None without such fonts."""
    rest = "".join(sorted(set(text) - _basic()))
    if not rest:
        return (BASE,)
    font = find_font(rest)
    return (BASE, font) if font else None


@cache
def _basic() -> frozenset[str]:
    from matplotlib.font_manager import findfont

    return frozenset(map(chr, _characters(findfont(BASE)))) | frozenset(" \n")


def legible(texts: Sequence[str], kind: str) -> list[str]:
    """Return texts on one line each, those that no font can show as their kind and place: ``class 7``.

    Places are counted from 0, as the classes of a model are. A text that is replaced is a warning, `MissingGlyphs`.
    """
    plain = [" ".join(_printable(text).split()) for text in texts]
    if families("".join(sorted(set("".join(plain))))):
        return plain
    shown = [text if families(text) else f"{kind} {place}" for place, text in enumerate(plain)]
    numbered = f"{kind}es" if kind.endswith("s") else f"{kind}s"
    warnings.warn(
        f"no installed font has all characters of the names, so some {numbered} are shown by their numbers from 0; "
        f"a font such as {_KNOWN[0]} has them",
        MissingGlyphs,
        stacklevel=2,
    )
    return shown


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Matplotlib from warning of characters that it only has to measure."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield
    finally:
        log.setLevel(level)
