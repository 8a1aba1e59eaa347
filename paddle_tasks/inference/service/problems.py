"""Answers to requests that cannot be served: a status, a code, a message, and the fields that are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddle_tasks.inference.service.limits import MAX_LISTED
from paddle_tasks.language import _

STATUSES = {
    "invalid": 422,
    "unknown_model": 404,
    "not_found": 404,
    "not_allowed": 405,
    "too_large": 413,
    "not_json": 415,
    "foreign_host": 421,
    "foreign_origin": 403,
    "too_slow": 408,
    "busy": 429,
    "internal": 500,
    "stopping": 503,
    "timeout": 504,
}
"""The status of each code."""


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with a field of a request, such as ``texts.3``."""

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


class RequestProblem(Exception):  # noqa: N818 - an answer, no failure of the program
    """A request that is answered with an error.

    Attributes:
        code: one of `STATUSES`.
        message: what is wrong, for people.
        fields: the fields that are wrong.
        retry_seconds: when to try again; None if that does not help.
    """

    def __init__(
        self, code: str, message: str, fields: Sequence[FieldProblem] = (), *, retry_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.fields, self.retry_seconds = code, message, fields, retry_seconds

    @classmethod
    def of_fields(cls, problems: Sequence[FieldProblem], code: str = "invalid") -> RequestProblem:
        """Return the problem of a request with wrong fields; the first ones are listed."""
        shown = list(problems[:MAX_LISTED])
        more = len(problems) - len(shown)
        lines = [*map(str, shown), *([_("… and {count} more").format(count=more)] if more else [])]
        return cls(code, "\n".join(lines), shown)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUSES[self.code]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {} if self.retry_seconds is None else {"Retry-After": str(self.retry_seconds)}

    def to_json(self) -> Mapping[str, Any]:
        """Return the body of the answer."""
        fields = [{"field": each.field, "problem": each.problem} for each in self.fields]
        return {"error": {"code": self.code, "message": self.message, **({"fields": fields} if fields else {})}}


def field_problem(name: str, problem: str, code: str = "invalid") -> RequestProblem:
    """Return the problem of a request with one wrong field."""
    return RequestProblem.of_fields([FieldProblem(name, problem)], code)


def internal_problem() -> RequestProblem:
    """Return the answer to a request on which the service failed; the reason is in its log only."""
    return RequestProblem("internal", _("the service failed on this request; its log has the reason"))


def timeout_problem(seconds: float) -> RequestProblem:
    """Return the answer to a request that took too long."""
    message = _("no answer within {seconds:g} seconds; send fewer or shorter texts, or try again later")
    return RequestProblem("timeout", message.format(seconds=seconds))
