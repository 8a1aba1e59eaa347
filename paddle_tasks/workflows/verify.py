"""Recompute the scores of a finished run from its weights and data, and compare them with what its folder holds."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import CheckpointError, DataError
from paddle_tasks.files import exists, read_json_lines, short_name, to_json
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.language import _, in_context, plural
from paddle_tasks.metrics.names import heading, run_line, split_name
from paddle_tasks.process_state import default_settings
from paddle_tasks.training.protocol import Evaluation, Record
from paddle_tasks.training.result import FILE, MEASURED_SUFFIX, RunResult
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.baseline import fit_baseline, is_baseline
from paddle_tasks.workflows.baseline import load_config as load_baseline_config
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.notebook import ignore_events

TOLERANCE = 1e-5
"""The largest relative difference of numbers that agree; below 0.1 a tenth of it is the largest absolute one.

On the machine that trained a run, its scores are recomputed to the last bit. Other processors differ in the last digits
of float32, which changes probabilities by up to some 1e-6.
"""
_NOT_COMPARED = ("where",)  # the path of the data, which may have been moved


@dataclass(frozen=True)
class Difference:
    """A value that differs from the recomputed one.

    Attributes:
        place: where it is stored, such as ``result.json: test.accuracy``, or ``predictions/test.jsonl: row 3: loss``.
        stored: the stored value; None if there is none.
        recomputed: the recomputed value; None if there is none.
    """

    place: str
    stored: Any
    recomputed: Any


@dataclass(frozen=True, repr=False)
class Verification:
    """The comparison of a run with what was recomputed.

    Attributes:
        run: the run folder.
        differences: the values that differ.
        agreeing: the number of metrics and the number of predictions of each split that agree.
    """

    run: Path
    differences: Sequence[Difference]
    agreeing: Mapping[SplitName, tuple[int, int]]

    def __repr__(self) -> str:
        return "\n".join(describe(self))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"run", "agrees", "agreeing", "differences"}``."""
        return {
            "run": str(self.run),
            "agrees": not self.differences,
            "agreeing": {
                name: {"metrics": n_metrics, "predictions": n_predictions}
                for name, (n_metrics, n_predictions) in self.agreeing.items()
            },
            "differences": [vars(difference) for difference in self.differences],
        }


@dataclass(frozen=True)
class _Recomputed:
    """What was recomputed of a run.

    Attributes:
        config: the configuration of the run.
        splits: the splits that were read.
        evaluations: the evaluation of each scored split.
        parameters: the number of parameters of the model.
    """

    config: Any
    splits: Mapping[SplitName, Split[Any]]
    evaluations: Mapping[SplitName, Evaluation]
    parameters: int


@default_settings()
def verify(run: str | Path, *, tolerance: float = TOLERANCE, device: str = "auto") -> Verification:
    """Recompute the scores and predictions of a finished run, and compare them with result.json and predictions/.

    A baseline keeps no weights and is fitted anew.

    >>> run = train("configs/quick/sentiment.yaml", run_dir="runs/checked", training={"max_steps": 4})
    >>> verify(run.folder).differences
    []

    Args:
        run: the run folder.
        tolerance: the largest relative difference of numbers that agree.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

    Raises:
        UserError: the scores cannot be recomputed: the run is not finished, its data is missing or has changed.
    """
    folder = Path(run)
    result = _read_result(folder)
    is_fitted = is_baseline(configuration.read(folder / "config.yaml"))
    recomputed = (_refit if is_fitted else _rescore)(folder, result, device)
    comparison = _Comparison(tolerance)
    comparison.compare_facts(result, recomputed)
    for name, metrics in result.scores.items():
        comparison.compare_split(folder, name, metrics, recomputed.evaluations[name])
    comparison.compare_errors(folder, recomputed.evaluations)
    return Verification(folder, comparison.differences, comparison.agreeing)


def _read_result(folder: Path) -> RunResult:
    if not exists(folder):
        raise CheckpointError(_("{run}: no such run folder{near}").format(run=short_name(folder), near=""))
    result = RunResult.read(folder)
    if result is None:
        raise CheckpointError(_("{run}: has no result.json yet; there are no scores to verify").format(run=folder))
    if not result.scores:
        message = _("{run}: its result.json has no scores; the run is {status}")
        raise CheckpointError(message.format(run=folder, status=_(result.status)))
    return result


# ---- recomputing


def _rescore(folder: Path, result: RunResult, device: str) -> _Recomputed:
    """Score the splits with the best model."""
    predictor = load_layer(folder, device=device)
    task = predictor.task
    names: list[SplitName] = ["train", *result.scores]
    for name in names:
        _check_has(task.config, name)
        _check_data(task.load_split(name), result)
    evaluations = {name: task.evaluate(predictor.model, task.splits[name], lambda: None) for name in result.scores}
    parameters = sum(math.prod(parameter.shape) for parameter in predictor.model.parameters())
    return _Recomputed(load_config(folder / "config.yaml"), task.splits, evaluations, parameters)


def _check_has(config: RunSection, name: SplitName) -> None:
    data: Any = config.data
    if not data.has(name):
        message = _("result.json has scores of {split}, but the configuration has no data.{split}")
        raise DataError(message.format(split=name))


def _refit(folder: Path, result: RunResult, device: str) -> _Recomputed:
    """Fit a baseline to its data again."""
    del device
    config = load_baseline_config(folder / "config.yaml")
    scores = fit_baseline(config, ignore_events)
    for name in result.data:
        if name not in scores.splits:
            message = _("result.json names data of {split}, but the configuration has no data.{split}")
            raise DataError(message.format(split=name))
        _check_data(scores.splits[name], result)
    return _Recomputed(config, scores.splits, scores.evaluations, scores.n_parameters)


def _check_data(split: Split[Any], result: RunResult) -> None:
    """Check that a split is the one that the run has read.

    Raises:
        DataError: it is not.
    """
    facts = result.data.get(split.name)
    if facts is None or facts.sha256 != split.sha256:
        stored = in_context("data", "nothing") if facts is None else f"sha256 {facts.sha256[:12]}…"
        message = _(
            "data.{split}: {path} is not what the run was scored on: result.json has {stored}, the file sha256 "
            "{found}…; the scores cannot be recomputed"
        )
        raise DataError(message.format(split=split.name, path=split.path, stored=stored, found=split.sha256[:12]))


# ---- comparing


@dataclass
class _Comparison:
    """Collects differences.

    Attributes:
        tolerance: the largest relative difference of numbers that agree.
        differences: those found so far.
        agreeing: the number of metrics and the number of predictions of each split that agree.
    """

    tolerance: float
    differences: list[Difference] = field(default_factory=list)
    agreeing: dict[SplitName, tuple[int, int]] = field(default_factory=dict)

    def compare(self, place: str, stored: Any, recomputed: Any) -> int:
        """Compare two JSON values and return the number of values in them that agree; measured ones are left out."""
        if isinstance(stored, Mapping) and isinstance(recomputed, Mapping):
            keys = [key for key in dict.fromkeys([*recomputed, *stored]) if not key.endswith(MEASURED_SUFFIX)]
            return sum(self.compare(f"{place}.{key}", stored.get(key), recomputed.get(key)) for key in keys)
        if isinstance(stored, list) and isinstance(recomputed, list) and len(stored) == len(recomputed):
            pairs = enumerate(zip(stored, recomputed, strict=True))
            return sum(self.compare(f"{place}[{index}]", *pair) for index, pair in pairs)
        if self._agree(stored, recomputed):
            return 1
        self.differences.append(Difference(place, stored, recomputed))
        return 0

    def _agree(self, stored: Any, recomputed: Any) -> bool:
        if isinstance(stored, bool) or isinstance(recomputed, bool) or not _are_numbers(stored, recomputed):
            return bool(stored == recomputed)
        return math.isclose(stored, recomputed, rel_tol=self.tolerance, abs_tol=self.tolerance / 10)

    def compare_facts(self, result: RunResult, recomputed: _Recomputed) -> None:
        """Compare what result.json says of the run besides its scores."""
        config = recomputed.config
        self.compare(f"{FILE}: task", result.task, config.task)
        self.compare(f"{FILE}: seed", result.seed, config.seed)
        if result.model.parameters is not None:
            self.compare(f"{FILE}: model.parameters", result.model.parameters, recomputed.parameters)
        for name, split in recomputed.splits.items():
            facts = result.data[name]
            self.compare(f"{FILE}: data.{name}.rows", facts.rows, len(split.examples))
            self.compare(f"{FILE}: data.{name}.skipped_rows", facts.skipped_rows, len(split.bad_rows))

    def compare_split(self, folder: Path, name: SplitName, metrics: Mapping[str, Any], evaluation: Evaluation) -> None:
        """Compare the metrics and the predictions of a split."""
        n_metrics = self.compare(f"{FILE}: {name}", metrics, _as_stored(dict(evaluation.metrics)))
        file = f"predictions/{name}.jsonl"
        stored = read_json_lines(folder / file)
        recomputed = [_as_stored(record) for record in evaluation.predictions]
        if len(stored) != len(recomputed):
            self.differences.append(
                Difference(_("{file}: number of records").format(file=file), len(stored), len(recomputed))
            )
        n_agreeing = sum(
            self._compare_record(f"{file}: row {row}", *pair)
            for row, pair in enumerate(zip(stored, recomputed, strict=False))
        )
        self.agreeing[name] = (n_metrics, n_agreeing)

    def _compare_record(self, place: str, stored: Record, recomputed: Record) -> bool:
        before = len(self.differences)
        for key in dict.fromkeys([*recomputed, *stored]):
            if key not in _NOT_COMPARED:
                self.compare(f"{place}: {key}", stored.get(key), recomputed.get(key))
        return len(self.differences) == before

    def compare_errors(self, folder: Path, evaluations: Mapping[SplitName, Evaluation]) -> None:
        """Compare which rows have errors of which kind; errors.jsonl is sorted by losses that may differ a little."""
        stored = Counter(map(_error_key, read_json_lines(folder / "predictions" / "errors.jsonl")))
        recomputed = Counter(
            _error_key({"split": name, **record})
            for name, evaluation in evaluations.items()
            for record in evaluation.error_records()
        )
        for key in sorted((stored | recomputed).keys() - {key for key in stored if stored[key] == recomputed[key]}):
            split, row, kind = key
            what = f"errors{f' {kind}' if kind else ''} of {split} row {row}"
            self.differences.append(Difference(f"predictions/errors.jsonl: {what}", stored[key], recomputed[key]))


def _error_key(record: Record) -> tuple[str, int, str]:
    return str(record.get("split")), int(record.get("row", -1)), str(record.get("kind") or "")


def _as_stored(value: Any) -> Any:
    """Return a value as it is read back from JSON."""
    return json.loads(to_json(value))


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def describe(verification: Verification, max_shown: int = 20) -> Iterator[str]:
    """Yield lines that say what agrees and what differs; of many differences the first ones."""
    for name, (n_metrics, n_predictions) in verification.agreeing.items():
        counts = _("{metrics} metrics and {predictions} predictions agree")
        yield f"{heading(split_name(name))}{counts.format(metrics=n_metrics, predictions=n_predictions)}"
    for difference in verification.differences[:max_shown]:
        yield _("differs: {place}: {stored}, recomputed {recomputed}").format(
            place=difference.place, stored=_show(difference.stored), recomputed=_show(difference.recomputed)
        )
    n_more = len(verification.differences) - max_shown
    if n_more > 0:
        yield plural("… and {count} more difference", "… and {count} more differences", n_more)
    yield run_line(_("{run}: {verdict}").format(run=verification.run, verdict=_count(len(verification.differences))))


def _count(n_differences: int) -> str:
    if not n_differences:
        return _("agrees")
    return plural("{count} value differs", "{count} values differ", n_differences)


def _show(value: Any) -> str:
    text = _("missing") if value is None else configuration.dump_inline(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
