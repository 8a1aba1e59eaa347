"""What a measurement compares: the configuration that is named, and others that differ from it in a few things."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle import nn

from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.models import cpu
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.train import load_config

Alter = Callable[[nn.Layer], None]

BASE = "as configured"
SWITCHES: Mapping[str, Alter] = {"plain-kernels": cpu.switch_out}
"""What can be done to a model besides its configuration, by the name that ``--compare`` takes.

`plain-kernels` takes back what the trainer replaces on a CPU: Paddle's own computations.
"""


@dataclass(frozen=True)
class Variant:
    """A configuration, and what is done to its model before the first step."""

    config: RunSection
    switches: tuple[Alter, ...] = ()

    def alter(self, model: nn.Layer) -> None:
        """Do it."""
        for switch in self.switches:
            switch(model)


def variants(
    config: Path, overrides: Sequence[str], compare: Sequence[str], settings: Sequence[str] = ()
) -> dict[str, Variant]:
    """Return what to compare, by name; the first is the configuration without changes.

    Args:
        config: the YAML file.
        overrides: ``KEY=VALUE`` for all of them.
        compare: the changes of each further one, ``KEY=VALUE`` or names of `SWITCHES`, with spaces between.
        settings: ``KEY=VALUE`` over everything else.

    Raises:
        ConfigError: a mistake in one of them, or the same changes twice.
    """
    found = {BASE: Variant(load_config(config, [*overrides, *settings]))}
    for changes in compare:
        if changes in found:
            raise ConfigError(f"--compare {changes!r} is given twice")
        words = _words(changes)
        keys = [word for word in words if word not in SWITCHES]
        switches = tuple(SWITCHES[word] for word in words if word in SWITCHES)
        found[changes] = Variant(load_config(config, [*overrides, *keys, *settings]), switches)
    return found


def _words(changes: str) -> list[str]:
    try:
        words = shlex.split(changes)
    except ValueError as error:
        raise ConfigError(f"--compare {changes!r}: {error}") from None
    unknown = [word for word in words or [changes] if word not in SWITCHES and "=" not in word]
    if unknown:
        hint = did_you_mean(unknown[0], SWITCHES)
        raise ConfigError(f"--compare {unknown[0]!r}: expected KEY=VALUE or one of {', '.join(SWITCHES)}{hint}")
    return words
