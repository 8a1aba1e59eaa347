"""Records as data frames, where pandas is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any


def as_frame(records: Sequence[Mapping[str, Any]], index: str | None = None) -> Any:
    """Return records as a pandas DataFrame; without pandas, as a list of dicts.

    Args:
        records: a record for each row; a key that one of them lacks is a missing value.
        index: the key whose values are the index of the frame.
    """
    if importlib.util.find_spec("pandas") is None:
        return [dict(record) for record in records]
    pandas: Any = importlib.import_module("pandas")
    frame = pandas.DataFrame.from_records(list(records))
    return frame.set_index(index) if index is not None and len(frame) else frame
