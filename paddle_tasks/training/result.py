"""The result of a run, as result.json holds it: written by training and baselines, read by everything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paddle_tasks.data.tables.catalogue import SplitName, shipped_name
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError
from paddle_tasks.files import nonfinite_to_null, parse_json, read_settings_text, write_json
from paddle_tasks.language import _
from paddle_tasks.validation_messages import explain

SCHEMA = 1
FILE = "result.json"
Status = Literal["finished", "interrupted", "failed"]
Metrics = Mapping[str, Any]
MEASURED_SUFFIX = "_per_second"
"""The end of the names of metrics that are measured, and differ each time."""


class _Facts(BaseModel):
    """A part of result.json; what else a file holds is kept."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class ModelFacts(_Facts):
    """The encoder's name, or that of a baseline, and the number of parameters."""

    encoder: str
    parameters: int | None = None


class SplitFacts(_Facts):
    """What was read of a split; ``sha256`` identifies its rows."""

    path: str
    rows: int
    sha256: str
    skipped_rows: int = 0


def describe_splits(splits: Mapping[SplitName, Split[Any]]) -> dict[SplitName, SplitFacts]:
    """Return the facts of splits that have been read."""
    return {name: _describe(split) for name, split in splits.items()}


def _describe(split: Split[Any]) -> SplitFacts:
    part = {"part": str(split.part)} if split.part else {}
    return SplitFacts.model_validate(
        {
            "path": shipped_name(split.path) or str(split.path),
            "rows": len(split.examples),
            "sha256": split.sha256,
            "skipped_rows": len(split.bad_rows),
            **part,
            **split.counts,
        }
    )


class TrainFacts(_Facts):
    """How long training took; what only training in steps has is null for a baseline."""

    epochs: int | None = None
    optimizer_steps: int | None = None
    best_step: int | None = None
    stopped_early: bool | None = None
    skipped_steps: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    padded_tokens: int | None = None
    padding: float | None = None
    tokens_per_second: float | None = None
    peak_memory_mb: float | None = None


class RunResult(_Facts):
    """result.json.

    Attributes:
        schema_number: the version of this layout; files hold it as ``schema``.
        dev: the metrics of the dev split; None when it was not scored.
        test: those of the test split.
    """

    schema_number: int = Field(default=SCHEMA, alias="schema")
    task: str
    status: Status
    seed: int
    model: ModelFacts
    data: Mapping[SplitName, SplitFacts]
    dev: Metrics | None = None
    test: Metrics | None = None
    train: TrainFacts
    environment: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.status == "finished"

    @property
    def scores(self) -> dict[SplitName, Metrics]:
        """The metrics of each split that was scored."""
        found: dict[SplitName, Metrics | None] = {"dev": self.dev, "test": self.test}
        return {name: metrics for name, metrics in found.items() if metrics is not None}

    def to_json(self) -> dict[str, Any]:
        """Return the object that result.json holds: what was given, under the names of the file; null for NaN."""
        tree: dict[str, Any] = nonfinite_to_null(self.model_dump(mode="json", by_alias=True, exclude_unset=True))
        return tree

    def write(self, folder: Path) -> None:
        """Write result.json into a run folder, whole or not at all."""
        write_json(folder / FILE, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> RunResult | None:
        """Return the result of a run folder, or None when there is none yet.

        Raises:
            DataError: the file is no result of this schema.
        """
        path = folder / FILE
        return parse(read_settings_text(path), str(path)) if path.is_file() else None


def parse(text: str, where: str) -> RunResult:
    """Return the result that a text holds.

    Raises:
        DataError: no JSON, another schema, or a missing or wrong value; the message names ``where`` and the key.
    """
    try:
        tree = parse_json(text)
    except ValueError as error:
        raise DataError(_("{file}: not valid JSON ({problem})").format(file=where, problem=error)) from error
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if schema != SCHEMA:
        raise DataError(
            _("{file}: expected an object with schema {schema}, found {found!r}; another version wrote it").format(
                file=where, schema=SCHEMA, found=schema
            )
        )
    try:
        return RunResult.model_validate(tree)
    except ValidationError as error:
        problem = explain(error.errors()[0], RunResult)
        raise DataError(_("{file}: {problem}").format(file=where, problem=problem)) from error
