"""The folder of one run: what it contains, whether its run can be continued, and moving it aside."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks import config as configuration
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.files import write_text
from paddle_tasks.training.protocol import Evaluation, Record
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.settings import AnyRunSection


@dataclass(frozen=True)
class RunFolder:
    """``runs/NAME`` and the names of its contents."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The merged configuration."""
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the best model."""
        return self.path / "model"

    @property
    def exists(self) -> bool:
        """Whether the path exists; an empty folder counts as absent."""
        return any(self.path.iterdir()) if self.path.is_dir() else self.path.exists()

    def result(self) -> RunResult | None:
        """Return the result, or None if there is none yet.

        Raises:
            DataError: result.json cannot be read.
        """
        return RunResult.read(self.path)

    def finished(self, config: AnyRunSection) -> RunResult | None:
        """Return the result of a finished run of this configuration, or None if there is more to do.

        Raises:
            CheckpointError: the folder holds a run of another configuration, or something else.
        """
        if not self.exists:
            return None
        self.check_same(config)
        result = self.result()
        return result if result and result.is_finished else None

    def check_same(self, config: AnyRunSection) -> None:
        """Check that the folder holds a run of this configuration.

        Raises:
            CheckpointError: it holds a run of another one (the differences are listed), or something else.
        """
        self.check_is_run()
        try:
            old = configuration.validate(configuration.read(self.config_file), type(config), str(self.config_file))
        except ConfigError as error:  # the configuration of another task, for example
            raise CheckpointError(
                f"{self.path}: holds a run of another kind; choose another run_dir\n{error}"
            ) from error
        # The folder may have been renamed, or named relative to another folder.
        differences = configuration.list_differences(old.model_copy(update={"run_dir": config.run_dir}), config)
        if differences:
            listing = "\n".join(f"  {line}" for line in differences)
            raise CheckpointError(
                f"{self.path}: holds a run with another configuration:\n{listing}\n"
                "choose another run_dir, or use --fresh to move it aside and start anew"
            )

    def check_is_run(self) -> None:
        """Check that the folder holds a run of any configuration.

        Raises:
            CheckpointError: it holds something else.
        """
        if not self.config_file.is_file():
            raise CheckpointError(
                f"{self.path}: exists, but is not a run folder (it has no config.yaml); choose another run_dir"
            )

    def move_aside(self) -> Path:
        """Rename the folder to the first of ``NAME.1``, ``NAME.2``, … that does not exist.

        Raises:
            CheckpointError: it does not hold a run, or another process is training in it.
        """
        self.check_is_run()
        number, path = 1, self.path.resolve()
        while (target := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        with self.locked():
            path.rename(target)
        return self.path.with_name(target.name) if self.path.name == path.name else target

    def create(self, config: AnyRunSection) -> None:
        """Make the folder with its config.yaml, unless it exists."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.config_file.exists():
            write_text(self.config_file, configuration.dump(config))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder.

        Raises:
            CheckpointError: another process is training in it.
        """
        with (self.path / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckpointError(f"{self.path}: another process is training in this folder") from None
            except OSError:  # some mounted file systems have no locks
                pass
            yield

    def write_predictions(self, evaluations: Mapping[SplitName, Evaluation], error_kinds: Sequence[str]) -> None:
        """Write ``predictions/SPLIT.jsonl`` and errors.jsonl, which has the errors of all splits.

        Args:
            evaluations: the evaluation of each split.
            error_kinds: the order of the kinds of errors; within a kind the highest loss is first.
        """
        folder = self.path / "predictions"
        folder.mkdir(exist_ok=True)
        for split, evaluation in evaluations.items():
            write_text(folder / f"{split}.jsonl", _json_lines(evaluation.predictions))
        errors = [
            {"split": split, **record}
            for split, evaluation in evaluations.items()
            for record in evaluation.error_records()
        ]

        def order(error: Record) -> tuple[int, float]:
            return error_kinds.index(error["kind"]) if error.get("kind") else 0, -error["loss"]

        write_text(folder / "errors.jsonl", _json_lines(sorted(errors, key=order)))


def _json_lines(records: Sequence[Record]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
