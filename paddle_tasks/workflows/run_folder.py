"""The folder of one run: what it holds, whether it may be continued, and moving it aside."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.files import write_json, write_text
from paddle_tasks.metrics.spans import ERROR_KINDS
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.settings import AnyRunSection


@dataclass(frozen=True)
class RunFolder:
    """``runs/NAME`` and the names of what is in it."""

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
        """Whether anything is there; an empty folder is as good as none."""
        return any(self.path.iterdir()) if self.path.is_dir() else self.path.exists()

    def result(self) -> dict[str, Any] | None:
        """Return result.json, or None when there is none yet."""
        file = self.path / "result.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None

    def finished(self, config: AnyRunSection) -> dict[str, Any] | None:
        """Return the result of a finished run of this configuration, or None when there is more to do.

        Raises:
            CheckpointError: the folder holds a run of another configuration, or something else.
        """
        if not self.exists:
            return None
        self.check_same(config)
        result = self.result()
        return result if result and result["status"] == "finished" else None

    def check_same(self, config: AnyRunSection) -> None:
        """Make sure that the folder holds a run of this very configuration.

        Raises:
            CheckpointError: it holds a run of another one (the differences are listed), or something else.
        """
        self.check_is_run()
        try:
            old = configuration.validate(configuration.read(self.config_file), type(config), str(self.config_file))
        except ConfigError as error:  # that of another task, say
            raise CheckpointError(
                f"{self.path}: holds a run of another kind; choose another run_dir\n{error}"
            ) from error
        # The folder may have been renamed, or be named from another place.
        found = configuration.differences(old.model_copy(update={"run_dir": config.run_dir}), config)
        if found:
            listing = "\n".join(f"  {line}" for line in found)
            raise CheckpointError(
                f"{self.path}: holds a run with another configuration:\n{listing}\n"
                "choose another run_dir, or --fresh to move it aside and start anew"
            )

    def check_is_run(self) -> None:
        """Make sure that the folder holds a run, whichever.

        Raises:
            CheckpointError: it holds something else.
        """
        if not self.config_file.is_file():
            raise CheckpointError(
                f"{self.path}: is there, but is no run (it has no config.yaml); choose another run_dir"
            )

    def move_aside(self) -> Path:
        """Rename the folder to the first of ``NAME.1``, ``NAME.2``, … that is free.

        Raises:
            CheckpointError: it holds no run, or another process is training in it.
        """
        self.check_is_run()
        number, path = 1, self.path.resolve()
        while (target := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        with self.locked():
            path.rename(target)
        return self.path.with_name(target.name) if self.path.name == path.name else target

    def create(self, config: AnyRunSection) -> None:
        """Make the folder with its config.yaml, unless it is there."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.config_file.exists():
            write_text(self.config_file, configuration.dump(config))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder.

        Raises:
            CheckpointError: one does already.
        """
        with (self.path / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckpointError(f"{self.path}: another process is training in this folder") from None
            except OSError:  # a file system that knows no locks, as some mounted ones
                pass
            yield

    def write_predictions(self, evaluations: Mapping[SplitName, Evaluation]) -> None:
        """Write ``predictions/SPLIT.jsonl``, and the errors of all splits, by kind and worst first, to errors.jsonl."""
        folder = self.path / "predictions"
        folder.mkdir(exist_ok=True)
        for split, evaluation in evaluations.items():
            write_text(folder / f"{split}.jsonl", _lines(evaluation.predictions))
        wrong = [
            {"split": split, **record} for split, evaluation in evaluations.items() for record in evaluation.wrong()
        ]
        write_text(folder / "errors.jsonl", _lines(sorted(wrong, key=_badness)))

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write result.json, whole or not at all."""
        write_json(self.path / "result.json", result)


def _badness(error: Mapping[str, Any]) -> tuple[int, float]:
    kind = error.get("kind")
    return ERROR_KINDS.index(kind) if kind else 0, -error["loss"]


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
