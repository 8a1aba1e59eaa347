"""The verdict: which runs are best, by how much, on how many seeds, beside which baseline, and with what caveats."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from paddle_tasks.language import _, join, plural
from paddle_tasks.metrics.bootstrap import paired_bootstrap
from paddle_tasks.metrics.names import metric_name, score_name, split_name
from paddle_tasks.reporting.entries import CONFIG_FILE, FINISHED, MetricValue, ScoredSplitName
from paddle_tasks.reporting.html.blocks import Verdict
from paddle_tasks.reporting.html.runs import StudiedRun, System, scored_splits, systems_of

_FEW_SEEDS = 3
_MIN_ROWS = 20
"""Rows from which on samples of them say something."""
_DEDUPLICATED = "_deduplicated"


@dataclass(frozen=True)
class Comparison:
    """The runs on one data set, ranked.

    Attributes:
        runs: the runs.
    """

    runs: Sequence[StudiedRun]

    @cached_property
    def systems(self) -> list[System]:
        """The runs that have scores; those that differ in the seed alone are together."""
        return systems_of([run for run in self.runs if run.entry.splits])

    @cached_property
    def trained(self) -> list[System]:
        """The systems that are no baselines, the best one first; the dev split ranks them, or test without dev."""
        split: ScoredSplitName = "dev" if any("dev" in run.entry.splits for run in self.runs) else "test"
        found = [system for system in self.systems if not system.is_baseline]
        return sorted(found, key=lambda system: self._rank(system, split))

    @cached_property
    def baselines(self) -> list[System]:
        """The baselines, the best one first."""
        found = [system for system in self.systems if system.is_baseline]
        return sorted(found, key=lambda system: self._rank(system, self.split))

    def _rank(self, system: System, split: ScoredSplitName) -> float:
        value = system.value(split, self.metric)
        return math.inf if value is None else value.mean if self.lower else -value.mean

    @cached_property
    def metric(self) -> str:
        """The metric that chose the best checkpoints of most runs."""
        chosen = [run.entry.metric for run in self.runs if not run.is_baseline] or [
            run.entry.metric for run in self.runs
        ]
        return Counter(chosen).most_common(1)[0][0]

    @property
    def lower(self) -> bool:
        """Whether the lowest value of the metric is the best."""
        return any(run.task is not None and self.metric in run.task.LOWER_IS_BETTER for run in self.runs)

    @cached_property
    def split(self) -> ScoredSplitName:
        """The split that is reported: test, or dev without it."""
        return next(scored_splits(self.runs), "dev")

    @property
    def best(self) -> System | None:
        """The best system; a baseline if there is nothing else."""
        return next(iter([*self.trained, *self.baselines]), None)

    def best_run(self, system: System) -> StudiedRun:
        """Return the run of a system with the best score on dev."""
        split: ScoredSplitName = "dev" if any("dev" in run.entry.splits for run in system.runs) else "test"
        return system.best_run(split, self.metric, lower=self.lower)

    @cached_property
    def detailed(self) -> list[StudiedRun]:
        """The runs in the order of their ranks; the best run of each system comes first, then the others."""
        ranked = [*self.trained, *self.baselines]
        firsts = [self.best_run(system) for system in ranked]
        others = [run for system in ranked for run in system.runs if run not in firsts]
        return [*firsts, *others]


def verdict(comparison: Comparison) -> Verdict:
    """Return the verdict on the runs on one data set."""
    best = comparison.best
    if best is None:
        return Verdict(_("No run is finished: there is nothing to compare yet."), [], list(_unfinished(comparison)))
    return Verdict(_headline(comparison, best), list(_reasons(comparison, best)), list(_caveats(comparison, best)))


def _headline(comparison: Comparison, best: System) -> str:
    value = best.value(comparison.split, comparison.metric)
    score = score_name(comparison.split, comparison.metric)
    facts = {"name": best.name, "score": score, "value": format_value(value), "seeds": _seeds(best)}
    baseline = next(iter(comparison.baselines), best)
    if _is_ahead(comparison, baseline, best):
        message = _(
            "The baseline {baseline} is ahead, with {score} {level}; the best network, {name}, has {value} ({seeds})."
        )
        level = format_value(baseline.value(comparison.split, comparison.metric))
        return message.format(baseline=baseline.name, level=level, **facts)
    if len([*comparison.trained, *comparison.baselines]) == 1:
        return _("{name}: {score} {value} ({seeds}).").format(**facts)
    return _("Best: {name}, with {score} {value} ({seeds}).").format(**facts)


def _seeds(system: System) -> str:
    if system.n_seeds <= 1:
        return _("one seed")
    return _("mean of {count} seeds").format(count=system.n_seeds)


def format_value(value: MetricValue | None) -> str:
    """Return a score with four places, and the standard deviation of several seeds."""
    if value is None:
        return "–"
    deviation = "" if value.deviation is None else f" ± {value.deviation:.4f}"
    return f"{value.mean:.4f}{deviation}"


# ---- reasons


def _reasons(comparison: Comparison, best: System) -> Iterator[str]:
    dev = best.value("dev", comparison.metric)
    if dev and comparison.split == "test" and len(comparison.trained) > 1:
        message = _("It was chosen by {score} ({value}); the test split played no part in the choice.")
        yield message.format(score=score_name("dev", comparison.metric), value=format_value(dev))
    if best.n_seeds > 1 and len(best.runs) > 1:
        run = comparison.best_run(best)
        message = _("Of its {count} runs, {name} is the best one on dev.")
        yield message.format(count=len(best.runs), name=run.name)
    others = [system for system in comparison.trained if system is not best]
    if others:
        yield from _describe_lead(comparison, best, others[0], _("the second, {name}").format(name=others[0].name))
    if comparison.baselines and comparison.baselines[0] is not best:
        baseline = comparison.baselines[0]
        yield from _describe_lead(
            comparison, best, baseline, _("the baseline, {name}").format(name=_described(baseline))
        )


def _described(system: System) -> str:
    model = system.runs[0].entry.model
    return _("{name} ({model})").format(name=system.name, model=model) if model else system.name


def _describe_lead(comparison: Comparison, best: System, other: System, name: str) -> Iterator[str]:
    """Yield by how much a system is ahead of another one, and whether that may be chance."""
    values = [system.value(comparison.split, comparison.metric) for system in (best, other)]
    if values[0] is None or values[1] is None:
        return
    lead = (values[0].mean - values[1].mean) * (-1 if comparison.lower else 1)
    message = _("On {split} it is ahead of {other} by {lead}: {first} against {second}.")
    if lead < 0:
        message = _("On {split} it is behind {other} by {lead}: {first} against {second}.")
    if not lead:
        message = _("On {split} it is level with {other}: {first} against {second}.")
    yield message.format(
        split=split_name(comparison.split),
        other=name,
        lead=f"{abs(lead):.4f}",
        first=format_value(values[0]),
        second=format_value(values[1]),
    )
    yield from _describe_chance(comparison, best, other)


def _describe_chance(comparison: Comparison, best: System, other: System) -> Iterator[str]:
    runs = [comparison.best_run(system) for system in (best, other)]
    studies = [run.study(comparison.split) for run in runs]
    first, second = studies
    if first is None or second is None or first.rows != second.rows or first.rows < _MIN_ROWS:
        return
    low, high = (first.view.score_scale * end for end in paired_bootstrap(first.row_scores, second.row_scores))
    message = _(
        "Between {first} and {second}, row by row, the difference in {metric} lies between {low} and {high} with 95 % "
        "confidence (paired bootstrap over {rows}): {judgement}."
    )
    judgement = _("it may be chance") if low <= 0 <= high else _("it is unlikely to be chance")
    yield message.format(
        first=runs[0].name,
        second=runs[1].name,
        metric=metric_name(first.view.score_name),
        low=f"{low:+.4f}",
        high=f"{high:+.4f}",
        rows=plural("{count} row", "{count} rows", first.rows),
        judgement=judgement,
    )


# ---- caveats


def _caveats(comparison: Comparison, best: System) -> Iterator[str]:
    if best.n_seeds < _FEW_SEEDS:
        yield _(
            "Fewer than three seeds: how much of a difference is luck is unknown. `paddle-tasks sweep` trains several."
        )
    yield from _interval(comparison, best)
    yield from _leak(comparison, best)
    if comparison.split != "test":
        yield _("No run has a test score; the dev split chose the checkpoints, so its scores are too good.")
    yield from _same_files(comparison)
    if not comparison.baselines:
        yield _missing_baseline(best)
    yield from _contradictions(comparison)
    yield from _unfinished(comparison)


def _interval(comparison: Comparison, best: System) -> Iterator[str]:
    """Yield the interval of an accuracy, if chance alone may change it by a point or more."""
    run = comparison.best_run(best)
    value, study = run.value(comparison.split, comparison.metric), run.study(comparison.split)
    if (
        comparison.metric != "accuracy"
        or value is None
        or study is None
        or study.rows != run.entry.splits[study.split].rows
    ):
        return
    half = 1.96 * math.sqrt(max(value.mean * (1 - value.mean), 0.0) / study.rows)
    if half >= 0.01:
        message = _("With {rows}, an accuracy of {value} is known to about ± {half} (95 %).")
        rows = plural("{count} row", "{count} rows", study.rows)
        yield message.format(rows=rows, value=f"{value.mean:.4f}", half=f"{half:.4f}")


def _leak(comparison: Comparison, best: System) -> Iterator[str]:
    twin = best.value(comparison.split, comparison.metric + _DEDUPLICATED)
    if twin is not None:
        message = _("Train and {split} share texts; without these rows it has {value}.")
        yield message.format(split=split_name(comparison.split), value=format_value(twin))


def _same_files(comparison: Comparison) -> Iterator[str]:
    """Yield that a split is the same file as another one."""
    run = next((run for run in comparison.runs if run.result), None)
    data = run.result.data if run and run.result else {}
    by_hash: dict[str, list[str]] = {}
    for name, facts in data.items():
        by_hash.setdefault(facts.sha256, []).append(split_name(name))
    for names in by_hash.values():
        if len(names) > 1:
            yield _("{splits} are the same file: the scores say nothing about new texts.").format(splits=join(names))


def _missing_baseline(best: System) -> str:
    command = shlex.join(["paddle-tasks", "baseline", str(best.runs[0].folder / CONFIG_FILE)])
    if best.runs[0].task is not None and best.runs[0].task.BASELINE is None:
        return _("There is no baseline of this task.")
    return _("There is no baseline beside it; this makes one: {command}").format(command=command)


def _is_ahead(comparison: Comparison, first: System, second: System) -> bool:
    values = [system.value(comparison.split, comparison.metric) for system in (first, second)]
    if values[0] is None or values[1] is None:
        return False
    return (values[0].mean - values[1].mean) * (-1 if comparison.lower else 1) > 0


def _contradictions(comparison: Comparison) -> Iterator[str]:
    for run in comparison.runs:
        if run.entry.remark and run.entry.status == FINISHED:
            yield f"{run.name}: {run.entry.remark.replace('**', '')}"


def _unfinished(comparison: Comparison) -> Iterator[str]:
    unfinished: Mapping[str, str] = {
        run.name: _(run.entry.status) for run in comparison.runs if run.entry.status != FINISHED
    }
    for name, status in unfinished.items():
        yield _("{name} is not finished ({status}) and is left out of the comparison.").format(name=name, status=status)
