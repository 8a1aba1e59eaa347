"""The bodies of requests: their fields, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import ErrorDetails

from paddle_tasks.errors import did_you_mean
from paddle_tasks.inference.service import options as option_values
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.models import ServedModel
from paddle_tasks.inference.service.problems import FieldProblem, RequestProblem
from paddle_tasks.inference.texts import find_problem
from paddle_tasks.language import _, mark
from paddle_tasks.validation_messages import explain

_MAX_ECHOED = 40


class _Body(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, protected_namespaces=())

    model: str | None = Field(None, description=mark("The name of a model; not needed if only one is served."))
    options: dict[str, Any] = Field(default_factory=dict, description=mark("Options of the model, see `/v1/models`."))


class PredictBody(_Body):
    """Texts, and what to do with them."""

    texts: list[str] = Field(
        description=mark("A text, or a list of texts; the fields of a pair have a tab between them.")
    )
    lines: bool = Field(False, description=mark("Whether to return each record as lines for people, too."))

    @field_validator("texts", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class StreamBody(_Body):
    """A text to continue or to translate."""

    text: str = Field(description=mark("The text."))


def explain_details(details: Sequence[Mapping[str, Any]], schema: type[BaseModel]) -> RequestProblem:
    """Return the answer to a body with these errors of pydantic, whose places begin with ``body``."""
    return RequestProblem.of_fields([_explain(detail, schema) for detail in details])


def _explain(detail: Mapping[str, Any], schema: type[BaseModel]) -> FieldProblem:
    if detail["type"] == "json_invalid":
        message = _("not valid JSON at character {position}: {reason}")
        return FieldProblem("", message.format(position=detail["loc"][-1], reason=detail["ctx"]["error"]))
    place = tuple(str(part)[:_MAX_ECHOED] for part in detail["loc"][1:])
    key = ".".join(place)
    if detail["type"] == "extra_forbidden":
        near = did_you_mean(key, schema.model_fields)
        return FieldProblem(key, _("unknown field{near}").format(near=near))
    short = ErrorDetails(
        type=detail["type"],
        loc=place,
        msg=detail["msg"],
        input=_shorten(detail.get("input")),
        ctx=detail.get("ctx", {}),
    )
    return FieldProblem(key, explain(short, schema).removeprefix(key).removeprefix(": ").removeprefix("："))


def _shorten(value: Any) -> Any:
    """Return a value whose representation is short."""
    if isinstance(value, (list, dict)):
        return type(value)()
    return value if len(repr(value)) <= _MAX_ECHOED else f"{str(value)[:_MAX_ECHOED]}…"


def check_predict(body: PredictBody, model: ServedModel, limits: Limits) -> None:
    """Check the texts and options of a request.

    Raises:
        RequestProblem: something cannot be used.
    """
    problems = [*_count_problems(body.texts, limits)]
    problems = problems or [*_text_problems(body.texts, model, limits)]
    problems += option_values.find_problems(body.options, model.options)
    problems = problems or [*_cost_problems(len(body.texts), body.options, model, limits)]
    if problems:
        raise RequestProblem.of_fields(problems)


def check_stream(body: StreamBody, model: ServedModel, limits: Limits) -> None:
    """Check the text and the options of a stream.

    Raises:
        RequestProblem: something cannot be used, or the model does not write texts.
    """
    if not model.usage.streams:
        raise RequestProblem.of_fields([FieldProblem("model", _("{name} writes no texts").format(name=model.name))])
    text = [FieldProblem("text", each.problem) for each in _text_problems([body.text], model, limits)]
    problems = [*text, *option_values.find_problems(body.options, model.stream_options)]
    if problems := problems or [*_cost_problems(1, body.options, model, limits)]:
        raise RequestProblem.of_fields(problems)


def _count_problems(texts: Sequence[str], limits: Limits) -> Iterator[FieldProblem]:
    if not 1 <= len(texts) <= limits.n_texts:
        message = _("expected from 1 to {limit} texts, found {count}")
        yield FieldProblem("texts", message.format(limit=limits.n_texts, count=len(texts)))


def _text_problems(texts: Sequence[str], model: ServedModel, limits: Limits) -> Iterator[FieldProblem]:
    for number, text in enumerate(texts):
        if len(text) > limits.text_length:
            message = _("expected at most {limit} characters, found {count}")
            yield FieldProblem(f"texts.{number}", message.format(limit=limits.text_length, count=len(text)))
        elif problem := find_problem(text, len(model.usage.fields)):
            yield FieldProblem(f"texts.{number}", problem)


def _cost_problems(
    n_texts: int, options: Mapping[str, Any], model: ServedModel, limits: Limits
) -> Iterator[FieldProblem]:
    n_written = option_values.count_written(n_texts, options, model.usual_length)
    if n_written > limits.n_written:
        message = _("texts times outputs times length are {count} characters; expected at most {limit} in a request")
        yield FieldProblem("options.max_new_tokens", message.format(count=n_written, limit=limits.n_written))
