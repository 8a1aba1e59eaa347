"""The results table in Markdown: a section for each data set, with its runs and the published scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from paddle_tasks import tasks
from paddle_tasks.language import _, in_context, join, mark, plural
from paddle_tasks.metrics.generated_text import GENERATED, ORIGINAL
from paddle_tasks.metrics.names import metric_name, score_name
from paddle_tasks.reporting.clue import describe_clue_means
from paddle_tasks.reporting.entries import FINISHED, SPLITS, BrokenFolder, Entry, MetricValue, ScoredSplitName
from paddle_tasks.reporting.groups import Group, group_entries
from paddle_tasks.reporting.legend import explain, next_steps
from paddle_tasks.reporting.references import COURSE_NOTES, DataSet, PublishedScores, comparison_obstacles
from paddle_tasks.wrapping import wrap

EMPTY_CELL = "–"
_DEDUPLICATED = "_deduplicated"
_STATUSES = (mark("interrupted"), mark("failed"), mark("unfinished"))

_WIDTH = 116
"""Columns of the paragraph below the tables."""

Cells = Sequence[str]


@dataclass(frozen=True)
class MarkdownTable:
    """A table whose cells are Markdown: code in backquotes, bold text, and links."""

    headings: Cells
    rows: Sequence[Cells]

    def filled(self) -> list[Cells]:
        """Return the headings and the rows without the columns that are empty in all rows."""
        columns = range(len(self.headings))
        kept = [column for column in columns if any(row[column] not in ("", EMPTY_CELL) for row in self.rows)]
        return [[row[column] for column in kept] for row in (self.headings, *self.rows)]


def format_report(entries: Sequence[Entry], broken: Sequence[BrokenFolder]) -> str:
    """Return the whole report in Markdown."""
    groups, lines = group_entries(entries), ["# " + _("Results")]
    for group in groups:
        lines += ["", f"## {_escape(group.name)}"]
        lines += [line for table in group_tables(group) for line in ("", *_format_table(table))]
    lines += [line for sentence in describe_clue_means(entries) for line in ("", sentence)]
    if broken:
        folders = (f"- `{folder.name}`: {_escape(folder.reason)}" for folder in broken)
        lines += ["", "## " + _("Left out"), "", *folders]
    below = (_join_sentences(explanations(groups)), next_steps(entries))
    lines += [line for paragraph in map(list, below) if paragraph for line in ("", *paragraph)]
    return "\n".join(lines) + "\n"


def group_tables(group: Group) -> list[MarkdownTable]:
    """Return the tables about a group: its runs, the texts that models wrote, and published scores."""
    tables = [_table_runs(group)]
    if any(entry.generated for entry in group.entries):
        tables.append(_table_generated(group.entries))
    if group.data_set:
        tables.append(_table_published(group.data_set, group.entries))
    return tables


def explanations(groups: Sequence[Group]) -> Iterator[str]:
    """Return the sentences that explain the headings of the tables of groups."""
    return explain(groups, {metric for group in groups for _heading, _split, metric in _score_columns(group)})


def _join_sentences(sentences: Iterable[str]) -> Iterator[str]:
    """Return the lines of one paragraph; Chinese sentences follow each other without a space."""
    paragraph = " ".join(sentences).replace("。 ", "。")
    return iter(wrap(paragraph, _WIDTH) if paragraph else ())


# ---- runs


def _table_runs(group: Group) -> MarkdownTable:
    score_columns = _score_columns(group)
    columns: dict[str, Callable[[Entry], str]] = {
        _("run"): lambda entry: f"`{entry.name}`",
        _("task"): lambda entry: entry.task,
        _("train data"): _format_train_data,
        _("model"): lambda entry: entry.model or EMPTY_CELL,
        **{heading: _score_formatter(split, metric) for heading, split, metric in score_columns},
        _("parameters"): lambda entry: EMPTY_CELL if entry.parameters is None else f"{entry.parameters:,}",
        _("tokens"): lambda entry: EMPTY_CELL if entry.tokens is None else f"{entry.tokens:,}",
        _("seconds"): lambda entry: _format_value(entry.seconds, ",.0f"),
        _("tokens/s"): lambda entry: _format_value(entry.tokens_per_second, ",.0f"),
        _("seeds"): lambda entry: str(entry.seeds),
        _("remark"): _format_remark,
    }
    rows = [[format_cell(entry) for format_cell in columns.values()] for entry in group.entries]
    return MarkdownTable(list(columns), rows)


def _table_generated(entries: Sequence[Entry]) -> MarkdownTable:
    """Return the table of what models wrote after passages, and of what the authors wrote there."""
    texts = [
        (f"`{entry.name}`", kind, scores)
        for entry in entries
        for kind, scores in entry.generated.items()
        if kind in GENERATED and kind != ORIGINAL
    ]
    texts += [(EMPTY_CELL, ORIGINAL, entry.generated[ORIGINAL]) for entry in entries if ORIGINAL in entry.generated][:1]
    names = list(dict.fromkeys(name for _run, _kind, scores in texts for name in scores))
    rows = [
        [run, _(GENERATED[kind]), *(f"{scores[name]:.4g}" if name in scores else EMPTY_CELL for name in names)]
        for run, kind, scores in texts
    ]
    return MarkdownTable([_("run"), _("texts"), *map(metric_name, names)], rows)


def _format_train_data(entry: Entry) -> str:
    source, rows = f"`{entry.train.source}`", entry.train.rows
    if rows is None:
        return source
    return _("{source}, {rows}").format(source=source, rows=plural("{count} row", "{count} rows", rows))


def _format_remark(entry: Entry) -> str:
    status = "" if entry.status == FINISHED else f"**{_(entry.status)}**"
    return _("; ").join(filter(None, [status, entry.remark]))


def _score_columns(group: Group) -> Iterator[tuple[str, ScoredSplitName, str]]:
    """Yield heading, split and metric of each score that an entry of the group has.

    A metric is followed by its deduplicated twin.
    """
    shown = (_shown_metrics(entry, group.data_set) for entry in group.entries)
    metrics = [twin for metric in dict.fromkeys(chain(*shown)) for twin in (metric, metric + _DEDUPLICATED)]
    for name in SPLITS:
        splits = [entry.splits[name] for entry in group.entries if name in entry.splits]
        for metric in metrics:
            if any(metric in split.scores for split in splits):
                yield score_name(name, metric), name, metric


def _shown_metrics(entry: Entry, data_set: DataSet | None) -> list[str]:
    """Return the metrics to show for an entry.

    These are the metric that chose the best checkpoint, the published metrics, F1 when there are two labels (for more
    labels it is an average), and the metrics of the task that the entry has.
    """
    published = [scores.metric for scores in data_set.published] if data_set else []
    has_two_labels = any(split.n_labels == 2 for split in entry.splits.values())
    available = {metric for split in entry.splits.values() for metric in split.scores}
    of_task = [metric for metric in tasks.shown_metrics(entry.task).table if metric in available]
    return [entry.metric, *published, *["f1"] * has_two_labels, *of_task]


def _score_formatter(split_name: ScoredSplitName, metric: str) -> Callable[[Entry], str]:
    def format_score(entry: Entry) -> str:
        split = entry.splits.get(split_name)
        return _format_value(split.scores.get(metric) if split else None, ".4f")

    return format_score


def _format_value(value: MetricValue | None, form: str) -> str:
    if value is None:
        return EMPTY_CELL
    return format(value.mean, form) + (f" ± {format(value.deviation, form)}" if value.deviation is not None else "")


# ---- published scores


def _table_published(data_set: DataSet, entries: Sequence[Entry]) -> MarkdownTable:
    scored = [entry for entry in entries if entry.splits]
    headings = [
        _("published"),
        _("train rows"),
        _("split"),
        _("metric"),
        _("score"),
        _("comparable"),
        in_context("of scores", "source"),
    ]
    rows = []
    for published in data_set.published:
        verdict, source = _describe_comparability(published, data_set, scored), _format_source(published)
        for model, percent in published.percent.items():
            score = f"{percent / 100:.4f}"
            split, metric = published.split, metric_name(published.metric)
            rows.append([model, f"{published.train_rows:,}", split, metric, score, verdict, source])
    return MarkdownTable(headings, rows)


def _format_source(published: PublishedScores) -> str:
    """Return where scores are from, with what the source says of them."""
    return _format_address(published.source) + (_(", ") + _(published.note) if published.note else "")


def _format_address(source: str) -> str:
    """Return a Markdown link whose text is ``owner/repository``, or the host and first folder of another address.

    A source without an address is named.
    """
    if source == COURSE_NOTES:
        return _(COURSE_NOTES)
    path = source.removeprefix("https://").removeprefix("github.com/")
    return f"[{'/'.join(path.split('/')[:2])}]({source})"


def _describe_comparability(published: PublishedScores, data_set: DataSet, entries: Sequence[Entry]) -> str:
    """Say whether published scores can be compared to all entries, to some of them, or to none, and why."""
    obstacles = {entry.name: list(comparison_obstacles(published, data_set, entry)) for entry in entries}
    comparable = [name for name, reasons in obstacles.items() if not reasons]
    why = _("; ").join(dict.fromkeys(reason for reasons in obstacles.values() for reason in reasons))
    if not comparable:
        return _("**not comparable**: {why}").format(why=why)
    if not why:
        return _("yes")
    runs = join([f"`{name}`" for name in comparable])
    return _("with {runs}; **else not**: {why}").format(runs=runs, why=why)


# ---- Markdown


def _format_table(table: MarkdownTable) -> Iterator[str]:
    """Yield the lines of a table without its empty columns."""
    headings, *rows = table.filled()
    yield _format_row(headings)
    yield _format_row(["---"] * len(headings))
    yield from map(_format_row, rows)


def _format_row(cells: Cells) -> str:
    return f"| {' | '.join(_escape(cell) for cell in cells)} |"


def _escape(text: str) -> str:
    """Return a text that stays in its cell: on one line, with its ``|`` escaped."""
    return " ".join(text.split()).replace("|", "\\|")
