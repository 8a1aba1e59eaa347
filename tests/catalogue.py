"""The messages of the package, and its catalogue of translations; ``make catalogue`` brings the two in step."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from paddle_tasks.language import DOMAIN, FOLDER

PACKAGE = FOLDER.parent
_KEYWORDS: dict[str, Any] = {
    "_": None,
    "plural": (1, 2),
    "in_context": ((1, "c"), 2),
    "mark": None,
    "caption": None,  # of a figure
    "mark_in_context": ((1, "c"), 2),
}
PO = FOLDER / "zh" / "LC_MESSAGES" / f"{DOMAIN}.po"
MO = PO.with_suffix(".mo")
_HEADER = "# Chinese messages of paddle_tasks. After an edit: make catalogue"


def extract() -> Catalog:
    """Return the messages of the code, of the command line's help and of the references, without translations."""
    messages = Catalog(header_comment=_HEADER, project=DOMAIN, charset="utf-8")
    for file, _line, message, comments, context in extract_from_dir(PACKAGE, keywords=_KEYWORDS):
        messages.add(message, locations=[(file, None)], auto_comments=comments, context=context)
    for place, text in [*help_texts(), *reference_notes()]:
        messages.add(text, locations=[(place, None)])
    return messages


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield the command and the text of each help message."""
    import typer

    from paddle_tasks.cli.commands import app
    from paddle_tasks.cli.help import texts_of

    yield from texts_of(typer.main.get_command(app))


def reference_notes() -> Iterator[tuple[str, str]]:
    """Yield the file and each note on published scores."""
    from paddle_tasks.reporting.references import FILE, load_shipped_references

    for data_set in load_shipped_references().data_sets.values():
        yield from ((FILE.relative_to(PACKAGE).as_posix(), each.note) for each in data_set.published if each.note)


def read(path: Path = PO) -> Catalog:
    """Return the catalogue of the package."""
    with path.open("rb") as file:
        return read_po(file, locale="zh", domain=DOMAIN)


def update(catalogue: Catalog) -> list[Message]:
    """Add new messages to a catalogue, drop those that are no longer used, and return those without a translation."""
    catalogue.update(extract(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    for message in catalogue:  # Babel marks plurals without a translation, and compiles no marked message later
        message.flags.discard("fuzzy")
    return [message for message in catalogue if message.id and not is_translated(message)]


def is_translated(message: Message) -> bool:
    """Return whether each form of a message has a translation."""
    return all(message.string) if isinstance(message.string, (tuple, list)) else bool(message.string)


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as the file that gettext reads."""
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def main(paths: list[str]) -> None:
    """Update the catalogue, take translations from the catalogues at ``paths``, and compile it."""
    catalogue = read()
    update(catalogue)
    for path in paths:
        for message in read(Path(path)):
            known = catalogue.get(message.id, message.context) if message.id else None
            if known is not None and is_translated(message):
                known.string = message.string
    missing = update(catalogue)
    with PO.open("wb") as file:
        write_po(file, catalogue, width=120, omit_header=False, sort_output=True, include_lineno=False)
    MO.write_bytes(compiled(catalogue))
    for message in missing:
        sys.stderr.write(f"{PO}: no translation of {message.id!r}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
