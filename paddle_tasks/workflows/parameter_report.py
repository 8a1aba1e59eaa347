"""What `params` returns: the parts of a model, with their numbers of parameters by formula and as measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from paddle_tasks.models.parameters.cost import Cost
from paddle_tasks.models.parameters.part import Part


@dataclass(frozen=True)
class ParameterReport:
    """The parameters of a model.

    Attributes:
        name: the name of the model.
        parts: its parts with their formulas.
        sizes: the number of values of each parameter of the real Layer; a tied parameter occurs once.
        cost: memory and operations.
        source: where its configuration was published; empty if it was not.
        quoted: the number of parameters that was published; empty if none is quoted.
    """

    name: str
    parts: Part
    sizes: Mapping[str, int]
    cost: Cost
    source: str = ""
    quoted: str = ""

    @property
    def count(self) -> int:
        """The number of parameters that the formulas give."""
        return self.parts.count

    @property
    def measured(self) -> int:
        """The number of parameters of the real Layer."""
        return sum(self.sizes.values())

    def walk(self) -> Iterator[tuple[int, Part, int]]:
        """Yield each part, from the whole to its parts, with its depth and its measured number of parameters."""

        def below(part: Part, depth: int) -> Iterator[tuple[int, Part, int]]:
            yield depth, part, part.measure(self.sizes)
            for inner in part.parts:
                yield from below(inner, depth + 1)

        return below(self.parts, 0)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON: the tree under ``parts``, each part with ``computed`` and ``measured``."""
        published = {"source": self.source, "quoted": self.quoted}
        given = {key: value for key, value in published.items() if value}
        return {
            "name": self.name,
            "computed": self.count,
            "measured": self.measured,
            "parts": self._part_to_json(self.parts),
            "cost": asdict(self.cost),
            **given,
        }

    def _part_to_json(self, part: Part) -> dict[str, Any]:
        found: dict[str, Any] = {"name": part.name, "computed": part.count, "measured": part.measure(self.sizes)}
        if part.formula:
            found["formula"] = part.formula
        if part.course and part.course.count != part.count:
            found["course"] = asdict(part.course)
        if part.parts:
            found["parts"] = [self._part_to_json(inner) for inner in part.parts]
        return found
