"""The homework table as Markdown: a section for each data set, its runs, and what others have published on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from paddle_tasks.reporting.clue import clue_means
from paddle_tasks.reporting.entries import FINISHED, SPLITS, Broken, Entry, Figure
from paddle_tasks.reporting.groups import Group, grouped
from paddle_tasks.reporting.references import DataSet, Published, hindrances

NOTHING = "–"
_DEDUPLICATED = "_deduplicated"
_TWO_LABELS = 2
_TRIPLETS = "triplet_f1"
_LEGEND = """\
*deduplicated*: without the rows whose text train holds. ±: sample standard deviation over the seeds. Seconds and
tokens/s are those of the training steps. F1 of two labels is that of the second one, and of opinions that of whole
spans. Published scores are those of their sources; *comparable* means the same rows to score, as many rows to learn
from and the same metric."""

Row = Sequence[str]


def markdown(entries: Sequence[Entry], broken: Sequence[Broken]) -> str:
    """Return the whole report."""
    lines = ["# Results"]
    for group in grouped(entries):
        lines += ["", f"## {_inline(group.name)}", "", *_runs(group)]
        if group.data_set:
            lines += ["", *_published(group.data_set, group.entries)]
    lines += [line for sentence in clue_means(entries) for line in ("", sentence)]
    if broken:
        lines += ["", "## Left out", "", *(f"- `{one.name}`: {_inline(one.reason)}" for one in broken)]
    return "\n".join([*lines, "", _LEGEND]) + "\n"


# ---- runs


def _runs(group: Group) -> list[str]:
    columns: dict[str, Callable[[Entry], str]] = {
        "run": lambda entry: f"`{entry.name}`",
        "task": lambda entry: entry.task,
        "train data": _train,
        "model": lambda entry: entry.model or NOTHING,
        **{heading: _score(name, metric) for heading, name, metric in _score_columns(group)},
        "parameters": lambda entry: NOTHING if entry.parameters is None else f"{entry.parameters:,}",
        "seconds": lambda entry: _figure(entry.seconds, ",.0f"),
        "tokens/s": lambda entry: _figure(entry.tokens_per_second, ",.0f"),
        "seeds": lambda entry: str(entry.seeds),
        "remark": _remark,
    }
    rows = [[cell(entry) for cell in columns.values()] for entry in group.entries]
    return list(_table(list(columns), rows))


def _train(entry: Entry) -> str:
    return f"`{entry.train.source}`" + (f", {entry.train.rows:,} rows" if entry.train.rows is not None else "")


def _remark(entry: Entry) -> str:
    return "; ".join(filter(None, ["" if entry.status == FINISHED else f"**{entry.status}**", entry.remark]))


def _score_columns(group: Group) -> Iterator[tuple[str, str, str]]:
    """Yield heading, split and metric of each score that an entry of the group has."""
    wanted = list(dict.fromkeys(metric for entry in group.entries for metric in _metrics(entry, group.data_set)))
    for name in SPLITS:
        scored = [entry.splits[name] for entry in group.entries if name in entry.splits]
        for metric in (form for one in wanted for form in (one, one + _DEDUPLICATED)):
            if any(metric in split.scores for split in scored):
                yield f"{name} {metric.replace('_', ' ')}", name, metric


def _metrics(entry: Entry, data_set: DataSet | None) -> list[str]:
    """Return what is shown of an entry: its own metric, published ones, F1 of two labels, F1 of triplets."""
    theirs = [published.metric for published in data_set.published] if data_set else []
    two = any(split.n_labels == _TWO_LABELS for split in entry.splits.values())
    triplets = any(_TRIPLETS in split.scores for split in entry.splits.values())
    return [entry.metric, *theirs, *["f1"] * two, *[_TRIPLETS] * triplets]


def _score(name: str, metric: str) -> Callable[[Entry], str]:
    def cell(entry: Entry) -> str:
        split = entry.splits.get(name)
        return _figure(split.scores.get(metric) if split else None, ".4f")

    return cell


def _figure(figure: Figure | None, form: str) -> str:
    if figure is None:
        return NOTHING
    return format(figure.mean, form) + (f" ± {format(figure.deviation, form)}" if figure.deviation is not None else "")


# ---- what is published


def _published(data_set: DataSet, entries: Sequence[Entry]) -> Iterator[str]:
    scored = [entry for entry in entries if entry.splits]
    headings = ["published", "train rows", "split", "metric", "score", "comparable", "source"]
    rows = [
        [model, f"{one.train_rows:,}", one.split, one.metric, f"{percent / 100:.4f}", verdict, _source(one)]
        for one in data_set.published
        for verdict in [_verdict(one, data_set, scored)]
        for model, percent in one.percent.items()
    ]
    yield from _table(headings, rows)


def _source(published: Published) -> str:
    place = "/".join(published.source.removeprefix("https://").removeprefix("github.com/").split("/")[:2])
    return f"[{place}]({published.source})" + (f", {published.note}" if published.note else "")


def _verdict(published: Published, data_set: DataSet, entries: Sequence[Entry]) -> str:
    """Say whether published scores can be laid beside all the runs, some of them, or none and why."""
    reasons = {entry.name: list(hindrances(published, data_set, entry)) for entry in entries}
    fitting = [name for name, found in reasons.items() if not found]
    why = "; ".join(dict.fromkeys(reason for found in reasons.values() for reason in found))
    if not fitting:
        return f"**not comparable**: {why}"
    return "yes" if not why else f"with {', '.join(f'`{name}`' for name in fitting)}; **else not**: {why}"


# ---- Markdown


def _table(headings: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table without the columns that hold nothing."""
    kept = [column for column in range(len(headings)) if any(row[column] not in ("", NOTHING) for row in rows)]
    yield _line([headings[column] for column in kept])
    yield _line(["---"] * len(kept))
    for row in rows:
        yield _line([row[column] for column in kept])


def _line(cells: Row) -> str:
    return f"| {' | '.join(_inline(cell) for cell in cells)} |"


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
