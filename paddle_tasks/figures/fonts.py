"""Fonts that can show a text, and replacements for texts that no font can show."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from paddle_tasks.language import _, label_name

_KNOWN = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")
"""Fonts that are preferred among those that have the characters."""

BASE = "DejaVu Sans"
"""The font that comes with Matplotlib; used for all characters that it has."""


class MissingGlyphs(UserWarning):
    """No installed font has the characters of some texts, so these are replaced.

    Nothing else says so: Matplotlib's own warnings, one for each character, are suppressed. The command line collects
    these warnings and says once how to install a font.
    """


def find_font(text: str) -> str | None:
    """Return the name of an installed font with all characters of a text, or None."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    needed = {ord(character) for character in text if not character.isspace()}
    font = _preferred_font(needed, fontManager.ttflist)
    if font is None:  # Matplotlib caches its list of fonts; there may be newly installed ones
        listed = list(fontManager.ttflist)
        for path in sorted({*findSystemFonts()} - {entry.fname for entry in listed}):
            with contextlib.suppress(OSError, RuntimeError):
                fontManager.addfont(path)
        font = _preferred_font(needed, fontManager.ttflist[len(listed) :])
    return font


def _preferred_font(needed: set[int], entries: Iterable[Any]) -> str | None:
    """Return the name of the first font with all needed code points; those of `_KNOWN` come first."""
    for entry in sorted(entries, key=lambda entry: (entry.name not in _KNOWN, entry.name)):
        # Matplotlib's "last resort" font shows every character as a box.
        is_usable = entry.style == "normal" and "last resort" not in entry.name.lower()
        if is_usable and needed <= _characters(entry.fname):
            return str(entry.name)
    return None


@cache
def _characters(path: str) -> frozenset[int]:
    """Return the code points of a font file; none if the file is missing or cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@cache
def families(text: str) -> tuple[str, ...] | None:
    """Return the fonts, in order of preference, that together have all characters of a text; None if there are none."""
    missing = "".join(sorted(set(text) - _base_characters()))
    if not missing:
        return (BASE,)
    font = find_font(missing)
    return (BASE, font) if font else None


@cache
def _base_characters() -> frozenset[str]:
    from matplotlib.font_manager import findfont

    return frozenset(map(chr, _characters(findfont(BASE)))) | frozenset(" \n")


def caption(message: str) -> str:
    """Return a text of a figure in the current language, or as it is if no font has its translation.

    Calls belong to the catalogue of messages, like those of ``_``.
    """
    return legible(_(message), message)


def legible(text: str, english: str) -> str:
    """Return a translated text, or the English one if no font has its characters; then `MissingGlyphs` is issued."""
    if families(text):
        return text
    warnings.warn(f"no installed font has all characters of {text!r}", MissingGlyphs, stacklevel=2)
    return english


def label_names(labels: Sequence[str]) -> list[str]:
    """Return labels with their translations, such as ``房产 (realty)``; without a font for these, as they are."""
    names = [label_name(label) for label in labels]
    return names if families("".join(sorted(set("".join(names))))) else list(labels)


def legible_names(names: Sequence[str], kind: str) -> list[str]:
    """Return each name on one line; a name that no font can show becomes its kind and index, such as ``class 7``.

    Indices start at 0, like the classes of a model. If a name is replaced, the warning `MissingGlyphs` is issued.
    """
    plain = [" ".join(_printable(name).split()) for name in names]
    if families("".join(sorted(set("".join(plain))))):
        return plain
    shown = [name if families(name) else f"{kind} {index}" for index, name in enumerate(plain)]
    plural = f"{kind}es" if kind.endswith("s") else f"{kind}s"
    warnings.warn(
        f"no installed font has all characters of the names, so some {plural} are shown by their numbers from 0; "
        f"a font such as {_KNOWN[0]} has them",
        MissingGlyphs,
        stacklevel=2,
    )
    return shown


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress Matplotlib's warnings about missing glyphs, which it also gives when it only measures a text."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield
    finally:
        log.setLevel(level)
