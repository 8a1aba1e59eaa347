"""Train a task from its configuration: check everything, continue or start, score, write the results."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import paddle
from paddle import nn

from paddle_tasks import config as configuration
from paddle_tasks import runtime, tasks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import describe
from paddle_tasks.errors import CheckpointError, Interrupted, RunStopped
from paddle_tasks.files import copy_folder
from paddle_tasks.models import cpu, gpu
from paddle_tasks.training.adversarial import check_word_vectors
from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.training.checkpoint import Checkpoint, CheckpointStore, load_optimizer_state
from paddle_tasks.training.loop import Loop, Progress
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.optimizer import build_optimizer, freeze, group_rate_factors
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.protocol import Evaluation, Task
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.session import Event, Session, flatten_metrics
from paddle_tasks.training.settings import RunSection, TrainingSection
from paddle_tasks.training.stopping import StopSignal
from paddle_tasks.training.tracking import Tracker, open_tracker
from paddle_tasks.workflows import panels as looking
from paddle_tasks.workflows.run_folder import RunFolder

Status = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Note:
    """Something to tell the user: what was restored, moved aside or left alone."""

    text: str


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and its result.json."""

    folder: Path
    result: Mapping[str, Any]


Observer = Callable[[Event | Note], None]


def load_config(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> RunSection:
    """Return the merged, validated configuration of a file or a mapping.

    Raises:
        ConfigError: every mistake in it.
    """
    where, tree = merged(source, overrides)
    return validated(tree, where)


def merged(source: str | Path | Mapping[str, Any], overrides: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the name, for messages, of a file or a mapping, and its sections with what is laid over them.

    Raises:
        ConfigError: no such file, no YAML, or an override that is none.
    """
    if isinstance(source, Mapping):
        where, stem, tree = "config", "run", dict(source)
    else:
        path = Path(source)
        where, stem, tree = str(path), path.stem, configuration.read(path)
    tree = configuration.override(tree, overrides)
    tree.setdefault("run_dir", f"runs/{stem}")
    return where, tree


def validated(tree: Mapping[str, Any], where: str) -> RunSection:
    """Return the validated configuration of its task.

    Raises:
        ConfigError: every mistake in it.
    """
    task = tasks.find(tree.get("task"))
    config: RunSection = configuration.validate(tree, task.Config, where, {"evaluation.metric": task.METRICS})
    return config


def train(
    config: str | Path | Mapping[str, Any],
    *,
    device: str = "auto",
    fresh: bool = False,
    observe: Observer = lambda _event: None,
    **overrides: Any,
) -> Run:
    """Train, score and write the run folder; an unfinished run is continued, a finished one left alone.

    Args:
        config: a YAML file or a mapping of its sections.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        fresh: move an older run folder aside and start anew.
        observe: is told of every step, evaluation and checkpoint.
        **overrides: sections or dotted keys, as in ``train(path, seed=1, **{"training.epochs": 2})``.

    Raises:
        UserError: something in the configuration, the data or the run folder; nothing was written.
        Interrupted: SIGINT or SIGTERM; the checkpoint is written.
        NonFiniteError: the loss is not finite; the last checkpoint is that before.
    """
    with Ranks.from_environment().raise_together():
        merged = load_config(config, assignments(overrides))
    return run_training(merged, device=device, fresh=fresh, observe=observe)


def assignments(overrides: Mapping[str, Any]) -> list[str]:
    """Return sections or dotted keys as KEY=VALUE."""
    return [f"{key}={configuration.dump_inline(value)}" for key, value in _flat(overrides)]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def run_training(config: RunSection, *, device: str, fresh: bool, observe: Observer) -> Run:
    """Do what `train` does with a validated configuration."""
    ranks = Ranks.from_environment()
    observe = observe if ranks.writes else lambda _event: None  # rank 0 alone speaks
    folder = RunFolder(Path(config.run_dir))
    with ranks.raise_together():  # so that no rank writes before all have looked
        result = None if fresh else folder.finished(config)
    if result:
        observe(Note(f"{folder.path} is finished already; nothing to do (--fresh trains anew)"))
        return Run(folder.path, result)
    with ranks.raise_together():
        runtime.use_device(device)
    task = _read_task(config, ranks)
    for split in filter(lambda split: split.remark, task.splits.values()):
        observe(Note(split.remark))
    with ranks.raise_together():
        paddle.seed(config.seed)
        model = starting_model(task, config.training)
        optimizer = build_optimizer(model, config.optimizer)
    ranks.broadcast(model.parameters())
    with _opened(folder, config, ranks, fresh=fresh, observe=observe):
        return _Training(config, task, model, optimizer, folder, observe).run()


def _read_task(config: RunSection, ranks: Ranks) -> Task:
    task: Task = tasks.find(config.task)(config)
    task.ranks = ranks
    ranks.run_rank_0_first(task.read)  # what rank 0 fetches or encodes, the others find in the cache
    return task


@contextlib.contextmanager
def _opened(folder: RunFolder, config: RunSection, ranks: Ranks, *, fresh: bool, observe: Observer) -> Iterator[None]:
    """Make the run folder and keep other runs out of it, which is rank 0's to do."""
    with contextlib.ExitStack() as lock:
        with ranks.raise_together():
            if ranks.writes:
                if folder.exists and fresh:
                    observe(Note(f"the older run is now {folder.move_aside()}"))
                folder.create(config)
                lock.enter_context(folder.locked())
        yield


def starting_model(task: Task, training: TrainingSection) -> nn.Layer:
    """Return the task's model, as the configuration wants it trained."""
    model = task.build_model()
    freeze(model, training.freeze)
    if training.fgm_epsilon:
        check_word_vectors(model)
    if training.recompute:
        model.encoder.recompute()
    if training.deterministic:
        runtime.make_deterministic()
    cpu.switch_in(model)
    if training.precision != "float32" and paddle.device.get_device().startswith("gpu"):
        gpu.switch_in(model)
    return model


def build_loop(config: RunSection, task: Task, model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> Loop:
    """Return the loop from its first step on, with the weights in the precision that the configuration asks for."""
    training = config.training
    loop = Loop(
        model=model,
        loss=task.loss,
        optimizer=optimizer,
        settings=config.optimizer,
        batches_of=task.batches_of,
        n_batches=task.n_batches,
        epochs=training.epochs,
        accumulation_steps=training.accumulation_steps,
        max_steps=training.max_steps,
        seed=config.seed,
        on_nonfinite=training.on_nonfinite,
        progress=Progress(),
        precision=Precision.prepare(training.precision, training.amp_level),
        fgm_epsilon=training.fgm_epsilon,
        average=WeightAverage(model, training.ema_decay) if training.ema_decay else None,
        ranks=task.ranks,
        stop=StopSignal(single_process=task.ranks.size == 1),
    )
    loop.precision.decorate(model, optimizer)
    return loop


class _Training:
    """One training process: the parts that the steps of its course share."""

    def __init__(
        self,
        config: RunSection,
        task: Task,
        model: nn.Layer,
        optimizer: paddle.optimizer.Optimizer,
        folder: RunFolder,
        observe: Observer,
    ) -> None:
        self.config, self.task, self.model, self.folder = config, task, model, folder
        self.optimizer, self.observe = optimizer, observe
        self.store = CheckpointStore(folder.checkpoints, config.training.keep_checkpoints)
        self.loop = build_loop(config, task, model, optimizer)
        self.average, self.ranks, self.stop = self.loop.average, self.loop.ranks, self.loop.stop
        self.scores: dict[SplitName, Evaluation] = {}

    def run(self) -> Run:
        if self.loop.precision.dtype != self.config.training.precision:
            self.observe(Note(f"training.precision {self.config.training.precision} needs a GPU: computing in float32"))
        with self.ranks.raise_together():
            checkpoint = self._restore()
        try:
            return Run(self.folder.path, self._train_from(checkpoint))
        except RunStopped:
            self.ranks.barrier()  # the launcher ends all processes as soon as one has failed, and rank 0 may be writing
            raise

    def _train_from(self, checkpoint: Checkpoint | None) -> dict[str, Any]:
        status: Status = "failed"
        try:
            with self._tracker(checkpoint) as tracker, self.stop.listening():
                self._look(looking.introduce, tracker, self.config, self.task.splits, self.model)
                self._session(tracker).run()
                self._score_best(tracker)
            status = "finished"
        except (Interrupted, KeyboardInterrupt):
            status = "interrupted"
            raise
        finally:
            result = self._result(status)
            if self.ranks.writes:
                self.folder.write_result(result)
        return result

    def _tracker(self, checkpoint: Checkpoint | None) -> contextlib.AbstractContextManager[Tracker]:
        if not self.ranks.writes:
            return contextlib.nullcontext(Tracker({}))
        positions = dict(checkpoint.state["positions"]) if checkpoint else None
        logging = self.config.logging
        return open_tracker(self.folder.path, visualdl=logging.visualdl, detail=logging.detail, positions=positions)

    def _restore(self) -> Checkpoint | None:
        checkpoint = self.store.load_latest()
        if checkpoint is None:
            return None  # nothing was earned yet, so training starts with the first step
        self._check_data(checkpoint)
        self.task.load_weights(self.model, checkpoint.folder / "model")
        if self.average:
            self.average.restart()
        load_optimizer_state(self.optimizer, self.model, checkpoint.folder / "optimizer.safetensors", self.average)
        if self.loop.precision.scaler and "scaler" in checkpoint.state:
            self.loop.precision.scaler.load_state_dict(checkpoint.state["scaler"])
        self.loop.progress = Progress(**checkpoint.state["progress"])
        for problem in checkpoint.skipped:
            self.observe(Note(f"passed over a damaged checkpoint: {problem}"))
        progress = self.loop.progress
        self.observe(
            Note(
                f"continuing {self.folder.path} after step {progress.step} of {self.loop.total_steps} (epoch "
                f"{progress.epoch + 1}): weights, optimiser, order of the data and metrics restored from "
                f"{checkpoint.folder}"
            )
        )
        return checkpoint

    def _check_data(self, checkpoint: Checkpoint) -> None:
        for name, split in self.task.splits.items():
            if checkpoint.state["data"].get(name) != split.sha256:
                raise CheckpointError(
                    f"{self.folder.path}: data.{name} ({split.path}) has changed since this run began, so it cannot be "
                    "continued exactly; put the file back, or start anew with --fresh"
                )
        if checkpoint.state.get("taught_by", "") != self.task.taught_by:
            raise CheckpointError(
                f"{self.folder.path}: a model of training.loss.teachers has changed since this run began, so it cannot "
                "be continued exactly; put the model back, or start anew with --fresh"
            )

    def _session(self, tracker: Tracker) -> Session:
        config = self.config
        return Session(
            loop=self.loop,
            tracker=tracker,
            store=self.store,
            evaluate=partial(self._evaluate, tracker),
            write_model=self._write_model,
            keep_best=lambda checkpoint: copy_folder(checkpoint / "model", self.folder.model),
            observe=self.observe,
            metric=config.evaluation.metric,
            evaluate_every=config.evaluation.every_steps,
            save_every=config.training.save_every_steps,
            log_every=config.logging.every_steps,
            patience=config.training.early_stopping_patience,
            state={
                "data": {name: split.sha256 for name, split in self.task.splits.items()},
                "taught_by": self.task.taught_by,
            },
            rate_factors=group_rate_factors(self.model, config.optimizer),
        )

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        return self.average.applied() if self.average else contextlib.nullcontext()

    def _evaluate(self, tracker: Tracker, check_interrupt: Callable[[], None]) -> Mapping[str, Any]:
        with self._averaged():
            evaluation = self._scored("dev", check_interrupt)
            self._look(looking.show_progress, tracker, self.loop, evaluation, self.config.evaluation.every_steps)
        return evaluation.metrics

    def _look(self, show: Callable[..., None], *what: Any) -> None:
        """Have rank 0 show something; the others tell it meanwhile that they are alive."""
        self.ranks.run_rank_0_first(partial(looking.safely(show, lambda text: self.observe(Note(text))), *what))

    def _scored(self, name: SplitName, check_interrupt: Callable[[], None]) -> Evaluation:
        with self.loop.precision.autocast_evaluation():
            return self.task.evaluate(self.model, self.task.splits[name], check_interrupt)

    def _write_model(self, folder: Path) -> None:
        with self._averaged():
            self.task.save_model(self.model, folder)

    def _score_best(self, tracker: Tracker) -> None:
        self.ranks.barrier()  # for rank 0 to have written it
        self.task.load_weights(self.model, self.folder.model)
        for name in self.task.splits:
            if name != "train":
                self.scores[name] = self._scored(name, self.stop.check_local)
        progress = self.loop.progress
        autocast = self.loop.precision.autocast_evaluation
        self._look(looking.show_vectors, tracker, progress.step, "dev", self.scores["dev"], autocast)
        if "test" in self.scores:
            tracker.write_scalars(
                progress.step, progress.current_epoch, flatten_metrics(self.scores["test"].metrics, "test")
            )
            self._look(looking.show_scored, tracker, progress.step, "test", self.scores["test"])
        if self.ranks.writes:
            self.folder.write_predictions(self.scores)

    def _result(self, status: Status) -> dict[str, Any]:
        progress = self.loop.progress
        n_parameters = sum(math.prod(parameter.shape) for parameter in self.model.parameters())
        return {
            "schema": 1,
            "task": self.config.task,
            "status": status,
            "seed": self.config.seed,
            "model": {"encoder": self._encoder_name(), "parameters": n_parameters},
            "data": describe(self.task.splits),
            **{name: dict(self.scores[name].metrics) for name in ("dev", "test") if name in self.scores},
            "train": {
                "epochs": progress.epoch,
                "optimizer_steps": progress.step,
                "best_step": progress.best_step,
                "stopped_early": progress.stopped_early,
                "skipped_steps": progress.skipped_steps,
                "seconds": round(progress.seconds, 3),
                "tokens": progress.n_tokens,
                "padded_tokens": progress.n_padded_tokens,
                "padding": round(1 - progress.n_tokens / progress.n_padded_tokens, 4) if progress.n_tokens else None,
                "tokens_per_second": round(progress.n_tokens / progress.seconds, 1) if progress.seconds else None,
                "peak_memory_mb": peak_memory_mb(),
            },
            "environment": {**runtime.describe_environment(paddle.device.get_device()), "processes": self.ranks.size},
        }

    def _encoder_name(self) -> str:
        return str(getattr(getattr(self.config, "model", None), "encoder", ""))
