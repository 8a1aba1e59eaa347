"""The labels and polarities that a model learns from its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, join
from paddle_tasks.tasks.opinion.prediction import OpinionNames
from paddle_tasks.tasks.opinion.section import OpinionConfig


def find_names(config: OpinionConfig, *splits: Any) -> OpinionNames:
    """Return the names that the configuration gives, or else those that occur in splits.

    Raises:
        ConfigError: there are no labels, or pairs are to be learnt without aspects and opinions.
    """
    labels = set(config.data.labels or ()) or {label for split in splits for label in split.labels}
    if not labels:
        message = _("data.train: no span in {path}; expected at least one label to learn")
        raise ConfigError(message.format(path=splits[0].path))
    # The tagger knows aspects and opinions by their index.
    first = [label for label in (ASPECT, OPINION) if label in labels]
    others = [label for label in config.data.labels or sorted(labels) if label not in first]
    return OpinionNames((*first, *others), _find_polarities(config, labels, splits))


def _find_polarities(config: OpinionConfig, labels: set[str], splits: Sequence[Any]) -> tuple[str, ...]:
    """Return the polarities of the pairs that are learnt; none if there are no pairs."""
    polarities = config.data.polarities or tuple(sorted({name for split in splits for name in split.polarities}))
    if not config.model.pairs or not any(split.polarities for split in splits):
        return ()
    if not {ASPECT, OPINION} <= labels:
        message = _(
            "model.pairs: pairs need the labels {aspect} and {opinion}, found {found}; "
            "model.pairs=false learns the spans alone"
        )
        raise ConfigError(message.format(aspect=ASPECT, opinion=OPINION, found=join(sorted(labels))))
    return polarities
