"""What the headings and values of a results table mean, and how to continue the runs that are not finished.

Only what concerns the table is said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from paddle_tasks.language import _, join, label_name
from paddle_tasks.reporting.entries import Entry
from paddle_tasks.reporting.groups import Group


def explain(groups: Sequence[Group], metrics: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each mark and heading of the tables that does not explain itself.

    Args:
        groups: the groups, one table each.
        metrics: the metrics that have a column.
    """
    entries = [entry for group in groups for entry in group.entries]
    if any(metric.endswith("_deduplicated") for metric in metrics):
        yield _("*deduplicated*: without the rows whose text train holds.")
    if any(metric.endswith("_of_network") for metric in metrics):
        yield _("*of network*: of the network alone, without the n-grams beside it (`model.ngrams`).")
    if any(_has_deviation(entry) for entry in entries):
        yield _("±: sample standard deviation over the seeds.")
    if any(entry.tokens_per_second for entry in entries):
        yield _("Tokens, seconds and tokens/s are those of the training steps.")
    if any(entry.generated for entry in entries):
        yield _(
            "Texts that models wrote: *distinct n* is the share of different character n-grams, *repetition 4* that of "
            "4-grams that occurred before in the same text; copies are runs that train has verbatim: the longest in "
            "characters, the share of texts with one over 20, and of windows of 20 characters."
        )
    if "f1" in metrics:
        yield from _explain_f1(entries)
    if any(group.data_set and group.data_set.published for group in groups):
        yield _(
            "Published scores are those of their sources; *comparable* means the same rows to score, as many rows to "
            "learn from and the same metric."
        )


def _has_deviation(entry: Entry) -> bool:
    scores = [value for split in entry.splits.values() for value in split.scores.values()]
    return any(value and value.deviation is not None for value in [*scores, entry.seconds, entry.tokens_per_second])


def _explain_f1(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what F1 is of labelled rows, which have an accuracy, and of spans, which have none."""
    splits = [split for entry in entries for split in entry.splits.values() if "f1" in split.scores]
    of_rows = [split.labels for split in splits if "accuracy" in split.scores]
    second = dict.fromkeys(labels[1] for labels in of_rows if len(labels) == 2)
    if second:
        message = _("With two labels, F1 is that of the second label (here {labels}).")
        yield message.format(labels=join(list(map(label_name, second))))
    if len(of_rows) < len(splits):
        yield _("F1 of spans counts a span only as a whole.")


def next_steps(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield, as lines of Markdown, the commands that continue the runs that are not finished; nothing without any."""
    commands = [entry.continued_by for entry in entries if entry.continued_by]
    if commands:
        yield _("To continue what is not finished:")
        yield from ("", *(f"- `{command}`" for command in commands))
