"""Where the examples of a split are: a file, one of an archive's own splits, or some of the folds of these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from paddle_tasks.data.catalogue import SplitName, locate
from paddle_tasks.data.folds import Part
from paddle_tasks.data.readers import Layout, file_format

_IMDB_DEV = Part(folds=10, fold=0, seed=0, held_out=True)


@dataclass(frozen=True)
class Source:
    """Where the examples of a split are.

    Attributes:
        name: a path or catalogue name.
        split: the split of that name or archive.
        part: the part of that split, or None for the whole.
    """

    name: str
    split: SplitName
    part: Part | None = None


def published(name: SplitName, source: str, dev: str | None, layout: Layout) -> Source:
    """Return where a split of a file or catalogue name is.

    The IMDB layout has no dev split: a fixed tenth of its train is dev, whatever a run's seed, and train leaves it
    out when dev is taken from the same place.

    Args:
        name: the split.
        source: the path or catalogue name.
        dev: that of the dev split, when there is one.
        layout: what is known of the file.

    Raises:
        UserError: there is no such file or name.
    """
    if name == "test" or file_format(locate(source, name), layout) != "imdb":
        return Source(source, name)
    if name == "dev":
        return Source(source, "train", _IMDB_DEV)
    shared = dev is not None and Path(dev).resolve() == Path(source).resolve()
    return Source(source, "train", replace(_IMDB_DEV, held_out=False) if shared else None)
