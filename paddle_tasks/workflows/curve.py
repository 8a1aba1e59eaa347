"""A small picture of losses and scores as SVG, for notebooks; it is redrawn while training runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paddle_tasks.training.display_html import escape

Point = tuple[float, float]
LOSS_COLOUR, SCORE_COLOUR = "#3f90da", "#e76300"
"""They can be told from each other, and from a light and a dark background."""
_WIDTH, _HEIGHT, _MARGIN = 560, 120, 8
_MAX_POINTS = 400


class Series:
    """Points of a curve with limited memory: of many points, every second one is dropped.

    Attributes:
        points: step and value of each point.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []

    def add(self, step: int, value: float) -> None:
        """Add a point, unless the value is not finite."""
        if math.isfinite(value):
            self.points.append((float(step), value))
        if len(self.points) > _MAX_POINTS:
            self.points = self.points[::2]  # the last one stays, since their number is odd


def draw(losses: Sequence[Point], scores: Sequence[Point], description: str) -> str:
    """Return an SVG image; the losses are a line, the scores a line with dots. Each has its own vertical scale.

    Args:
        losses: step and loss.
        scores: step and score; few.
        description: read out in place of the image.
    """
    first = min((points[0][0] for points in (losses, scores) if points), default=0.0)
    last = max((points[-1][0] for points in (losses, scores) if points), default=1.0)
    steps = (first, last)
    lines = _line(_placed(losses, steps), LOSS_COLOUR) + _line(_placed(scores, steps), SCORE_COLOUR)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{SCORE_COLOUR}"/>' for x, y in _placed(scores, steps))
    frame = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="rgb(128,128,128)" stroke-opacity=".4"/>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(description)}" '
        f'style="display:block;width:100%;max-width:{_WIDTH}px">{frame}{lines}{dots}</svg>'
    )


def _placed(points: Sequence[Point], steps: Point) -> list[tuple[str, str]]:
    """Return points as coordinates in the image; the largest value is at the top."""
    values = [value for _step, value in points]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    return [
        (_place(step, steps, _WIDTH), _place(value, (high, low), _HEIGHT) if high > low else f"{_HEIGHT / 2:.1f}")
        for step, value in points
    ]


def _place(value: float, ends: Point, size: int) -> str:
    share = (value - ends[0]) / (ends[1] - ends[0]) if ends[1] != ends[0] else 0.5
    return f"{_MARGIN + share * (size - 2 * _MARGIN):.1f}"


def _line(points: Sequence[tuple[str, str]], colour: str) -> str:
    if len(points) < 2:
        return ""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
