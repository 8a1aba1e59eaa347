"""The mean over CLUE's AFQMC, IFLYTEK and TNEWS, which the course asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paddle_tasks.reporting.entries import SPLITS, Entry
from paddle_tasks.reporting.groups import data_set_of

TASKS = ("afqmc", "iflytek", "tnews")
_METRIC = "accuracy"


def clue_means(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield a sentence for each model that has a score on all three; none when one of the three is missing.

    Where no model has all three, the sentence is about the best of each by dev. A run counts with its test score, and
    with its dev score when it has no test; of several runs of a model the one with the best dev score counts.
    """
    best = {task: _best_by_model(task, entries) for task in TASKS}
    if not all(best.values()):
        return
    models = [model for model in best[TASKS[0]] if all(model in best[task] for task in TASKS)]
    for model in models:
        yield _sentence(model, {task: best[task][model] for task in TASKS})
    if not models:
        yield _sentence("", {task: max(best[task].values(), key=_dev_score) for task in TASKS})


def _best_by_model(task: str, entries: Sequence[Entry]) -> dict[str, Entry]:
    best: dict[str, Entry] = {}
    for entry in entries:
        place = data_set_of(entry)
        if place and place.key == task and _METRIC in entry.splits[_counted(entry)].scores:
            known = best.get(entry.model)
            best[entry.model] = entry if known is None or _dev_score(entry) > _dev_score(known) else known
    return best


def _counted(entry: Entry) -> str:
    return next(name for name in reversed(SPLITS) if name in entry.splits)


def _dev_score(entry: Entry) -> float:
    dev = entry.splits.get("dev")
    return dev.scores[_METRIC].mean if dev and _METRIC in dev.scores else 0.0


def _sentence(model: str, chosen: Mapping[str, Entry]) -> str:
    parts, values = [], []
    for entry in chosen.values():
        place, counted = data_set_of(entry), entry.splits[_counted(entry)]
        assert place is not None
        values.append(counted.scores[_METRIC].mean)
        parts.append(f"{place.data_set.name} {counted.name} {values[-1]:.4f} (`{entry.name}`)")
    whose = f"`{model}`" if model else "the best of each by dev"
    return f"CLUE mean of {whose}: {sum(values) / len(values):.4f} = mean {_METRIC} of {', '.join(parts)}"
