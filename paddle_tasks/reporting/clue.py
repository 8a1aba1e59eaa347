"""The mean accuracy over the CLUE tasks AFQMC, IFLYTEK and TNEWS, which the course asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paddle_tasks.language import _, join
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.reporting.entries import SPLITS, Entry, ScoredSplit
from paddle_tasks.reporting.groups import known_split_of_entry

DATA_SETS = ("afqmc", "iflytek", "tnews")
"""Keys in references.yaml."""
_METRIC = "accuracy"


def describe_clue_means(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield a sentence for each model that was scored on all three data sets.

    When no model was, one sentence compares the best run of each data set by dev; when a data set has no run, there is
    no sentence. The test score of a run counts, or its dev score when it has no test score; of several runs of a model
    the one with the best dev score counts.
    """
    best = {key: _best_by_model(key, entries) for key in DATA_SETS}
    if not all(best.values()):
        return
    models = [model for model in best[DATA_SETS[0]] if all(model in best[key] for key in DATA_SETS)]
    for model in models:
        yield _describe_mean(model, {key: best[key][model] for key in DATA_SETS})
    if not models:
        yield _describe_mean("", {key: max(best[key].values(), key=_dev_score) for key in DATA_SETS})


def _best_by_model(key: str, entries: Sequence[Entry]) -> dict[str, Entry]:
    best: dict[str, Entry] = {}
    for entry in entries:
        known = known_split_of_entry(entry)
        if known and known.key == key and _METRIC in _counted_split(entry).scores:
            previous = best.get(entry.model)
            best[entry.model] = entry if previous is None or _dev_score(entry) > _dev_score(previous) else previous
    return best


def _counted_split(entry: Entry) -> ScoredSplit:
    """Return the test split, or dev when test was not scored."""
    return next(entry.splits[name] for name in reversed(SPLITS) if name in entry.splits)


def _dev_score(entry: Entry) -> float:
    dev = entry.splits.get("dev")
    return dev.scores[_METRIC].mean if dev and _METRIC in dev.scores else 0.0


def _describe_mean(model: str, chosen: Mapping[str, Entry]) -> str:
    parts, values = [], []
    for entry in chosen.values():
        known, split = known_split_of_entry(entry), _counted_split(entry)
        assert known is not None
        values.append(split.scores[_METRIC].mean)
        parts.append(
            _("{data} {split} {score:.4f} (`{run}`)").format(
                data=known.data_set.name, split=_(split.name), score=values[-1], run=entry.name
            )
        )
    return _("CLUE mean of {subject}: {mean:.4f} = mean {metric} of {scores}").format(
        subject=f"`{model}`" if model else _("the best of each by dev"),
        mean=sum(values) / len(values),
        metric=metric_name(_METRIC),
        scores=join(parts),
    )
