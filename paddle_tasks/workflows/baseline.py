"""Fit and score the baseline of a task on its data: same readers, splits, metrics and files as training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import create_model

from paddle_tasks import config as configuration
from paddle_tasks import runtime, tasks
from paddle_tasks.config import Section
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, join
from paddle_tasks.process_state import default_numpy_errors
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.protocol import Baseline, BaselineScores
from paddle_tasks.training.result import ModelFacts, RunResult, TrainFacts, describe_splits
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.session import flatten_metrics
from paddle_tasks.training.settings import AnyRunSection, Detail
from paddle_tasks.training.tracking import open_tracker
from paddle_tasks.training.trainer import Note, Observer, encoder_name
from paddle_tasks.workflows.config import assignments, merge, validate
from paddle_tasks.workflows.notebook import observing
from paddle_tasks.workflows.run import Run

Options = Mapping[str, Any]
"""The options of a baseline; if one is missing or None, the configuration decides, or else the default."""


class BaselineLogging(Section):
    """What is written besides metrics.jsonl."""

    visualdl: bool = True
    detail: Detail = "normal"


class BaselineConfig(AnyRunSection):
    """The whole configuration of a baseline; ``data`` is the task's, ``model`` the baseline's."""

    logging: BaselineLogging = BaselineLogging()


def load_config(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), options: Options | None = None
) -> BaselineConfig:
    """Return the configuration of a baseline, from that of a training run or from a baseline's config.yaml.

    The ``run_dir`` of a training run gets the suffix ``-baseline``, unless ``overrides`` sets it; if an option names
    another baseline than the default one, the suffix ends with this name, as in ``-baseline-lexicon``.

    Raises:
        ConfigError: every mistake in it; or the task has no baseline, or not these options.
    """
    where, tree = merge(source, overrides)
    baseline = _baseline(tree.get("task"))
    plain = configuration.to_plain(options or {}, "options")
    given = {name: value for name, value in plain.items() if value is not None}
    _check_options(tree["task"], baseline, given)
    if not _is_baseline(baseline, tree):
        keeps_folder = any(item.startswith("run_dir=") for item in overrides)
        tree = _from_training(tree, where, "" if keeps_folder else _suffix(baseline, given))
    tree["model"] = baseline.complete(tree["model"], given)
    return configuration.validate(tree, _schema(tree["task"]), where)


def _baseline(name: Any) -> Baseline:
    baseline = tasks.find(name).BASELINE
    if baseline is None:
        able = [other for other in tasks.names() if tasks.find(other).BASELINE is not None]
        message = _("task: {name} has no baseline; these tasks have one: {others}")
        raise ConfigError(message.format(name=name, others=join(able)))
    return baseline


def _check_options(task: str, baseline: Baseline, options: Options) -> None:
    unknown = [name for name in options if name not in baseline.options]
    if unknown:
        message = _("{option}: not an option of the baseline of {task}, which has {options}")
        known = join(baseline.options) or _("no options")
        raise ConfigError(message.format(option=unknown[0], task=task, options=known))


@cache
def _schema(task: str) -> type[BaselineConfig]:
    """Return the model of the configuration with the sections of task and baseline, the same object each time."""
    data: Any = tasks.find(task).Config.model_fields["data"].annotation
    model: Any = _baseline(task).model_section
    return create_model("BaselineConfig", __base__=BaselineConfig, data=(data, ...), model=(model, ...))


def _is_baseline(baseline: Baseline, tree: Mapping[str, Any]) -> bool:
    model = tree.get("model")
    return isinstance(model, Mapping) and baseline.recognises(str(model.get("encoder")))


def is_baseline(tree: Mapping[str, Any]) -> bool:
    """Return whether a configuration is that of a baseline."""
    baseline = tasks.find(tree.get("task")).BASELINE
    return baseline is not None and _is_baseline(baseline, tree)


def fit_baseline(config: BaselineConfig, notify: Callable[[str], None]) -> BaselineScores:
    """Fit and score a baseline; write nothing.

    Raises:
        UserError: the data cannot be used.
    """
    return _baseline(config.task).fit(config, notify)


def _suffix(baseline: Baseline, given: Options) -> str:
    """Return the suffix of the run folder, so that the runs of several baselines of a task stay apart."""
    default, chosen = (baseline.complete({}, options)["encoder"] for options in ({}, given))
    return f"-baseline-{chosen}" if chosen != default and chosen in given.values() else "-baseline"


def _from_training(tree: Mapping[str, Any], where: str, suffix: str) -> dict[str, Any]:
    """Return the sections of a baseline from those of a training run, all of which must be valid."""
    config = validate(tree, where)
    shared = {name: tree[name] for name in ("task", "seed", "data") if name in tree}
    folder = f"{config.run_dir.rstrip('/')}{suffix}" if suffix else config.run_dir
    logging = config.logging.model_dump(include={"visualdl", "detail"})
    return {**shared, "run_dir": folder, "model": {}, "logging": logging}


def baseline(
    config: str | Path | Mapping[str, Any],
    *,
    options: Options | None = None,
    fresh: bool = False,
    observe: Observer | None = None,
    progress: bool = True,
    **overrides: Any,
) -> Run:
    """Fit, score and write the run folder; a finished run is left unchanged.

    The run that `paddle_tasks.train` returns for the same configuration shows the scores beside its own.

    >>> run = baseline("configs/quick/sentiment.yaml", run_dir="runs/first-baseline")
    >>> run.result["model"]["encoder"]
    'tfidf-char-svm'

    Args:
        config: the YAML file or mapping of a training run, or a baseline's config.yaml.
        options: the options of the baseline, such as ``{"features": "word", "classifier": "logistic"}`` for TF-IDF.
        fresh: move an existing run folder aside and start anew.
        observe: is called with messages; a notebook then shows none itself.
        progress: whether a notebook shows messages.
        **overrides: sections or dotted keys, as `paddle_tasks.workflows.train.train` takes them.

    Raises:
        UserError: something in the configuration, the data or the run folder is wrong; nothing was written.
    """
    merged = load_config(config, assignments(overrides), options)
    with observing(observe, merged.run_dir, progress=progress) as observer:
        return run_baseline(merged, fresh=fresh, observe=observer)


@default_numpy_errors()
def run_baseline(config: BaselineConfig, *, fresh: bool, observe: Observer) -> Run:
    """Do what `baseline` does with a validated configuration.

    Everything is computed before the first file is written, so that an interruption leaves nothing unfinished.
    """
    folder = RunFolder.of(config)
    with folder.locked() as lock:
        if fresh and folder.exists:
            folder.check_is_run()
        result = None if fresh else folder.finished(config)
        if result:
            message = _("{run} is finished already; nothing to do (--fresh starts anew)")
            observe(Note(message.format(run=folder.path)))
            return Run(folder.path, result)
        scores = fit_baseline(config, lambda text: observe(Note(text)))
        moved = folder.create(config, lock, fresh=fresh)
        if moved:
            observe(Note(_("the older run is now {folder}").format(folder=moved)))
        return Run(folder.path, _write(scores, config, folder))


def _write(scores: BaselineScores, config: BaselineConfig, folder: RunFolder) -> RunResult:
    """Write the content of the run folder, result.json last, and return the result."""
    result = _result(scores, config)
    with open_tracker(folder.path, visualdl=config.logging.visualdl, detail=config.logging.detail) as tracker:
        for name, evaluation in scores.evaluations.items():
            tracker.write_scalars(1, 1, flatten_metrics(evaluation.metrics, name))
            if tracker.shows("normal"):
                tracker.write_panels(1, evaluation.panels().under(name))
    folder.write_predictions(scores.evaluations, tasks.find(config.task).ERROR_KINDS)
    result.write(folder.path)
    return result


def _result(scores: BaselineScores, config: BaselineConfig) -> RunResult:
    metrics: dict[str, Any] = {name: dict(evaluation.metrics) for name, evaluation in scores.evaluations.items()}
    # What only training in steps has is null, so that comparisons of runs find every key.
    train = TrainFacts(
        epochs=None,
        optimizer_steps=None,
        tokens=None,
        padded_tokens=None,
        tokens_per_second=None,
        seconds=round(scores.seconds, 3),
        peak_memory_mb=peak_memory_mb(),
    )
    return RunResult(
        schema=1,
        task=config.task,
        status="finished",
        seed=config.seed,
        model=ModelFacts(encoder=encoder_name(config.model), parameters=scores.n_parameters),
        data=describe_splits(scores.splits),
        **metrics,
        train=train,
        environment={**runtime.describe_environment("cpu"), "processes": 1},
    )
