"""`paddle-tasks serve`: its options, what it prints, and how it ends."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Device, Quiet
from paddle_tasks.cli.output import print_lines
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.language import _, mark, plural

_DEFAULTS = Limits()
_LIMITS = mark("Limits of requests")


def serve(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|NAME...",
            help="Run folders, shipped models such as sentiment, or built-in pipelines: fill-mask, rewrite. NAME=RUN "
            "chooses the name in requests, which is the name of the folder by default.",
        ),
    ],
    port: Annotated[
        int | None,
        typer.Option(metavar="N", help="Port; by default the first free one from 8040 on.", show_default=False),
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="H", help="Address to listen on; 0.0.0.0 means all addresses of this machine."),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A name by which other machines or a proxy reach the service; may be given several times. Requests "
            "for other names are refused.",
        ),
    ] = None,
    max_length: Annotated[
        int, typer.Option(metavar="N", min=1, help="Characters of a text.", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.text_length,
    max_texts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Texts of a request.", rich_help_panel=_LIMITS)
    ] = _DEFAULTS.n_texts,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Texts that may wait for a model; more are refused.", rich_help_panel=_LIMITS
        ),
    ] = _DEFAULTS.n_queued,
    streams: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=64, help="Texts that are written at the same time.", rich_help_panel=_LIMITS
        ),
    ] = _DEFAULTS.n_streams,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.01, help="From a request to its answer.", rich_help_panel=_LIMITS),
    ] = _DEFAULTS.seconds,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Serve models over HTTP, with a page to try them. Ctrl-C stops it.

    The page is at /, the description of the interface at /docs. POST /v1/predict returns the records that predict
    prints, POST /v1/stream a text as it is written. Nothing is stored, and nothing is loaded from elsewhere.

    SIGTERM and Ctrl-C finish the requests that are being served. On all addresses, other machines can use the service
    without a password.
    """
    runtime.thread_count()  # a wrong PADDLE_TASKS_THREADS is refused, with Paddle or without
    from paddle_tasks.workflows import serve as workflow

    limits = Limits(text_length=max_length, n_texts=max_texts, n_queued=queue, n_streams=streams, seconds=timeout)
    settings = workflow.ServeSettings(host, port, allow_host or (), device, limits)
    stopped_by = workflow.serve(names, settings, partial(_print_address, quiet))
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def _print_address(quiet: bool, url: str, n_models: int) -> None:
    if quiet:
        print_lines(url)
    else:
        models = plural("{count} model", "{count} models", n_models)
        print_lines(_("{models} at {url}/   (Ctrl-C stops it)").format(models=models, url=url))
    sys.stdout.flush()
