"""The models of a service: loading them, what a client may know of them, and their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from paddle_tasks.errors import ConfigError, DataError, did_you_mean
from paddle_tasks.inference.outputs import rounded
from paddle_tasks.inference.pipelines import Pipeline, Predictor, pipeline
from paddle_tasks.inference.records import Record
from paddle_tasks.inference.service.options import schema
from paddle_tasks.inference.text_stream import PipelineStream
from paddle_tasks.inference.usage import Usage, usage_of
from paddle_tasks.language import _, in_context, join
from paddle_tasks.training.display import Line

_UNSTREAMED = ("num_beams", "num_return_sequences")
"""Options with which a text cannot be written as a stream."""
_USUAL_LENGTH = 200


@dataclass(frozen=True)
class ServedModel:
    """A model under the name by which requests call it.

    Attributes:
        name: the name.
        usage: what it takes and returns.
        pipeline: computes its records.
    """

    name: str
    usage: Usage
    pipeline: Pipeline

    @property
    def options(self) -> tuple[str, ...]:
        """The options of a call."""
        return self.usage.options

    @property
    def stream_options(self) -> tuple[str, ...]:
        """The options of a stream."""
        return tuple(name for name in self.options if name not in (*_UNSTREAMED, "explain"))

    @cached_property
    def page_options(self) -> Mapping[str, Any]:
        """The options that the page begins with."""
        return {name: value for name, value in self.usage.demonstration.options.items() if name in self.options}

    @property
    def usual_length(self) -> int:
        """How many characters it writes by default; 0 if it writes none."""
        return _USUAL_LENGTH if self.usage.streams else 0

    def compute(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the records that `predict` prints."""
        return [rounded(record) for record in self.pipeline.answer(texts, **options)]

    def stream(self, text: str, options: Mapping[str, Any]) -> PipelineStream:
        """Return an iterator over the pieces that continue a text."""
        assert isinstance(self.pipeline, Predictor)
        return self.pipeline.stream_text(text, **options)

    def lines(self, record: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
        """Return a record as lines of segments, without what is empty."""
        return [_segments(line) for line in Record(record, self.usage.display).lines()]

    def warm_up(self) -> None:
        """Compute an example as the page does, so that no request waits for imports.

        A model may not be able to use the example of its task, such as word vectors that do not know its words.
        """
        for example in self.usage.demonstration.examples[:1]:
            with suppress(DataError):
                self.compute([example], self.page_options)

    def _label_names(self) -> dict[str, str]:
        """Return the name of each label in the current language."""
        own = {label: label for label in self.usage.labels}
        names = {**own, **self.usage.demonstration.labels, **self.usage.label_names}
        return {label: in_context("label", name) for label, name in names.items()}

    def describe(self) -> dict[str, Any]:
        """Return what a client may know, with the names of labels in the current language."""
        shown = self.usage.demonstration
        return {
            "name": self.name,
            "kind": shown.kind,
            "fields": list(self.usage.fields),
            "options": schema(self.options),
            "stream": list(self.stream_options) if self.usage.streams else None,
            "labels": self._label_names(),
            "examples": list(shown.examples),
            "page_options": dict(self.page_options),
        }


def _segments(line: Line) -> list[dict[str, Any]]:
    return [
        {
            "text": segment.text,
            **{name: value for name in ("label", "tone", "change") if (value := getattr(segment, name))},
            **({"strength": round(segment.strength, 3)} if segment.strength else {}),
        }
        for segment in line
        if segment.text
    ]


def load_models(names: Sequence[str], device: str) -> list[ServedModel]:
    """Load the models that a command names, and compute an example with each.

    Args:
        names: a run folder, a shipped model or a built-in pipeline each; ``NAME=`` before it is what requests call it.
        device: as in `paddle_tasks.pipeline`.

    Raises:
        ConfigError: two have the same name, or a task has no shipped model.
        UserError: a model cannot be loaded.
    """
    named = dict(map(_name, names))
    if len(named) < len(names):
        raise ConfigError(_("{names}: two models have the same name; write NAME=RUN").format(names=join(names)))
    usages = {name: usage_of(run) for name, run in named.items()}  # a wrong name is found before any model is loaded
    models = [ServedModel(name, usages[name], pipeline(run, device=device)) for name, run in named.items()]
    for model in models:
        model.warm_up()
    return models


def _name(text: str) -> tuple[str, str]:
    """Return the name and the run of an argument; the name of a run is that of its folder, without the path."""
    name, separator, run = text.partition("=")
    if separator and name and "/" not in name and not Path(text).exists():
        return name, run
    path = Path(text)
    folder = path.resolve() if path.name in ("", "..") else path
    return (folder.parent.name if folder.name == "model" and folder.parent.name else folder.name), text


class Models(dict[str, ServedModel]):
    """The models of a service by name."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        super().__init__((model.name, model) for model in models)

    def unknown(self, name: str | None) -> str:
        """Return what is wrong with the name of a model in a request."""
        if name is None:
            return _("missing (one of {known})").format(known=join(list(self)))
        near = did_you_mean(name[:80], self)
        return _("no model {name!r}{near} (one of {known})").format(name=name[:80], near=near, known=join(list(self)))
