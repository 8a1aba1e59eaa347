"""Records that display themselves in notebooks; to programs they are plain dicts and lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

from paddle_tasks.language import plural
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.display_html import lines_to_html, page

Display = Callable[[Mapping[str, Any]], Sequence[Line]]
"""Returns a record as lines for people."""
_MAX_SHOWN = 20


class _Displayed:
    """What is displayed as HTML."""

    def lines(self) -> Sequence[Line]:
        """Return the lines to display."""
        raise NotImplementedError

    def to_html(self, *, full_page: bool = False) -> str:
        """Return HTML: a fragment, or a whole page to be saved in a file.

        It contains no scripts and loads nothing, and can be read on light and on dark backgrounds.
        """
        fragment = lines_to_html(self.lines())
        return page(fragment, "paddle_tasks") if full_page else fragment

    def _repr_html_(self) -> str:
        return self.to_html()


class Record(dict[str, Any], _Displayed):
    """What a pipeline says of one text: a dict that notebooks show in colours. Copies and pickles are plain dicts."""

    def __init__(self, values: Mapping[str, Any], display: Display) -> None:
        super().__init__(values)
        self._display = display

    def lines(self) -> Sequence[Line]:
        """Return the lines to display."""
        return self._display(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


class Records(list[Record], _Displayed):
    """The records of several texts, in their order: a list that notebooks show in colours."""

    def __init__(self, values: Iterable[Mapping[str, Any]], display: Display) -> None:
        super().__init__(Record(value, display) for value in values)

    def lines(self) -> Sequence[Line]:
        """Return the lines to display: those of the first 20 records, and how many more there are."""
        blocks = [list(record.lines()) for record in self[:_MAX_SHOWN]]
        between: list[Line] = [[]] if any(len(block) > 1 for block in blocks) else []
        lines = [line for number, block in enumerate(blocks) for line in (*(between if number else ()), *block)]
        n_more = len(self) - _MAX_SHOWN
        if n_more > 0:
            return [*lines, [Segment(plural("… and {count} more record", "… and {count} more records", n_more))]]
        return lines

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[list[Any]], tuple[list[dict[str, Any]]]]:
        return list, ([dict(record) for record in self],)
