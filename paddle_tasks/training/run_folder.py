"""The folder of one run: what it contains, whether its run can be continued, and moving it aside."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from paddle_tasks import config as configuration
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import CheckpointError, ConfigError, DataError
from paddle_tasks.files import expand_user, remove_leftovers, to_json, write_text
from paddle_tasks.language import _
from paddle_tasks.operating_system import patiently
from paddle_tasks.training.folder_lock import FolderLock, check_links
from paddle_tasks.training.protocol import Evaluation, Record
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.settings import AnyRunSection, Dtype

_LEFTOVERS = re.compile(r"\.lock|\.config\.yaml\..*tmp")
"""Files of a run that ended before its config.yaml was written."""


C = TypeVar("C", bound=AnyRunSection)


def in_precision(config: C, precision: Dtype | None) -> C:
    """Return a configuration with a precision instead of ``auto``; unchanged if it names another, or for None."""
    training = getattr(config, "training", None)
    if precision is None or training is None or training.precision != "auto":
        return config
    return config.model_copy(update={"training": training.model_copy(update={"precision": precision})})


@dataclass(frozen=True)
class RunFolder:
    """``runs/NAME`` and the names of its contents."""

    path: Path

    @classmethod
    def of(cls, config: AnyRunSection) -> RunFolder:
        """Return the folder of a configuration; ``~`` is the home folder."""
        return cls(expand_user(config.run_dir))

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
        """Whether the path exists; a folder without files, but for those of a run that never began, is absent."""
        if not self.path.is_dir():
            return self.path.exists()
        return not all(_LEFTOVERS.fullmatch(entry.name) for entry in self.path.iterdir())

    def result(self) -> RunResult | None:
        """Return the result, or None if there is none yet.

        Raises:
            DataError: result.json cannot be read.
        """
        return RunResult.read(self.path)

    def result_damage(self) -> str | None:
        """Return why result.json cannot be read; None if it can, or if there is none yet."""
        try:
            self.result()
        except (DataError, OSError) as error:
            return str(error)
        return None

    def finished(self, config: AnyRunSection) -> RunResult | None:
        """Return the result of a finished run of this configuration, or None if there is more to do.

        A result.json that cannot be read is written anew by continuing the run from its last checkpoint.

        Raises:
            CheckpointError: the folder holds a run of another configuration, or something else.
        """
        if not self.exists:
            return None
        self.check_same(config)
        result = None if self.result_damage() else self.result()
        return result if result and result.is_finished else None

    @property
    def precision(self) -> Dtype | None:
        """The precision that config.yaml names; None if there is no such file, or none in it."""
        try:
            tree = configuration.read(self.config_file) if self.config_file.is_file() else {}
        except ConfigError:  # `check_same` reports it
            return None
        training = tree.get("training")
        stored = training.get("precision") if isinstance(training, dict) else None
        return stored if stored in get_args(Dtype) else None

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
                _("{run}: holds a run of another kind; choose another run_dir\n{error}").format(
                    run=self.path, error=error
                )
            ) from error
        # The folder may have been renamed, or named relative to another folder.
        old = old.model_copy(update={"run_dir": config.run_dir})
        differences = configuration.list_differences(old, in_precision(config, self.precision))
        if differences:
            listing = "\n".join(f"  {line}" for line in differences)
            raise CheckpointError(
                _(
                    "{run}: holds a run with another configuration:\n{differences}\n"
                    "choose another run_dir, or use --fresh to move it aside and start anew"
                ).format(run=self.path, differences=listing)
            )

    def check_is_run(self) -> None:
        """Check that the folder holds a run of any configuration.

        Raises:
            CheckpointError: it holds something else.
        """
        if not self.config_file.is_file():
            raise CheckpointError(
                _("{path}: exists, but is not a run folder (it has no config.yaml); choose another run_dir").format(
                    path=self.path
                )
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[FolderLock]:
        """Keep other processes out of this folder, which need not exist yet. What it holds may change before that.

        Raises:
            CheckpointError: another process is training in it, or a link leads nowhere.
        """
        with FolderLock(self.path) as lock:
            yield lock

    def check_links(self) -> None:
        """Check that no link on the way to the folder leads nowhere.

        Raises:
            CheckpointError: one does.
        """
        check_links(self.path)

    def create(self, config: AnyRunSection, lock: FolderLock, *, fresh: bool = False) -> Path | None:
        """Make the folder with its config.yaml, unless it exists.

        Args:
            config: the configuration.
            lock: what `locked` gave.
            fresh: first rename an existing folder to the first of ``NAME.1``, ``NAME.2``, … that does not exist.

        Returns:
            The new path of the older folder, if there was one to rename.

        Raises:
            CheckpointError: the folder to rename does not hold a run, or the folder to continue holds another one.
        """
        moved = self._move_aside(lock) if fresh and self.exists else None
        if self.exists:
            self.check_same(config)
        else:
            lock.folder.mkdir(parents=True, exist_ok=True)  # behind a link, as the link may lead nowhere by now
            write_text(lock.folder / self.config_file.name, configuration.dump(config))
        lock.lock_content()
        for folder in (self.path, self.checkpoints, *(self.path / name for name in ("predictions", "vdl"))):
            remove_leftovers(folder)
        return moved

    def _move_aside(self, lock: FolderLock) -> Path:
        self.check_is_run()
        number, path = 1, lock.folder
        while os.path.lexists(target := path.with_name(f"{path.name}.{number}")):
            number += 1
        lock.release_content()
        patiently(path.rename, target)
        return self.path.with_name(target.name) if self.path.name == path.name else target

    def write_predictions(self, evaluations: Mapping[SplitName, Evaluation], error_kinds: Sequence[str]) -> None:
        """Write ``predictions/SPLIT.jsonl``, errors.jsonl with the errors of all splits, and samples.jsonl.

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
            return error_kinds.index(error["kind"]) if error.get("kind") else 0, -error.get("loss", 0.0)

        write_text(folder / "errors.jsonl", _json_lines(sorted(errors, key=order)))
        samples = [
            {"split": split, **record} for split, evaluation in evaluations.items() for record in evaluation.samples
        ]
        if samples:
            write_text(folder / "samples.jsonl", _json_lines(samples))


def _json_lines(records: Sequence[Record]) -> str:
    return "".join(to_json(record) + "\n" for record in records)
