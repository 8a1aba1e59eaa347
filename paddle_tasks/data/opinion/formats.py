"""Tell the format of a file of annotated reviews from its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paddle_tasks.data.opinion.doccano import SPAN_KEYS, TEXT_KEYS
from paddle_tasks.data.opinion.examples import OpinionFormat
from paddle_tasks.data.opinion.json_files import JsonRecord, first_text
from paddle_tasks.data.opinion.json_values import quote
from paddle_tasks.data.opinion.label_studio import is_min_task, is_task
from paddle_tasks.data.opinion.token_lines import SEPARATOR, is_tag
from paddle_tasks.data.opinion.two_tables import LABELS, REVIEWS
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError, at, shorten
from paddle_tasks.language import _, join, mark

EXPECTED = mark(
    "expected JSON lines or an array of objects with text and spans (ours), s and ot (COTE), text or data and label or "
    "entities (doccano), or the tasks of Label Studio; or lines of characters####triplets (ASTE), or of one token and "
    "BIO tag each (CoNLL); or the CSVs of reviews and labels; set data.format to the right one"
)
_MAX_KEYS, _MAX_KEY_LENGTH = 10, 40


def object_format(record: Mapping[str, Any]) -> OpinionFormat | None:
    """Return the format of a JSON object; None if it has none of these."""
    if "s" in record and "ot" in record:
        return "cote"
    if is_task(record) or is_min_task(record):
        return "label_studio"
    items = _span_items(record)
    if items is None or not any(key in record for key in TEXT_KEYS):
        return None
    first = items[0] if items else {}
    if not isinstance(first, list | dict) or _has_numbered_label(first):
        return None
    is_own = "spans" in record and "text" in record and isinstance(first, dict) and "start_offset" not in first
    return "jsonl" if is_own else "doccano"


def _has_numbered_label(item: Any) -> bool:
    """Return whether a span has the number of its label instead of the name, as in an early export of doccano."""
    return isinstance(item, dict) and "start_offset" in item and isinstance(item.get("label"), int)


def _span_items(record: Mapping[str, Any]) -> list[Any] | None:
    """Return the first list of spans that is not empty, an empty list if all are, or None if there is none."""
    lists = [record[key] for key in SPAN_KEYS if isinstance(record.get(key), list)]
    return next((items for items in lists if items), [] if lists else None)


def infer_object_format(file: str, records: Sequence[JsonRecord | BadRow]) -> OpinionFormat:
    """Return the format of a file of JSON objects: that of the first object with annotations, or of the first one.

    Raises:
        DataError: the file has no object, or its format is not known.
    """
    objects = _decisive_objects(records)
    if not objects:
        raise DataError(str(records[0]) if records else _("{file}: the file is empty").format(file=file))
    number, first = objects[0]
    form = object_format(first)
    if form is None:
        raise DataError(at(f"{file}:{number}", describe_unknown(first)))
    return form


def require_object_format(file: str, records: Sequence[JsonRecord | BadRow], form: OpinionFormat) -> None:
    """Refuse a file of JSON objects none of which has the configured format.

    Raises:
        DataError: the message names what was found.
    """
    objects = _decisive_objects(records)
    if not objects or any(object_format(record) == form for _number, record in objects):
        return
    number, first = objects[0]
    inferred = object_format(first)
    other = _("its first object has the format {format}")
    reason = other.format(format=inferred) if inferred else describe_unknown(first)
    message = _("{where}: data.format={format}: {reason}")
    raise DataError(message.format(where=f"{file}:{number}", format=form, reason=reason))


def _decisive_objects(records: Sequence[JsonRecord | BadRow]) -> list[JsonRecord]:
    """Return the objects with annotations, or all if none has any.

    An object without annotations, which has empty lists where its spans could be, is the same in several formats.
    """
    objects = [record for record in records if not isinstance(record, BadRow)]
    return [record for record in objects if _span_items(record[1]) != [] or "s" in record[1]] or objects


def describe_unknown(record: Mapping[str, Any]) -> str:
    """Return why an object has no known format: it has labels of whole texts, numbered labels, or other keys."""
    for key in SPAN_KEYS:
        value = record.get(key)
        labels = value if isinstance(value, list) else [value]
        if value is not None and labels and all(isinstance(label, str | int | float) for label in labels):
            message = _(
                "{key}: {label} is a label of the whole text, as in doccano's export of classifications; this task "
                "reads spans; {expected}"
            )
            return message.format(key=key, label=quote(value), expected=_(EXPECTED))
        if labels and _has_numbered_label(labels[0]):
            message = _(
                "{key}: the labels are numbers without their names; export as JSONL with text labels from doccano"
            )
            return message.format(key=key)
    names = [shorten(key, _MAX_KEY_LENGTH) for key in list(record)[:_MAX_KEYS]]
    keys = join([*names, *["…"] * (len(record) > _MAX_KEYS)]) or _("(none)")
    message = _("cannot tell its format from the keys {keys} of its first object; {expected}")
    return message.format(keys=keys, expected=_(EXPECTED))


def infer_line_format(file: str, lines: Sequence[Line | BadRow]) -> OpinionFormat:
    """Return the format of a file that is not JSON.

    Raises:
        DataError: the file is empty, or its format is not known.
    """
    texts = [line[1] for line in lines if not isinstance(line, BadRow) and line[1].strip()]
    if not texts:
        empty = _("{file}: the file is empty").format(file=file)
        raise DataError(next((str(line) for line in lines if isinstance(line, BadRow)), empty))
    first = first_text(lines)
    if SEPARATOR in first:
        return "aste"
    header = {cell.strip().strip('"') for cell in first.split(",")}
    if set(REVIEWS.values()) <= header or set(LABELS.values()) <= header:
        return "two_csv"
    tags = [line.split()[-1] for line in texts if len(line.split()) > 1]
    if tags and is_tag(tags[0]):
        return "conll"
    message = _("{file}: cannot tell its format from {found!r}; {expected}")
    raise DataError(message.format(file=file, found=first[:60], expected=_(EXPECTED)))
