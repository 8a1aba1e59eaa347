"""The language of messages: English as written in the code, or Chinese from the catalogue in ``locale/``.

Messages with values are written as ``_("{file}: no such file").format(file=path)``, so that a translation can place the
values where its grammar needs them.
"""

from __future__ import annotations

import contextlib
import gettext
import locale
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

LANGUAGES = ("en", "zh")
VARIABLE = "PADDLE_TASKS_LANGUAGE"
"""The environment variable that chooses the language."""
DOMAIN, FOLDER = "paddle_tasks", Path(__file__).parent / "locale"
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_CHINESE = ("zh", "chinese")  # Windows calls its locale Chinese (Simplified)_China
_catalogues: dict[str, gettext.NullTranslations] = {"en": gettext.NullTranslations()}
_chosen: list[str] = []
_of_block: ContextVar[str | None] = ContextVar("language", default=None)
"""The language of the innermost block of `using`; None outside of them."""


def use(language: str) -> None:
    """Write messages in a language from now on, in this process and in those that it starts.

    Raises:
        ValueError: the language is not in `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language: expected {' or '.join(LANGUAGES)}, found {language!r}")
    _of_block.set(None)
    _chosen[:] = [language]
    os.environ[VARIABLE] = language


@contextlib.contextmanager
def using(language: str) -> Iterator[None]:
    """Write messages in a language within a block, as for files that exist in several languages.

    Other threads and asyncio tasks keep theirs, except tasks that start within the block. A `use` within the block ends
    with it.
    """
    before, token = list(_chosen), _of_block.set(language)
    try:
        yield
    finally:
        if _of_block.get() is None:  # `use` was called
            _chosen[:] = before
        _of_block.reset(token)


def current() -> str:
    """Return the language of messages: of `using` or `use`, else of PADDLE_TASKS_LANGUAGE, else of the locale.

    An unknown name in the environment variable is ignored here; the command line reports it.
    """
    of_block = _of_block.get()
    if of_block is not None:
        return of_block
    if _chosen:
        return _chosen[0]
    requested = os.environ.get(VARIABLE)
    return requested if requested in LANGUAGES else language_of_locale()


def language_of_locale() -> str:
    """Return ``zh`` for a Chinese locale, and ``en`` for any other."""
    name = next(filter(None, map(os.environ.get, _LOCALE_VARIABLES)), None) or locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(_CHINESE) else "en"


def _(message: str) -> str:
    """Return a message in the current language."""
    return _catalogue().gettext(message)


def mark(message: str) -> str:
    """Return a message as it is; it is in the catalogue, for ``_(message)`` where it is shown.

    For constants, which are computed before the language is chosen.
    """
    return message


def mark_in_context(context: str, message: str) -> str:  # noqa: ARG001 - the catalogue reads the context
    """Return a message as it is, for ``in_context(context, message)`` where it is shown."""
    return message


def plural(singular: str, plural_form: str, count: int) -> str:
    """Return the form of a message for a count, with ``{count}`` replaced, in the current language.

    ``plural("{count} row", "{count} rows", 2)`` → ``2 rows``
    """
    return _catalogue().ngettext(singular, plural_form, count).format(count=f"{count:,}")


def in_context(context: str, message: str) -> str:
    """Return a message in the current language, of a word with several meanings that in this context.

    ``in_context("label", "positive")`` → ``正面``
    """
    return _catalogue().pgettext(context, message)


def label_name(label: str) -> str:
    """Return the name of a label for people: in Chinese with its translation, if there is one.

    ``label_name("realty")`` → ``房产 (realty)``
    """
    name = in_context("label", label)
    return label if name == label else f"{name} ({label})"


def join(names: Sequence[str]) -> str:
    """Join names with the comma of the current language."""
    return _(", ").join(names)


def _catalogue() -> gettext.NullTranslations:
    language = current()
    if language not in _catalogues:
        _catalogues[language] = gettext.translation(DOMAIN, FOLDER, [language])
    return _catalogues[language]
