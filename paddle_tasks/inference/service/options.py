"""The options of calls as requests give them: types, ranges, and a limit for what a request may cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from paddle_tasks.errors import did_you_mean
from paddle_tasks.inference.service.problems import FieldProblem
from paddle_tasks.language import _, join

_SEEDS = 2**32 - 1


@dataclass(frozen=True)
class Option:
    """The values of an option.

    Attributes:
        type: as in a JSON schema.
        minimum: the least value.
        maximum: the largest value that a request may ask for.
    """

    type: Literal["boolean", "integer", "number"]
    minimum: float = 0
    maximum: float = 1

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value; None if it can be used."""
        if self.type == "boolean":
            return None if isinstance(value, bool) else _("expected true or false, found {found}").format(found=value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        is_right = is_number and (self.type == "number" or isinstance(value, int))
        if is_right and self.minimum <= value <= self.maximum:
            return None
        kind = _("an integer") if self.type == "integer" else _("a number")
        message = _("expected {kind} from {low:g} to {high:g}, found {found}")
        return message.format(kind=kind, low=self.minimum, high=self.maximum, found=repr(value)[:40])

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of its values."""
        if self.type == "boolean":
            return {"type": self.type}
        return {"type": self.type, "minimum": self.minimum, "maximum": self.maximum}


OPTIONS: Mapping[str, Option] = {
    "analogy": Option("boolean"),
    "explain": Option("boolean"),
    "length_penalty": Option("number", -5, 5),
    "max_new_tokens": Option("integer", 1, 1000),
    "min_p": Option("number"),
    "min_similarity": Option("number", -1, 1),
    "n_variants": Option("integer", 1, 10),
    "no_repeat_window": Option("integer", 0, 1000),
    "num_beams": Option("integer", 1, 10),
    "num_return_sequences": Option("integer", 1, 10),
    "repetition_penalty": Option("number", 0.1, 10),
    "rounds": Option("integer", 1, 5),
    "seed": Option("integer", 0, _SEEDS),
    "share": Option("number", 0.01, 1),
    "temperature": Option("number", 0.05, 5),
    "top_k": Option("integer", 1, 100),
    "top_p": Option("number", 0.01, 1),
}
"""The options of this package's pipelines. Those of other packages' tasks are numbers, texts or truth values."""


def find_problems(options: Mapping[str, Any], known: Sequence[str]) -> Iterator[FieldProblem]:
    """Yield what is wrong with the options of a request.

    Args:
        options: the options by name.
        known: the names of those that the model takes.
    """
    for name, value in options.items():
        if name not in known:
            near = did_you_mean(name[:40], known)
            message = (
                _("unknown option{near} (this model takes {known})") if known else _("this model takes no options")
            )
            yield FieldProblem(f"options.{name[:40]}", message.format(near=near, known=join(known)))
        elif problem := _problem(name, value):
            yield FieldProblem(f"options.{name}", problem)


def _problem(name: str, value: Any) -> str | None:
    if name in OPTIONS:
        return OPTIONS[name].problem(value)
    is_scalar = isinstance(value, (bool, int, float, str))
    return None if is_scalar else _("expected a number, a text, true or false")


def schema(names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of each option."""
    return {name: OPTIONS[name].schema() if name in OPTIONS else {} for name in names}


def count_written(n_texts: int, options: Mapping[str, Any], default_length: int) -> int:
    """Return how many characters a request asks a model to write, those of beams included."""
    length = options.get("max_new_tokens", default_length)
    return int(n_texts * length * max(options.get("num_beams", 1), options.get("num_return_sequences", 1)))
