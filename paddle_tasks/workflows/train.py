"""Train a task: check everything, start or continue the run, score its best model, write the results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import paddle

from paddle_tasks import runtime, tasks
from paddle_tasks.errors import SetupError, join_all
from paddle_tasks.language import _
from paddle_tasks.process_state import default_settings, random_generator, training_slot
from paddle_tasks.training.build import build_model, describe_model
from paddle_tasks.training.folder_lock import FolderLock
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.precision import resolve
from paddle_tasks.training.protocol import Task
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.run_folder import RunFolder, in_precision
from paddle_tasks.training.settings import RunSection
from paddle_tasks.training.trainer import InputReport, Note, Observer, Trainer, encoder_name
from paddle_tasks.workflows.config import assignments, load_config
from paddle_tasks.workflows.notebook import ignore_events, observing
from paddle_tasks.workflows.run import Run

__all__ = ["Run", "ignore_events", "run_in_slot", "run_training", "train"]


def train(
    config: str | Path | Mapping[str, Any],
    *,
    device: str = "auto",
    fresh: bool = False,
    observe: Observer | None = None,
    progress: bool = True,
    **overrides: Any,
) -> Run:
    """Train, score and write the run folder; an unfinished run is continued, a finished one is left unchanged.

    A notebook shows a progress bar and a curve meanwhile. When it is interrupted, the same call goes on.

    >>> run = train("configs/quick/sentiment.yaml", run_dir="runs/first", training={"max_steps": 4})
    >>> run.folder.name, run.result["train"]["optimizer_steps"]
    ('first', 4)
    >>> sorted(run.scores.columns)
    ['dev', 'test']

    Args:
        config: a YAML file or a mapping of its sections.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        fresh: move an existing run folder aside and start anew.
        observe: is called with every step, evaluation and checkpoint; a notebook then shows no progress itself.
        progress: whether a notebook shows progress.
        **overrides: sections or dotted keys, as in ``train(path, seed=1, training={"epochs": 2})``.

    Raises:
        UserError: something in the configuration, the data or the run folder is wrong, or another training is running
            in this process; nothing was written.
        Interrupted: SIGINT or SIGTERM; a checkpoint was written.
        NonFiniteError: the loss is not finite; the last checkpoint is from before.
    """
    with Ranks.from_environment().raise_together():
        merged = load_config(config, assignments(overrides))
    with observing(observe, merged.run_dir, progress=progress) as observer:
        return run_training(merged, device=device, fresh=fresh, observe=observer)


def run_training(config: RunSection, *, device: str, fresh: bool, observe: Observer) -> Run:
    """Do what `train` does with a validated configuration.

    Raises:
        SetupError: a training is running in this process already, or Paddle is in static mode; nothing was written.
    """
    with training_slot(config.run_dir):
        return run_in_slot(config, device=device, fresh=fresh, observe=observe)


@default_settings()
def run_in_slot(config: RunSection, *, device: str, fresh: bool, observe: Observer) -> Run:
    """Do what `run_training` does while the caller holds `training_slot`, as a sweep does for all of its runs."""
    ranks = Ranks.from_environment()
    observe = observe if ranks.writes else ignore_events
    folder = RunFolder.of(config)
    with _owned(folder, ranks) as lock:
        with ranks.raise_together():  # no rank writes before all ranks have looked
            config = in_precision(config, None if fresh else folder.precision)
            result = _look(folder, config, fresh=fresh)
        if result:
            observe(Note(_("{run} is finished already; nothing to do (--fresh trains anew)").format(run=folder.path)))
            return Run(folder.path, result)
        damage = None if fresh else folder.result_damage()
        if damage:
            observe(Note(_("{problem}; it is written anew by continuing the run").format(problem=damage)))
        with ranks.raise_together():
            runtime.use_device(device)
            config = in_precision(config, resolve(config.training.precision))
            _check_alike(config, ranks)
        trainer = _prepare(config, folder, ranks, observe)
        with ranks.raise_together():
            moved = folder.create(config, lock, fresh=fresh) if lock else None
        if moved:
            observe(Note(_("the older run is now {folder}").format(folder=moved)))
        return Run(folder.path, trainer.run())


def _check_alike(config: RunSection, ranks: Ranks) -> None:
    """Check that all ranks compute in the same precision.

    Raises:
        SetupError: their machines differ in what ``auto`` means.
    """
    found = sorted(set(ranks.gather_objects(config.training.precision)))
    if len(found) > 1:
        raise SetupError(
            _(
                "training.precision: auto is {precisions} on different ranks; set it to float32, or to bfloat16 if all "
                "machines have it"
            ).format(precisions=join_all(found))
        )


@contextlib.contextmanager
def _owned(folder: RunFolder, ranks: Ranks) -> Iterator[FolderLock | None]:
    """Keep other runs out of the folder before anything is looked at; rank 0 does this for all."""
    with contextlib.ExitStack() as stack:
        with ranks.raise_together():
            lock = stack.enter_context(folder.locked()) if ranks.writes else None
        yield lock


def _look(folder: RunFolder, config: RunSection, *, fresh: bool) -> RunResult | None:
    """Return the result of a finished run of this configuration; with ``fresh``, check that the folder can be moved."""
    if not fresh:
        return folder.finished(config)
    if folder.exists:
        folder.check_is_run()
    return None


def _prepare(config: RunSection, folder: RunFolder, ranks: Ranks, observe: Observer) -> Trainer:
    """Read the data and build the model; write nothing."""
    task = _read_task(config, ranks)
    with ranks.raise_together(), random_generator():
        paddle.seed(config.seed)
        model = build_model(task, config.training)
        optimizer = build_optimizer(model, config.optimizer)
    if ranks.writes:
        model_line = describe_model(model, encoder_name(config.model) or config.task, config.training.freeze)
        observe(InputReport((*task.describe_data(), model_line), tuple(task.remarks())))
    ranks.broadcast(model.parameters())
    return Trainer(config, task, model, optimizer, folder, observe)


def _read_task(config: RunSection, ranks: Ranks) -> Task:
    task = tasks.find(config.task)(config)
    task.ranks = ranks
    ranks.run_rank_0_first(task.read)  # the others find in the cache what rank 0 has fetched or encoded
    return task
