"""The source of a split's examples: a file, a split inside an archive, or some folds of either."""

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
    """The source of a split's examples.

    Attributes:
        name: a path or catalogue name.
        split: the split to read under that name or inside that archive.
        part: the folds of that split to use, or None to use all of it.
        reports_bad_rows: whether loading this source reports the file's bad rows. Bad rows belong to no fold, so of
            two parts of one file only one reports them.
    """

    name: str
    split: SplitName
    part: Part | None = None
    reports_bad_rows: bool = True


def resolve_source(name: SplitName, sources: Mapping[SplitName, str], layout: Layout) -> Source:
    """Return the source of a split that is given by path or catalogue name.

    The IMDB layout has no dev split. A fixed tenth of its train split, the same for every seed, becomes dev; train
    leaves that tenth out if dev comes from the same path.

    Args:
        name: the split.
        sources: the path or catalogue name of this split and of the other splits that are read with it.
        layout: the known part of the file's layout.

    Raises:
        UserError: there is no such file or name.
    """
    source = sources[name]
    if name == "test" or file_format(locate(source, name), layout) != "imdb":
        return Source(source, name)
    other = sources.get("train" if name == "dev" else "dev")
    shared = other is not None and Path(other).resolve() == Path(source).resolve()
    if name == "dev":
        return Source(source, "train", _IMDB_DEV, reports_bad_rows=not shared)
    return Source(source, "train", replace(_IMDB_DEV, held_out=False) if shared else None)
