"""Trains one run in its folder: restore, train, score the best model, write the results."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import paddle
from paddle import nn

from paddle_tasks import runtime
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import CheckpointError, Interrupted, NonFiniteError, RunStopped
from paddle_tasks.files import copy_folder
from paddle_tasks.language import _, mark
from paddle_tasks.onednn import precision as cpu_precision
from paddle_tasks.training import run_panels
from paddle_tasks.training.build import build_loop
from paddle_tasks.training.capabilities import CalibratingTask
from paddle_tasks.training.checkpoint import Checkpoint, CheckpointStore, load_optimizer_state
from paddle_tasks.training.loop import Loop, Progress
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.optimizer import group_rate_factors
from paddle_tasks.training.protocol import Evaluation, Task
from paddle_tasks.training.result import SCHEMA, ModelFacts, RunResult, Status, TrainFacts, describe_splits
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.session import Event, Session, flatten_metrics
from paddle_tasks.training.settings import RunSection
from paddle_tasks.training.tracking import Tracker, open_tracker, restore_positions

_OLDER_OTHER_INPUTS = {"taught_by": "training.loss.teachers"}
"""Keys of state.json in which older versions kept the digest of an input besides the splits."""

_ADVICE = mark("lower optimizer.learning_rate and train again with --fresh")


@dataclass(frozen=True)
class Note:
    """A message for the user: what was restored, moved aside or left unchanged."""

    text: str


@dataclass(frozen=True)
class InputReport:
    """What a run has read and is going to train, reported before anything is written.

    Attributes:
        lines: rows, labels and lengths of the data, and the size of the model.
        remarks: what is suspicious about the data without being wrong.
    """

    lines: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def text(self) -> str:
        """The message for the user."""
        return "\n".join([*self.lines, *(_("remark: {remark}").format(remark=remark) for remark in self.remarks)])


Observer = Callable[[Event | Note | InputReport], None]
"""Called with everything that happens in a run."""


class Trainer:
    """One training process of a run.

    Attributes:
        scores: the evaluations of the best model, by split.
    """

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
        self.ranks = task.ranks
        self.scores: dict[SplitName, Evaluation] = {}

    @cached_property
    def loop(self) -> Loop:
        """The training loop."""
        return build_loop(self.config, self.task, self.model, self.optimizer)

    def run(self) -> RunResult:
        """Train to the end, from the latest checkpoint on if there is one.

        Raises:
            RunStopped: the run ended early; its result says how.
            UserError: the run cannot be continued.
        """
        if self.loop.precision.dtype != self.config.training.precision:
            self._notify(self._why_float32())
        with self.ranks.raise_together():
            checkpoint = self._restore()
        try:
            return self._train_from(checkpoint)
        except RunStopped:
            # The launcher ends all processes as soon as one has failed, while rank 0 may still be writing.
            self.ranks.barrier()
            raise

    def _why_float32(self) -> str:
        precision = self.config.training.precision
        if precision == "float16":
            return _("training.precision {precision} needs a GPU: computing in float32").format(precision=precision)
        return _("training.precision {precision} is not used, since {reason}: computing in float32").format(
            precision=precision, reason=cpu_precision.why_not_bfloat16()
        )

    def _notify(self, text: str) -> None:
        self.observe(Note(text))

    def _train_from(self, checkpoint: Checkpoint | None) -> RunResult:
        status: Status = "failed"
        try:
            with self._tracker(checkpoint) as tracker, self.loop.stop.listening():
                self._show(run_panels.show_run_info, tracker, self.config, self.task.splits, self.model)
                self._session(tracker).run()
                self._check_learnt()
                self._score_best(tracker)
            status = "finished"
        except (Interrupted, KeyboardInterrupt):
            status = "interrupted"
            raise
        finally:
            result = self._result(status)
            if self.ranks.writes:
                result.write(self.folder.path)
        return result

    def _tracker(self, checkpoint: Checkpoint | None) -> contextlib.AbstractContextManager[Tracker]:
        if not self.ranks.writes:
            return contextlib.nullcontext(Tracker({}))
        positions = dict(checkpoint.state["positions"]) if checkpoint else None
        logging = self.config.logging
        return open_tracker(self.folder.path, visualdl=logging.visualdl, detail=logging.detail, positions=positions)

    # ---- continuing

    def _restore(self) -> Checkpoint | None:
        checkpoint = self.store.load_latest()
        if checkpoint is None:
            return None  # training starts with the first step
        progress = _progress(checkpoint)
        self._check_inputs(checkpoint)
        rebuilt = self._restore_logs(checkpoint) if self.ranks.writes else []
        self.task.load_weights(self.model, checkpoint.folder / "model")
        loop = self.loop
        if loop.average:
            loop.average.restart()
        load_optimizer_state(self.optimizer, self.model, checkpoint.folder / "optimizer.safetensors", loop.average)
        if loop.precision.scaler and "scaler" in checkpoint.state:
            loop.precision.scaler.load_state_dict(checkpoint.state["scaler"])
        loop.progress = progress
        skipped = [
            _("skipped a damaged checkpoint: {problem}").format(problem=problem) for problem in checkpoint.skipped
        ]
        for note in (*skipped, *rebuilt, self._describe_start(checkpoint)):
            self._notify(note)
        return checkpoint

    def _describe_start(self, checkpoint: Checkpoint) -> str:
        progress = self.loop.progress
        return _(
            "continuing {run} after step {step} of {steps} (epoch {epoch}): weights, optimiser, order of the data and "
            "metrics restored from {checkpoint}"
        ).format(
            run=self.folder.path,
            step=progress.step,
            steps=self.loop.total_steps,
            epoch=progress.epoch + 1,
            checkpoint=checkpoint.folder,
        )

    def _restore_logs(self, checkpoint: Checkpoint) -> list[str]:
        return restore_positions(
            self.folder.path,
            checkpoint.state["positions"],
            visualdl=self.config.logging.visualdl,
            epoch_of=lambda step: math.ceil(step / self.loop.steps_per_epoch),
        )

    def _check_inputs(self, checkpoint: Checkpoint) -> None:
        for name, split in self.task.splits.items():
            if checkpoint.state["data"].get(name) != split.sha256:
                raise CheckpointError(
                    _(
                        "{run}: data.{split} ({path}) has changed since this run began, so it cannot be continued "
                        "exactly; restore the file, or start anew with --fresh"
                    ).format(run=self.folder.path, split=name, path=split.path)
                )
        # Older checkpoints do not tell; at that time a CPU computed in float32 only.
        older = "float32" if self.loop.precision.on_cpu else self.loop.precision.dtype
        computed = checkpoint.state.get("precision", older)
        if computed != self.loop.precision.dtype:
            raise CheckpointError(
                _(
                    "{run}: this run was computed in {before}, here it would be continued in {now} and differ; "
                    "continue it on a machine that has {before} (`paddle-tasks doctor` tells), or start anew with "
                    "--fresh"
                ).format(run=self.folder.path, before=computed, now=self.loop.precision.dtype)
            )
        before, now = _other_inputs(checkpoint.state), dict(self.task.other_inputs)
        changed = [setting for setting in {**before, **now} if before.get(setting) != now.get(setting)]
        if changed:
            raise CheckpointError(
                _(
                    "{run}: a file or model that {setting} names has changed since this run began, so it cannot be "
                    "continued exactly; put it back, or start anew with --fresh"
                ).format(run=self.folder.path, setting=changed[0])
            )

    # ---- training

    def _session(self, tracker: Tracker) -> Session:
        config, metric = self.config, self.config.evaluation.metric
        return Session(
            loop=self.loop,
            tracker=tracker,
            store=self.store,
            evaluate=partial(self._evaluate, tracker),
            write_model=self._write_model,
            keep_best=lambda checkpoint: copy_folder(checkpoint / "model", self.folder.model),
            observe=self.observe,
            metric=metric,
            lower_is_better=metric in self.task.LOWER_IS_BETTER,
            summary_metrics=self.task.SUMMARY_METRICS,
            evaluate_every=config.evaluation.every_steps,
            save_every=config.training.save_every_steps,
            log_every=config.logging.every_steps,
            patience=config.training.early_stopping_patience,
            state={
                "data": {name: split.sha256 for name, split in self.task.splits.items()},
                "other_inputs": dict(self.task.other_inputs),
                "precision": self.loop.precision.dtype,
            },
            rate_factors=group_rate_factors(self.model, config.optimizer),
        )

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        return self.loop.average.applied() if self.loop.average else contextlib.nullcontext()

    def _evaluate(self, tracker: Tracker, check_interrupt: Callable[[], None]) -> Mapping[str, Any]:
        with self._averaged():
            evaluation = self._score("dev", check_interrupt)
            every_steps = self.config.evaluation.every_steps
            self._show(run_panels.show_progress, tracker, self.loop, evaluation, every_steps)
        return evaluation.metrics

    def _show(self, show: Callable[..., None], *arguments: Any) -> None:
        """Let rank 0 show something; the other ranks keep the connection alive meanwhile."""
        self.ranks.run_rank_0_first(partial(run_panels.without_failing(show, self._notify), *arguments))

    def _score(self, name: SplitName, check_interrupt: Callable[[], None]) -> Evaluation:
        with self.loop.precision.autocast_evaluation():
            return self.task.evaluate(self.model, self.task.splits[name], check_interrupt)

    def _write_model(self, folder: Path) -> None:
        with self._averaged():
            self.task.save_model(self.model, folder)

    # ---- the end

    def _check_learnt(self) -> None:
        """Raise if all steps were skipped, or if no evaluation has chosen a model."""
        progress, metric = self.loop.progress, self.config.evaluation.metric
        if progress.skipped_steps == progress.step:
            problem = _("all {count} steps were skipped, since their losses or gradients were not finite").format(
                count=progress.step
            )
        elif not progress.best_step:
            problem = _("dev {metric} was NaN in every evaluation").format(metric=metric)
        else:
            return
        raise NonFiniteError(
            _("{run}: {problem}; {advice}").format(run=self.folder.path, problem=problem, advice=_(_ADVICE))
        )

    def _score_best(self, tracker: Tracker) -> None:
        self.ranks.barrier()  # rank 0 has written the model
        try:
            self.task.load_weights(self.model, self.folder.model)
        except CheckpointError as error:  # written by this run, so not the user's mistake
            raise NonFiniteError(_("the best model cannot be used: {error}").format(error=error)) from error
        if isinstance(self.task, CalibratingTask):
            self.task.start_final_scores()
        for name in self.task.splits:
            if name != "train":
                scored = self._score(name, self.loop.stop.check_local)
                self._check_finite(name, scored.metrics)
                self.scores[name] = scored
        if isinstance(self.task, CalibratingTask) and self.ranks.writes:
            self.task.write_settings(self.folder.model)
        step, epoch = self.loop.progress.step, self.loop.progress.current_epoch
        autocast = self.loop.precision.autocast_evaluation
        self._show(run_panels.show_vectors, tracker, step, "dev", self.scores["dev"], autocast)
        if "test" in self.scores:
            tracker.write_scalars(step, epoch, flatten_metrics(self.scores["test"].metrics, "test"))
            self._show(run_panels.show_evaluation, tracker, step, "test", self.scores["test"])
        if self.ranks.writes:
            self.folder.write_predictions(self.scores, self.task.ERROR_KINDS)

    def _check_finite(self, split: SplitName, metrics: Mapping[str, Any]) -> None:
        for name in {"loss", self.config.evaluation.metric}:
            value = metrics.get(name)
            if isinstance(value, float) and not math.isfinite(value):
                problem = _("{split} {metric} of the best model is {value}, expected a finite number").format(
                    split=split, metric=name, value=value
                )
                raise NonFiniteError(
                    _("{run}: {problem}; {advice}").format(run=self.folder.path, problem=problem, advice=_(_ADVICE))
                )

    def _result(self, status: Status) -> RunResult:
        n_parameters = sum(math.prod(parameter.shape) for parameter in self.model.parameters())
        environment = runtime.describe_environment(paddle.device.get_device())
        scores: dict[str, Any] = {name: dict(evaluation.metrics) for name, evaluation in self.scores.items()}
        return RunResult(
            schema=SCHEMA,
            task=self.config.task,
            status=status,
            seed=self.config.seed,
            model=ModelFacts(encoder=encoder_name(self.config.model), parameters=n_parameters),
            data=describe_splits(self.task.splits),
            **scores,
            train=self._train_facts(),
            environment={**environment, "processes": self.ranks.size, "precision": self.loop.precision.dtype},
        )

    def _train_facts(self) -> TrainFacts:
        progress = self.loop.progress
        return TrainFacts(
            epochs=progress.epoch,
            optimizer_steps=progress.step,
            best_step=progress.best_step,
            stopped_early=progress.stopped_early,
            skipped_steps=progress.skipped_steps,
            seconds=round(progress.seconds, 3),
            tokens=progress.n_tokens,
            padded_tokens=progress.n_padded_tokens,
            padding=round(1 - progress.n_tokens / progress.n_padded_tokens, 4) if progress.n_tokens else None,
            tokens_per_second=round(progress.n_tokens / progress.seconds, 1) if progress.seconds else None,
            peak_memory_mb=peak_memory_mb(),
        )


def encoder_name(model: Any) -> str:
    """Return ``model.encoder``, or an empty string for a task without an encoder."""
    return str(getattr(model, "encoder", ""))


def _progress(checkpoint: Checkpoint) -> Progress:
    """Return the progress; the state also has the positions in the logs, and what identifies the data."""
    try:
        dict(checkpoint.state["positions"]), dict(checkpoint.state["data"])
        return Progress(**checkpoint.state["progress"])
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(
            _("{folder}: its state is that of another version ({error}); start anew with --fresh").format(
                folder=checkpoint.folder, error=error
            )
        ) from error


def _other_inputs(state: Mapping[str, Any]) -> dict[str, str]:
    older = {setting: str(state[key]) for key, setting in _OLDER_OTHER_INPUTS.items() if state.get(key)}
    return {**older, **state.get("other_inputs", {})}
