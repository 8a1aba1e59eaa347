"""The variants that a measurement compares: a configuration, and others that differ from it in a few settings."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle import nn

from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.models import cpu
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.config import load_config

Switch = Callable[[nn.Layer], None]

BASE = "as configured"
SWITCHES: Mapping[str, Switch] = {"plain-kernels": cpu.switch_out}
"""Changes of a model that no configuration key makes, by their names in ``--compare``.

`plain-kernels` restores Paddle's own computations, which the trainer replaces on a CPU.
"""


@dataclass(frozen=True)
class Variant:
    """A configuration, and the switches to apply to its model before the first step."""

    config: RunSection
    switches: tuple[Switch, ...] = ()

    def apply_switches(self, model: nn.Layer) -> None:
        """Change a model in place."""
        for switch in self.switches:
            switch(model)


def load_variants(
    config: Path, overrides: Sequence[str], compare: Sequence[str], settings: Sequence[str] = ()
) -> dict[str, Variant]:
    """Return the variants to compare by name; the first is the configuration without changes.

    Args:
        config: the YAML file.
        overrides: ``KEY=VALUE`` for all variants.
        compare: the changes of each further variant: ``KEY=VALUE`` or names of `SWITCHES`, separated by spaces.
        settings: ``KEY=VALUE`` that take precedence over everything else.

    Raises:
        ConfigError: an argument is wrong, or the same changes are given twice.
    """
    variants = {BASE: Variant(load_config(config, [*overrides, *settings]))}
    for changes in compare:
        if changes in variants:
            raise ConfigError(f"--compare {changes!r} is given twice")
        words = _split_changes(changes)
        keys = [word for word in words if word not in SWITCHES]
        switches = tuple(SWITCHES[word] for word in words if word in SWITCHES)
        variants[changes] = Variant(load_config(config, [*overrides, *keys, *settings]), switches)
    return variants


def _split_changes(changes: str) -> list[str]:
    try:
        words = shlex.split(changes)
    except ValueError as error:
        raise ConfigError(f"--compare {changes!r}: {error}") from None
    unknown = [word for word in words or [changes] if word not in SWITCHES and "=" not in word]
    if unknown:
        hint = did_you_mean(unknown[0], SWITCHES)
        raise ConfigError(f"--compare {unknown[0]!r}: expected KEY=VALUE or one of {', '.join(SWITCHES)}{hint}")
    return words
