"""`paddle-tasks bench …`: measurements, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddle_tasks.cli.options import Config, Device, Overrides, Quiet

if TYPE_CHECKING:
    from paddle_tasks.workflows.bench.report import Report

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure this machine: training, logging, tokenising, starting. Each takes --repeats, --json and --quiet.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="CHANGES",
        help="Measure with KEY=VALUE or plain-kernels (Paddle's own) too; may be repeated.",
    ),
]
_MOST_COLUMNS = 8
_SHARES = ("matmul_share", "padding", "share")


def _repeats(default: int) -> Any:
    return typer.Option(default, "--repeats", min=1, help="Measurements that count.")


@app.command("train")
def bench_train(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of a run, instead of its epochs.")] = None,
    compare: Compare = None,
    device: Device = "auto",
    repeats: int = _repeats(3),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train runs that leave nothing behind: tokens a second of the steps, and seconds of everything else."""
    _start()
    from paddle_tasks.workflows.bench.training import bench_training
    from paddle_tasks.workflows.bench.variants import variants

    limit = [f"training.max_steps={steps}"] if steps else []
    found = variants(config, overrides or [], compare or [], limit)
    _print(bench_training(found, repeats=repeats, device=device, say=_say(quiet)), as_json)


@app.command("logging")
def bench_logging(
    config: Config,
    overrides: Overrides = None,
    device: Device = "auto",
    repeats: int = _repeats(3),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train runs that leave nothing behind: what each logging.detail costs of the time of the steps."""
    _start()
    from paddle_tasks.workflows.bench.logging import bench_logging as measure
    from paddle_tasks.workflows.train import load_config

    found = load_config(config, overrides or [])
    _print(measure(found, repeats=repeats, device=device, say=_say(quiet)), as_json)


@app.command("encoder")
def bench_encoder(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts of a step.")] = 32,
    length: Annotated[int, typer.Option(min=3, help="Tokens of each text.")] = 110,
    compare: Compare = None,
    device: Device = "auto",
    repeats: int = _repeats(15),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Time single training steps (forward, backward, update) on a batch of one size."""
    _start()
    from paddle_tasks.workflows.bench.encoder import bench_encoder as measure
    from paddle_tasks.workflows.bench.variants import variants

    size = [f"training.batch_size={batch_size}", f"training.max_length={length}"]
    found = variants(config, overrides or [], compare or [], size)
    _print(measure(found, repeats=repeats, device=device, say=_say(quiet)), as_json)


@app.command("tokenize")
def bench_tokenize(
    file: Annotated[Path | None, typer.Argument(help="A file of text, instead of the reviews that ship.")] = None,
    texts: Annotated[int, typer.Option(min=1, help="How many texts of 100 characters.")] = 5000,
    tokenizer: Annotated[Path | None, typer.Option(help="A folder with a vocab.txt.")] = None,
    repeats: int = _repeats(5),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tokenise texts of 100 characters, and the same with PaddleNLP's tokenizers; exit 1 when ids differ."""
    _start()
    from paddle_tasks.workflows.bench.tokenizing import SLOW
    from paddle_tasks.workflows.bench.tokenizing import bench_tokenize as measure

    report = measure(file, n_texts=texts, repeats=repeats, tokenizer=tokenizer, say=_say(quiet))
    _print(report, as_json)
    # PaddleNLP's slow tokenizer is known to part symbols otherwise.
    if any(line.figures["texts_that_differ"] for line in report.lines if line.name != SLOW):
        raise typer.Exit(1)


@app.command("import")
def bench_import(repeats: int = _repeats(10), as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Time `import paddle_tasks` and `paddle-tasks --help` as processes of their own."""
    from paddle_tasks.workflows.bench.starting import bench_import as measure

    _print(measure(repeats=repeats, say=_say(quiet)), as_json)


def _start() -> None:
    from paddle_tasks import runtime

    runtime.import_paddle()


def _say(quiet: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not quiet:
            sys.stderr.write(f"{text}\n")

    return say


def _print(report: Report, as_json: bool) -> None:
    text = json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if as_json else "\n".join(lines(report))
    sys.stdout.write(f"{text}\n")


# ---- the table


def lines(report: Report) -> list[str]:
    """Return what a report looks like on a terminal."""
    settings = "".join(f", {name.replace('_', ' ')} {value}" for name, value in report.settings.items())
    environment = report.environment
    return [
        f"{report.timed}{settings}; {environment['device']}, {environment['threads']} threads",
        *_matmul(report),
        *_aligned(_table(report)),
    ]


def _matmul(report: Report) -> list[str]:
    if report.matmul_gflops is None:
        return []
    rate = report.matmul_gflops
    quartiles = f"quartiles {rate.low:.1f} to {rate.high:.1f}"
    return [f"matrix products of the first model's sizes: {rate.median:.1f} GFLOP/s ({quartiles})"]


def _table(report: Report) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [_heads(report), *(_cells(report, place) for place in range(len(report.lines)))]
    # What has many figures is read from top to bottom.
    return rows if len(rows[0]) <= _MOST_COLUMNS else list(zip(*rows, strict=True))


def _heads(report: Report) -> list[str]:
    names = [name.replace("_", " ") for name in report.lines[0].figures]
    return ["", f"median {_unit(report)[0]}", "quartiles", "ratio", *names]


def _cells(report: Report, place: int) -> list[str]:
    line, factor = report.lines[place], _unit(report)[1]
    spread = line.seconds
    shown = [f"{factor * spread.median:,.2f}", f"{factor * spread.low:,.2f} to {factor * spread.high:,.2f}"]
    return [line.name, *shown, f"{report.ratio(line):.3f}", *_figures(line.figures)]


def _figures(figures: Mapping[str, float]) -> list[str]:
    return [f"{value:.1%}" if name in _SHARES else _number(value) for name, value in figures.items()]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def _unit(report: Report) -> tuple[str, float]:
    return ("ms", 1000) if report.lines[0].seconds.median < 10 else ("s", 1)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{first:{widths[0]}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        for first, *rest in rows
    ]
