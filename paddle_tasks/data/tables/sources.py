"""Where the examples of a split are: a file, one of an archive's own splits, or some of the folds of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.folds import Part
from paddle_tasks.data.tables.readers import Layout, file_format

_IMDB_DEV = Part(folds=10, fold=0, seed=0, held_out=True)


@dataclass(frozen=True)
class Source:
    """Where the examples of a split are.

    Attributes:
        name: a path or catalogue name.
        split: the split of that name or archive.
        part: the part of that split, or None for the whole.
        tells_bad_rows: False when they are told with another part, since a bad row is of none.
    """

    name: str
    split: SplitName
    part: Part | None = None
    tells_bad_rows: bool = True


def published(name: SplitName, sources: Mapping[SplitName, str], layout: Layout) -> Source:
    """Return where a split of a file or catalogue name is.

    The IMDB layout has no dev split: a fixed tenth of its train is dev, whatever a run's seed, and train leaves it
    out when dev is taken from the same place.

    Args:
        name: the split.
        sources: its path or catalogue name, and those of the other splits that are read with it.
        layout: what is known of the file.

    Raises:
        UserError: there is no such file or name.
    """
    source = sources[name]
    if name == "test" or file_format(locate(source, name), layout) != "imdb":
        return Source(source, name)
    other = sources.get("train" if name == "dev" else "dev")
    shared = other is not None and Path(other).resolve() == Path(source).resolve()
    if name == "dev":
        return Source(source, "train", _IMDB_DEV, tells_bad_rows=not shared)
    return Source(source, "train", replace(_IMDB_DEV, held_out=False) if shared else None)
