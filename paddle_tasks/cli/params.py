"""`paddle-tasks params`: the number of parameters of a model by part, its memory and its operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Overrides, Quiet
from paddle_tasks.cli.output import print_json, print_text
from paddle_tasks.language import _
from paddle_tasks.wrapping import width_of

if TYPE_CHECKING:
    from paddle_tasks.models.parameters.cost import Cost
    from paddle_tasks.workflows.parameter_report import ParameterReport


def params(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="bert-base-chinese, builtin/NAME, CONFIG.yaml, a run or model folder, a config.json, rnn, gru, lstm "
            "or transformer.",
            show_default=False,
        ),
    ],
    overrides: Overrides = None,
    inputs: Annotated[
        int | None,
        typer.Option("--input", metavar="N", help="Size of an input vector: 300; rnn, gru, lstm.", show_default=False),
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(metavar="N", help="Size of a state: 128, or 512 for transformer.", show_default=False)
    ] = None,
    layers: Annotated[
        int | None, typer.Option(metavar="N", help="Number of layers: 1, or 6 for transformer.", show_default=False)
    ] = None,
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="Read in both directions.")] = False,
    heads: Annotated[
        int | None, typer.Option(metavar="N", help="Heads of attention: 8; transformer.", show_default=False)
    ] = None,
    inner: Annotated[
        int | None,
        typer.Option(metavar="N", help="Inner width of the feed-forward part; transformer.", show_default=False),
    ] = None,
    length: Annotated[int, typer.Option(metavar="N", help="Tokens of a text, for the estimates.")] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Count the parameters of a model by part: by formula, and on the real Layer.

    Also prints the memory that training takes, and the operations for a token. A configuration is built as train does.
    """
    runtime.import_paddle()
    from paddle_tasks.workflows.params import params as count

    report = count(
        model,
        overrides or [],
        inputs=inputs,
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        heads=heads,
        inner=inner,
        length=length,
    )
    if as_json:
        print_json(report.to_json())
    else:
        print_text("\n".join(report_lines(report)))


def report_lines(report: ParameterReport) -> Iterator[str]:
    """Yield the lines of a report."""
    rows = [("", _("formula"), _("computed"), _("measured"))]
    rows += [
        ("  " * depth + part.name, part.formula, f"{part.count:,}", f"{measured:,}")
        for depth, part, measured in report.walk()
    ]
    names, formulas = (max(width_of(row[column]) for row in rows) for column in (0, 1))
    for name, formula, computed, measured in rows:
        first = _pad(name, names) + "  " + _pad(formula, formulas)
        yield f"{first}  {_pad_left(computed, 15)}  {_pad_left(measured, 15)}"
    for _depth, part, _measured in report.walk():
        if part.course and part.course.count != part.count:
            answer = _("course's answer, {name}: {count:,} ({reason})")
            yield answer.format(name=part.name, count=part.course.count, reason=part.course.reason)
    if report.source:
        yield _("configuration: {source}").format(source=report.source)
    if report.quoted:
        yield _("published count: {count}").format(count=report.quoted)
    yield from _cost_lines(report.cost)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _pad_left(text: str, width: int) -> str:
    return " " * (width - width_of(text)) + text


def _cost_lines(cost: Cost) -> Iterator[str]:
    memory = _("memory in float32: weights {weights} MB, gradients {gradients} MB, AdamW {optimizer} MB")
    yield memory.format(weights=_mb(cost.weights), gradients=_mb(cost.gradients), optimizer=_mb(cost.optimizer))
    if cost.activations:
        activations = _("estimate: activations {megabytes} MB for each text of {length} tokens")
        yield activations.format(megabytes=_mb(cost.activations * cost.length), length=cost.length)
    operations = _("estimate: {forward} MFLOP for each token forward, {training} MFLOP forward and backward")
    yield operations.format(forward=f"{cost.forward_flops / 1e6:,.2f}", training=f"{cost.training_flops / 1e6:,.2f}")


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f}"
