"""Predicted spans and pairs as JSON lines that doccano imports, so that people can correct them and train on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.data.opinion.export import write_doccano
from paddle_tasks.tasks.opinion.scoring import read_pairs, read_spans
from paddle_tasks.training.protocol import Record, RecordFormat


def as_example(record: Record) -> OpinionExample:
    """Return a record of `predict` as an annotated review."""
    pairs = tuple(read_pairs(0, record)) if "triplets" in record else None
    return OpinionExample(record["input"], tuple(read_spans(0, record)), pairs, "")


def write_records(records: Sequence[Record], path: Path) -> None:
    """Write the records of `predict` for doccano's import."""
    write_doccano(path, map(as_example, records))


DOCCANO = RecordFormat(write_file=write_records)
