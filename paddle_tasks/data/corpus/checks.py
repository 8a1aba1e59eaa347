"""The data report of documents: their number and lengths, duplicates, and documents that occur in several splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_tasks.data.corpus.documents import CorpusSection, Document, read_documents
from paddle_tasks.data.tables import checks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.language import _


class DocumentLayoutSection(CorpusSection):
    """How files of documents are laid out; the path is that of each split."""

    path: str = ""


class DocumentDataCheck:
    """The data check of documents."""

    layout_section = DocumentLayoutSection

    def check(self, sources: Mapping[SplitName, str], layout: DocumentLayoutSection) -> dict[str, Any]:
        """Return the data report; a document counts as one text, and documents have no labels."""
        return check_documents(
            {name: _read(name, layout.model_copy(update={"path": path})) for name, path in sources.items()}
        )

    def lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        """Yield the report as lines of text."""
        for split, rows in report["rows"].items():
            values = {"count": rows, "lines": report["lines"][split], "lengths": checks.describe_lengths(report, split)}
            yield _("{split:6} {count:,} documents of {lines:,} lines, {lengths}").format(split=split, **values)
        yield from checks.finding_lines(report, contradiction=_("with more than one label"))


def check_documents(splits: Mapping[SplitName, Split[LabelledText]]) -> dict[str, Any]:
    """Return the data report of documents that have been read, each as one text."""
    report = checks.check(splits)
    del report["labels"]
    report["lines"] = {name: _count_lines(split) for name, split in splits.items()}
    return report


def as_texts(split: Split[Document]) -> Split[LabelledText]:
    """Return the documents of a split as texts."""
    documents = [LabelledText("\n".join(document.lines), "", document.where) for document in split.examples]
    return Split(split.name, split.path, split.sha256, documents, split.bad_rows)


def _read(name: SplitName, section: CorpusSection) -> Split[LabelledText]:
    rows = list(read_documents(section, Path(), name))
    documents = [LabelledText("\n".join(row.lines), "", row.where) for row in rows if isinstance(row, Document)]
    return Split(name, Path(section.path), "", documents, [row for row in rows if isinstance(row, BadRow)])


def _count_lines(split: Split[LabelledText]) -> int:
    return sum(example.text.count("\n") + 1 for example in split.examples)
