"""Scores of a split with and without the rows whose text also occurs in train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.checks import leaked_rows
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError
from paddle_tasks.language import _


def with_deduplicated(
    metrics: Callable[[Array], dict[str, Any]],
    splits: Mapping[SplitName, Split[Any]],
    split: Split[Any],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return the metrics of a split and, if it shares texts with train, those of its other rows.

    Args:
        metrics: returns the metrics of the rows that are True in <bool>[rows].
        splits: those that have been read; without train nothing is known to be shared.
        split: the split that is scored.
        names: the metrics that get a twin, ``NAME_deduplicated``, if they exist.
    """
    scores = metrics(np.ones(len(split.examples), dtype=bool))
    train = splits["train"].examples if "train" in splits and split.name != "train" else ()
    leaked = leaked_rows(train, split.examples)
    if leaked.any() and not leaked.all():
        clean = metrics(~leaked)
        scores.update({f"{name}_deduplicated": clean[name] for name in names if name in clean})
    return scores


def check_count(n_rows: int, records: Sequence[Any], what: str) -> None:
    """Check that there is a record for each row; ``what`` names the rows in the message.

    Raises:
        DataError: there are more or fewer.
    """
    if len(records) != n_rows:
        raise DataError(
            _("predictions: expected a record for each of the {count} {rows}, found {found}").format(
                count=n_rows, rows=what, found=len(records)
            )
        )
