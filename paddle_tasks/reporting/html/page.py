"""The page: chapters, rendered by templates that escape every text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from itertools import chain, count
from pathlib import Path

import jinja2
from markupsafe import Markup

from paddle_tasks.files import write_text
from paddle_tasks.language import _, current, join
from paddle_tasks.reporting.entries import BrokenFolder, Entry, read_entries
from paddle_tasks.reporting.groups import group_entries
from paddle_tasks.reporting.html.blocks import Chapter
from paddle_tasks.reporting.html.chapters import chapter
from paddle_tasks.reporting.html.runs import studied_runs
from paddle_tasks.training.baselines import find_baseline
from paddle_tasks.training.display import Segment
from paddle_tasks.training.display_html import replace_invalid
from paddle_tasks.training.result import RunResult

_TEMPLATES = "templates"
_LEVELS = 4
"""Shades of characters that count for an answer, and against it."""
_LABEL_STYLES = 4


def write_page(entries: Sequence[Entry], broken: Sequence[BrokenFolder], path: Path) -> None:
    """Write the report on entries as one HTML file, atomically.

    Args:
        entries: the rows of the results table.
        broken: the folders that could not be read.
        path: the new file.
    """
    write_text(path, render_page(entries, broken))


def render_page(entries: Sequence[Entry], broken: Sequence[BrokenFolder]) -> str:
    """Return the page that `write_page` writes, in the current language; equal runs give equal pages."""
    chapters = make_chapters(entries)
    titles = join([one.title for one in chapters])
    return str(
        _environment()
        .get_template("page.html")
        .render(
            language={"zh": "zh-CN"}.get(current(), current()),
            title=_("Results: {titles}").format(titles=titles),
            chapters=chapters,
            broken=broken,
            texts=_texts(),
            style=Markup(_read("style.css")),
        )
    )


def make_chapters(entries: Sequence[Entry]) -> list[Chapter]:
    """Return a chapter for each data set that entries were scored on, with the baselines beside their runs."""
    entries = [*entries, *_baselines(entries)]
    runs = dict(zip(map(id, entries), studied_runs(entries, _short_names(entries)), strict=True))
    groups = group_entries(entries)
    return [
        chapter(group, [runs[id(entry)] for entry in group.entries], f"part{number}")
        for number, group in enumerate(groups, start=1)
    ]


def _baselines(entries: Sequence[Entry]) -> list[Entry]:
    """Return the baselines in folders beside those of entries, without those that are entries themselves."""
    known = {Path(entry.name).resolve() for entry in entries}
    found: dict[Path, None] = {}
    for entry in entries:
        folder = Path(entry.name)
        result = RunResult.read(folder) if entry.splits else None
        baseline = find_baseline(folder, result) if result else None
        if baseline and baseline.folder.resolve() not in known:
            found[baseline.folder] = None
    return [entry for entry in read_entries(list(found)) if isinstance(entry, Entry)]


def _short_names(entries: Sequence[Entry]) -> list[str]:
    """Return the name of each folder; the second one of a name has ``-2`` behind it."""
    names: list[str] = []
    for entry in entries:
        name = Path(entry.name).resolve().name
        numbered = (f"{name}-{number}" for number in count(2))
        names.append(next(each for each in chain([name], numbered) if each not in names))
    return names


def _texts() -> dict[str, str]:
    return {
        "contents": _("Contents"),
        "caveats": _("What to keep in mind"),
        "broken": _("Left out"),
        "pass": _("passed"),
        "fail": _("to look at"),
        "unknown": _("not checked"),
        "footer": _("Made by paddle_tasks. This file needs no network and no scripts."),
    }


# ---- templates


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segments"] = segments
    environment.finalize = _finalize
    return environment


def _finalize(value: object) -> object:
    """Replace the characters that no page can hold."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else replace_invalid(value)


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(_TEMPLATES).joinpath(name).read_text(encoding="utf-8")


def segments(line: Sequence[Segment], labels: Sequence[str]) -> Markup:
    """Return the segments of a line as HTML; neighbours of the same style share an element, which keeps pages small.

    Args:
        line: the segments.
        labels: their labels, and those of the other lines of the list.
    """
    parts: list[list[str]] = []
    for segment in line:
        style = _style(segment, labels)
        if parts and parts[-1][0] == style and not segment.label:
            parts[-1][1] += segment.text
        else:
            parts.append([style, segment.text, segment.label or ""])
    return Markup("").join(_draw(*part) for part in parts if part[1])


def _style(segment: Segment, labels: Sequence[str]) -> str:
    """Return the element and class of a segment: ``ins``, ``b.p3`` or nothing."""
    if segment.label:
        return f"mark.l{labels.index(segment.label) % _LABEL_STYLES}"
    if segment.change:
        return "ins" if segment.change == "added" else "del"
    level = round(abs(segment.strength) * _LEVELS)
    if level:
        return f"b.{'p' if segment.strength > 0 else 'n'}{level}"
    return f"span.{segment.tone}" if segment.tone else ""


def _draw(style: str, text: str, label: str) -> Markup:
    escaped = Markup.escape(replace_invalid(text))
    if not style:
        return escaped
    name, _dot, class_name = style.partition(".")
    attribute = f' class="{class_name}"' if class_name else ""
    after = Markup("<small>{}</small>").format(label) if label else ""
    return Markup(f"<{name}{attribute}>{escaped}{after}</{name}>")
