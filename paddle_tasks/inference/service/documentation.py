"""The examples of the OpenAPI description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddle_tasks.inference.service.models import ServedModel
from paddle_tasks.inference.service.streaming import event
from paddle_tasks.language import _, mark

DESCRIPTION = mark(
    "Models of paddle_tasks over HTTP. Bodies are JSON in UTF-8.\n\n"
    'A wrong request gets `{"error": {"code", "message", "fields": [{"field", "problem"}]}}`; with '
    "`Accept-Language: zh` its messages are Chinese. A full queue answers 429 with `Retry-After`."
)
_WRONG_FIELD, _FOUND = mark("A field is wrong"), mark("What was asked for")
_FULL_QUEUE = mark("The queue is full; Retry-After says when to try again")
_NO_PLACE = mark("Too many texts are being written; Retry-After says when to try again")
_LATE = mark("No answer in time")
_TRANSLATED = ("summary", "description")
_ERROR = {
    "error": {
        "code": "invalid",
        "message": "texts.0: empty text",
        "fields": [{"field": "texts.0", "problem": "empty text"}],
    }
}
_EVENTS = event("", {"text": "，"}) + event("end", {"record": {"input": "…", "outputs": [{"text": "，…"}]}})


class Examples:
    """Examples with the models that are served."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._models = models

    def predictions(self) -> dict[str, Any]:
        """Return a body of `/v1/predict` for each model."""
        return {
            model.name: {
                "summary": model.name,
                "value": {"model": model.name, "texts": _inputs(model)[:2]},
            }
            for model in self._models
        }

    def streams(self) -> dict[str, Any]:
        """Return a body of `/v1/stream` for each model that writes."""
        return {
            model.name: {
                "summary": model.name,
                "value": {
                    "model": model.name,
                    "text": _inputs(model)[0],
                    "options": {
                        name: model.page_options[name] for name in model.stream_options if name in model.page_options
                    },
                },
            }
            for model in self._models
            if model.usage.streams
        }

    def records(self) -> dict[int | str, dict[str, Any]]:
        """Return the answers of `/v1/predict`."""
        example = {"model": "…", "records": [{"input": "…", "label": "…", "score": 0.9}]}
        return {
            200: {"description": _FOUND, "content": {"application/json": {"example": example}}},
            422: {"description": _WRONG_FIELD, "content": {"application/json": {"example": _ERROR}}},
            429: {"description": _FULL_QUEUE},
            504: {"description": _LATE},
        }

    def events(self) -> dict[int | str, dict[str, Any]]:
        """Return the answers of `/v1/stream`."""
        return {
            200: {"description": _FOUND, "content": {"text/event-stream": {"example": _EVENTS.decode()}}},
            422: {"description": _WRONG_FIELD, "content": {"application/json": {"example": _ERROR}}},
            429: {"description": _NO_PLACE},
        }


def _inputs(model: ServedModel) -> list[str]:
    """Return examples of the input of a model."""
    return list(model.usage.demonstration.examples) or ["\t".join(["你好"] * len(model.usage.fields))]


def translated(description: Any) -> Any:
    """Return an OpenAPI description whose sentences are in the current language."""
    if isinstance(description, list):
        return [translated(each) for each in description]
    if not isinstance(description, dict):
        return description
    return {
        key: _(value) if key in _TRANSLATED and isinstance(value, str) else translated(value)
        for key, value in description.items()
    }
