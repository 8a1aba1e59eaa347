"""What the dashboard answers where VisualDL's order or choice is of no use: plain data in, plain data out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

Listing = dict[str, list[Any]]
"""VisualDL's list of tags: ``runs``, and under ``tags`` a list of tags for each of them."""

Point = list[Any]
"""VisualDL's point of a scalar: milliseconds since 1970, step, value."""

_TABS = ("scalar", "image", "text", "histogram", "hyper_parameters", "embeddings", "pr_curve", "roc_curve")


def order_tabs(tabs: Iterable[str]) -> list[str]:
    """Return the names of pages in a fixed order, scalars first: the dashboard opens on the first of them."""
    return sorted(tabs, key=lambda tab: (_TABS.index(tab) if tab in _TABS else len(_TABS), tab))


def list_runs(listing: Listing, runs: Collection[str]) -> Listing:
    """Return a listing with all runs in the order of their names, so that a run has the same colour on every page."""
    tags = dict(zip(listing["runs"], listing["tags"], strict=True))
    names = sorted({*runs, *tags}, key=natural_key)
    return {"runs": names, "tags": [tags.get(name, []) for name in names]}


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sorting key by which ``run-2`` comes before ``run-10``, and a run before its baseline and its sweep."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def leave_out_constants(
    listing: Listing, values_of: Callable[[str, str], Iterable[float]], kept: Collection[str]
) -> Listing:
    """Return a listing without the tags of which all points of all runs have the same value.

    A tag with a single point is no constant.

    Args:
        listing: the runs and their tags.
        values_of: returns the values of a run and a tag.
        kept: tags that stay.
    """
    pairs = list(zip(listing["runs"], listing["tags"], strict=True))
    constant = {
        tag
        for tag in {tag for _, tags in pairs for tag in tags} - {*kept}
        if _is_constant(chain.from_iterable(values_of(run, tag) for run, tags in pairs if tag in tags))
    }
    return {"runs": listing["runs"], "tags": [[tag for tag in tags if tag not in constant] for _, tags in pairs]}


def _is_constant(values: Iterable[float]) -> bool:
    iterator = iter(values)
    first = next(iterator, None)
    second = next(iterator, None)
    return second is not None and second == first and all(value == first for value in iterator)


def as_level(points: Sequence[Point], last_step: int) -> list[Point]:
    """Return the single point of a baseline as a level over all steps of the other runs.

    A baseline has no steps: its point, written at step 1, would look like a run that stopped there.
    """
    if len(points) != 1 or last_step <= 1:
        return list(points)
    milliseconds, _, value = points[0]
    return [[milliseconds, 0, value], [milliseconds, last_step, value]]


def choose_settings(indicators: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return VisualDL's indicators with the settings in which runs differ; those that most runs have come first.

    If there are none, as for a single run, all settings stay.

    Args:
        indicators: ``metrics``, and under ``hparams`` the settings with their different ``values``.
        trials: the runs with their ``hparams``.
    """
    n_runs = Counter(name for trial in trials for name in trial["hparams"])
    varying = [setting for setting in indicators["hparams"] if len(setting["values"]) > 1]
    varying.sort(key=lambda setting: -n_runs[setting["name"]])
    return {**indicators, "hparams": varying or indicators["hparams"]}
