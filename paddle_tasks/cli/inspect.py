"""`paddle-tasks inspect`: what an encoder reads and computes for a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_text
from paddle_tasks.language import _

if TYPE_CHECKING:
    from paddle_tasks.workflows.inspect import Inspection


def inspect(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="builtin/NAME, a model folder or a PaddleNLP name.", show_default=False),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text.", show_default=False)],
    pair: Annotated[str | None, typer.Argument(metavar="TEXT", help="A second text, read with the first.")] = None,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Show the tokens of a text, and the shapes of what an encoder returns for it."""
    runtime.import_paddle()
    from paddle_tasks.workflows.inspect import inspect as look

    print_text("\n".join(inspection_lines(look(model, text, pair))))


def inspection_lines(found: Inspection) -> Iterator[str]:
    """Yield the lines about an inspected text."""
    inside = found.inside
    yield _("tokens: {tokens}").format(tokens=" ".join(found.tokens))
    yield _("ids: {ids}").format(ids=" ".join(map(str, found.input_ids)))
    yield _("segments: {ids}").format(ids=" ".join(map(str, found.token_type_ids)))
    yield _("mask: {ids}").format(ids=" ".join(map(str, found.attention_mask)))
    difference = float(abs(inside.summed - inside.hidden_states[0]).max())
    yield _("embeddings: {parts}, summed by hand and normalised; difference from the input {difference:.1e}").format(
        parts=" + ".join(inside.embeddings), difference=difference
    )
    yield _("hidden states [layers + 1, length, width]: {shape}").format(shape=list(inside.hidden_states.shape))
    yield _("pooler output [width]: {shape}").format(shape=list(inside.pooler_output.shape))
    yield _("attentions [layers, heads, length, length]: {shape}").format(shape=list(inside.attentions.shape))
