"""Score TF-IDF and a linear classifier on a task's own data: same readers, splits, metrics and files as training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import create_model

from paddle_tasks import config as configuration
from paddle_tasks import runtime, tasks
from paddle_tasks.config import Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import LabelledText, Split, describe
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.classification.task import TextClassification
from paddle_tasks.tasks.classification.tfidf import Classifier, Features, Texts, TfidfSection, with_defaults
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.session import scalars_of
from paddle_tasks.training.settings import AnyRunSection, Detail
from paddle_tasks.training.tracking import open_tracker
from paddle_tasks.workflows.run_folder import RunFolder
from paddle_tasks.workflows.train import Note, Run, assignments, merged, validated

Observer = Callable[[Note], None]
Scores = Mapping[SplitName, Evaluation]


@dataclass(frozen=True)
class Options:
    """What a caller may choose of `TfidfSection`; None is the configuration's choice, or else the default.

    Attributes:
        features: n-grams of characters (the default) or of jieba's words.
        classifier: linear support vector machine (the default) or logistic regression.
        c: scikit-learn's C; 0.5 for ``svm`` and 10 for ``logistic`` by default.
        ngrams: shortest and longest n-gram; (1, 3) for ``char`` and (1, 2) for ``word`` by default.
        min_df: in how many train texts an n-gram has to stand; 2 by default.
    """

    features: Literal["char", "word"] | None = None
    classifier: Literal["svm", "logistic"] | None = None
    c: float | None = None
    ngrams: tuple[int, int] | None = None
    min_df: int | None = None

    def over(self, section: Mapping[str, Any]) -> dict[str, Any]:
        """Return a baseline's ``model`` section with these choices laid over it."""
        encoder = str(section.get("encoder", f"{tasks.BASELINE}char-svm"))
        if self.features or self.classifier:
            _, features, classifier = [*encoder.split("-"), "char", "svm"][:3]
            encoder = f"{tasks.BASELINE}{self.features or features}-{self.classifier or classifier}"
        chosen = {"c": self.c, "ngrams": self.ngrams, "min_df": self.min_df}
        given = {name: value for name, value in chosen.items() if value is not None}
        return with_defaults({**section, "encoder": encoder, **given})


class LoggingSection(Section):
    """What is written besides metrics.jsonl, as in a training run's configuration."""

    visualdl: bool = True
    detail: Detail = "normal"


class BaselineConfig(AnyRunSection):
    """The whole configuration of a baseline; its ``data`` is the task's."""

    model: TfidfSection
    logging: LoggingSection = LoggingSection()


NO_OPTIONS = Options()


def load_config(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), options: Options = NO_OPTIONS
) -> BaselineConfig:
    """Return the baseline's configuration, from that of a training run or from the config.yaml of a baseline.

    A training run's ``run_dir`` gets ``-baseline`` behind its name, unless ``overrides`` gives one.

    Raises:
        ConfigError: every mistake in it; or the task does not give one label to each text.
    """
    where, tree = merged(source, overrides)
    _task_class(tree.get("task"))
    if not _is_baseline(tree):
        tree = _from_training(tree, where, keeps_folder=any(key.startswith("run_dir=") for key in overrides))
    tree["model"] = options.over(tree["model"])
    return configuration.validate(tree, _schema(tree["task"]), where)


@cache
def _schema(task: str) -> type[BaselineConfig]:
    """Return the model of the configuration with the task's own ``data``, the same one each time."""
    data: Any = _task_class(task).Config.model_fields["data"].annotation
    return create_model("BaselineConfig", __base__=BaselineConfig, data=(data, ...))


def _task_class(name: Any) -> type[TextClassification]:
    found = tasks.find(name)
    if not issubclass(found, TextClassification):
        able = [other for other in tasks.names() if issubclass(tasks.find(other), TextClassification)]
        raise ConfigError(f"task: {name} has no baseline; only tasks that label texts have ({', '.join(able)})")
    return cast("type[TextClassification]", found)


def _is_baseline(tree: Mapping[str, Any]) -> bool:
    model = tree.get("model")
    return isinstance(model, Mapping) and str(model.get("encoder")).startswith(tasks.BASELINE)


def _from_training(tree: Mapping[str, Any], where: str, *, keeps_folder: bool) -> dict[str, Any]:
    """Return the sections of a baseline beside a training run, whose configuration has to be right as a whole."""
    config = validated(tree, where)
    shared = {name: tree[name] for name in ("task", "seed", "data") if name in tree}
    folder = config.run_dir if keeps_folder else f"{config.run_dir.rstrip('/')}-baseline"
    return {
        **shared,
        "run_dir": folder,
        "model": {},
        "logging": config.logging.model_dump(include={"visualdl", "detail"}),
    }


def baseline(
    config: str | Path | Mapping[str, Any],
    *,
    options: Options = NO_OPTIONS,
    fresh: bool = False,
    observe: Observer = lambda _note: None,
    **overrides: Any,
) -> Run:
    """Fit, score and write the run folder; a finished run is left alone.

    Args:
        config: the YAML file or mapping of a training run, or the config.yaml of a baseline.
        options: which features and which classifier.
        fresh: move an older run folder aside and start anew.
        observe: is told what is going on.
        **overrides: sections or dotted keys, as `paddle_tasks.workflows.train.train` takes them.

    Raises:
        UserError: something in the configuration, the data or the run folder; nothing was written.
    """
    return run_baseline(load_config(config, assignments(overrides), options), fresh=fresh, observe=observe)


def run_baseline(config: BaselineConfig, *, fresh: bool, observe: Observer) -> Run:
    """Do what `baseline` does with a validated configuration.

    Everything is computed before the first file is written, so whoever stops it finds nothing half done.
    """
    folder = RunFolder(Path(config.run_dir))
    if fresh and folder.exists:
        folder.check_is_run()
    result = None if fresh else folder.finished(config)
    if result:
        observe(Note(f"{folder.path} is finished already; nothing to do (--fresh starts anew)"))
        return Run(folder.path, result)
    scored = _Baseline(config, observe).run()
    if fresh and folder.exists:
        observe(Note(f"the older run is now {folder.move_aside()}"))
    return Run(folder.path, _written(scored, config, folder))


@dataclass(frozen=True)
class _Scored:
    """What a baseline came to."""

    evaluations: Scores
    result: Mapping[str, Any]


class _Baseline:
    """One baseline: the parts that the steps of its course share."""

    def __init__(self, config: BaselineConfig, observe: Observer) -> None:
        self.config, self.observe = config, observe
        self.task = _task(config)
        self.features = Features(config.model)

    def run(self) -> _Scored:
        self.task.read_splits()
        for split in filter(lambda split: split.remark, self.task.splits.values()):
            self.observe(Note(split.remark))
        started = time.perf_counter()
        classifier = self._fitted()
        seconds = time.perf_counter() - started
        evaluations: Scores = {
            name: self._scored(classifier, split) for name, split in self.task.splits.items() if name != "train"
        }
        return _Scored(evaluations, self._result(classifier, evaluations, seconds))

    def _fitted(self) -> Classifier:
        train, config = self.task.splits["train"], self.config
        labels = self.task.label_indices(train.examples)
        if len(set(labels)) < 2:
            only = self.task.labels[labels[0]]
            raise DataError(f"data.train: {train.path}: every row has the label {only!r}; expected two labels or more")
        self.observe(Note(f"{config.model.encoder}: learning the n-grams of {len(labels):,} texts"))
        features = self.features.learn(self._texts(train))
        self.observe(Note(f"{config.model.encoder}: fitting {features.shape[1]:,} features"))
        classifier = Classifier(config.model, len(self.task.labels), config.seed)
        if not classifier.fit(features, labels):
            self.observe(Note("the weights have not settled yet; a smaller --c makes that easier"))
        return classifier

    def _scored(self, classifier: Classifier, split: Split[LabelledText]) -> Evaluation:
        return self.task.score(split, classifier.probabilities(self.features.of(self._texts(split))))

    def _texts(self, split: Split[LabelledText]) -> Texts:
        return [self.task.texts_of(example) for example in split.examples]

    def _result(self, classifier: Classifier, evaluations: Scores, seconds: float) -> dict[str, Any]:
        # What only training in steps has is null, so that whoever compares runs finds every key.
        of_steps = ("epochs", "optimizer_steps", "tokens", "padded_tokens", "tokens_per_second")
        return {
            "schema": 1,
            "task": self.config.task,
            "status": "finished",
            "seed": self.config.seed,
            "model": {"encoder": self.config.model.encoder, "parameters": classifier.n_parameters},
            "data": describe(self.task.splits),
            **{name: dict(evaluation.metrics) for name, evaluation in evaluations.items()},
            "train": {**dict.fromkeys(of_steps), "seconds": round(seconds, 3), "peak_memory_mb": peak_memory_mb()},
            "environment": {**runtime.environment("cpu"), "processes": 1},
        }


def _task(config: BaselineConfig) -> TextClassification:
    """Return the task for its data and its scores; it never builds the encoder that stands in for one here."""
    tree = config.model_dump(mode="json", include={"task", "seed", "run_dir", "data"})
    kind = _task_class(config.task)
    return kind(configuration.validate({**tree, "model": {"encoder": config.model.encoder}}, kind.Config, "baseline"))


def _written(scored: _Scored, config: BaselineConfig, folder: RunFolder) -> Mapping[str, Any]:
    """Write the run folder, result.json last, and return that."""
    if folder.exists:  # another process may have been here meanwhile
        folder.check_same(config)
    folder.create(config)
    with folder.locked():
        with open_tracker(folder.path, visualdl=config.logging.visualdl, detail=config.logging.detail) as tracker:
            for name, evaluation in scored.evaluations.items():
                tracker.scalars(1, 1, scalars_of(evaluation.metrics, name))
                if tracker.shows("normal"):
                    tracker.show(1, evaluation.panels().under(name))
        folder.write_predictions(scored.evaluations)
        folder.write_result(scored.result)
    return scored.result
