"""`paddle-tasks bench …`: measurements, printed as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddle_tasks.cli.options import Config, Device, Overrides, Quiet
from paddle_tasks.cli.output import print_json, print_notice, print_text
from paddle_tasks.files import expand_user

if TYPE_CHECKING:
    from paddle_tasks.workflows.bench.report import Measurement, Report

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure training, prediction, logging, tokenising and start-up.\n\nEvery command takes --repeats, --json and "
    "--quiet.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="CHANGES",
        help="Also measure with these changes: KEY=VALUE or plain-kernels (Paddle's own); may be repeated.",
    ),
]
_MAX_COLUMNS = 8
_PERCENTAGES = ("matmul_share", "padding", "share")


def _repeats(default: int) -> Any:
    return typer.Option(default, "--repeats", metavar="N", min=1, help="Number of measurements.")


@app.command("train")
def bench_train(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop each run after this many optimiser steps.")
    ] = None,
    compare: Compare = None,
    device: Device = "auto",
    repeats: int = _repeats(3),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure the tokens per second of training.

    Trains in temporary folders; also prints the seconds of everything other than the steps.
    """
    _import_paddle()
    from paddle_tasks.workflows.bench.training import measure_training
    from paddle_tasks.workflows.bench.variants import load_variants

    limit = [f"training.max_steps={steps}"] if steps else []
    variants = load_variants(config, overrides or [], compare or [], limit)
    _print(measure_training(variants, repeats=repeats, device=device, notify=_notifier(quiet)), as_json)


@app.command("logging")
def bench_logging(
    config: Config,
    overrides: Overrides = None,
    device: Device = "auto",
    repeats: int = _repeats(3),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure the time that each value of logging.detail costs.

    Trains in temporary folders; the time is given as a share of the time of the steps.
    """
    _import_paddle()
    from paddle_tasks.workflows.bench.logging import measure_logging
    from paddle_tasks.workflows.config import load_config

    merged = load_config(config, overrides or [])
    _print(measure_logging(merged, repeats=repeats, device=device, notify=_notifier(quiet)), as_json)


@app.command("encoder")
def bench_encoder(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Texts in each step.")] = 32,
    length: Annotated[int, typer.Option(metavar="N", min=3, help="Tokens of each text.")] = 110,
    compare: Compare = None,
    device: Device = "auto",
    repeats: int = _repeats(15),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure single training steps at a given batch size and length.

    A step is the forward pass, the backward pass and the update.
    """
    _import_paddle()
    from paddle_tasks.workflows.bench.encoder import measure_encoder
    from paddle_tasks.workflows.bench.variants import load_variants

    size = [f"training.batch_size={batch_size}", f"training.max_length={length}"]
    variants = load_variants(config, overrides or [], compare or [], size)
    _print(measure_encoder(variants, repeats=repeats, device=device, notify=_notifier(quiet)), as_json)


@app.command("predict")
def bench_predict(
    run: Annotated[
        str, typer.Argument(metavar="RUN|NAME", help="A run folder, or the name of a shipped model such as sentiment.")
    ],
    input_file: Annotated[
        Path, typer.Option("--input", parser=expand_user, metavar="FILE", help="The texts, as `predict` reads them.")
    ],
    repeats: int = _repeats(3),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure prediction on a CPU in bfloat16, if it is faster there, and in float32.

    Texts per second, the time for one text in milliseconds, and the seconds of a whole process for one text.
    """
    from paddle_tasks.workflows.bench.prediction import measure_prediction

    _print(measure_prediction(run, input_file, repeats=repeats, notify=_notifier(quiet)), as_json)


@app.command("export")
def bench_export(
    run: Annotated[
        str, typer.Argument(metavar="RUN|NAME", help="A run folder, or the name of a shipped model such as sentiment.")
    ],
    input_file: Annotated[
        Path, typer.Option("--input", parser=expand_user, metavar="FILE", help="The texts, as `predict` reads them.")
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The rows to compare the exported models on.", show_default=False),
    ] = None,
    repeats: int = _repeats(3),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure prediction on a CPU with a model and with its exported forms: paddle, onnx, and onnx in int8.

    Texts per second, and the time for one text in milliseconds.
    """
    _import_paddle()
    from paddle_tasks.workflows.bench.exported import measure_exports

    _print(measure_exports(run, input_file, data=data, repeats=repeats, notify=_notifier(quiet)), as_json)


@app.command("write")
def bench_write(
    run: Annotated[
        str, typer.Argument(metavar="RUN|NAME", help="A run folder, or the name of a shipped model such as novel.")
    ],
    text: Annotated[str, typer.Option(metavar="TEXT", help="The beginning of each text.")] = "话说宝玉",
    length: Annotated[int, typer.Option(min=2, help="Characters to write.")] = 200,
    repeats: int = _repeats(5),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure on a CPU how fast a model continues texts: with its cache, without one, and eight texts at once.

    Characters per second, and the milliseconds until the first one.
    """
    from paddle_tasks.workflows.bench.writing import measure_writing

    _print(measure_writing(run, text, length=length, repeats=repeats, notify=_notifier(quiet)), as_json)


@app.command("tokenize")
def bench_tokenize(
    file: Annotated[
        Path | None,
        typer.Argument(parser=expand_user, metavar="FILE", help="A UTF-8 text file; the sample reviews by default."),
    ] = None,
    texts: Annotated[int, typer.Option(metavar="N", min=1, help="Number of texts of 100 characters.")] = 5000,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            parser=expand_user,
            metavar="FOLDER",
            help="Folder with a vocab.txt; by default a vocabulary is learnt from the texts.",
        ),
    ] = None,
    repeats: int = _repeats(5),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare our tokenizer with those of PaddleNLP: speed and ids.

    The texts have 100 characters. The exit code is 1 if ids differ.
    """
    _import_paddle()
    from paddle_tasks.workflows.bench.tokenizing import SLOW, measure_tokenizers

    report = measure_tokenizers(file, n_texts=texts, repeats=repeats, tokenizer=tokenizer, notify=_notifier(quiet))
    _print(report, as_json)
    # PaddleNLP's slow tokenizer splits symbols differently (docs/tokenizer.md), which is no error of ours.
    if any(measurement.values["texts_that_differ"] for measurement in report.measurements if measurement.name != SLOW):
        raise typer.Exit(1)


@app.command("import")
def bench_import(repeats: int = _repeats(10), as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Measure `import paddle_tasks` and `paddle-tasks --help`.

    Each is run in new processes.
    """
    from paddle_tasks.workflows.bench.startup import measure_startup

    _print(measure_startup(repeats=repeats, notify=_notifier(quiet)), as_json)


def _import_paddle() -> None:
    from paddle_tasks import runtime

    runtime.import_paddle()


def _notifier(quiet: bool) -> Callable[[str], None]:
    def notify(text: str) -> None:
        if not quiet:
            print_notice(text)

    return notify


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(report.as_dict())
    else:
        print_text("\n".join(format_report(report)))


# ---- the table


def format_report(report: Report) -> list[str]:
    """Return the lines that show a report on a terminal."""
    settings = "".join(f", {name.replace('_', ' ')} {value}" for name, value in report.settings.items())
    environment = report.environment
    return [
        f"{report.timed}{settings}; {environment['device']}, {environment['threads']} threads",
        *_matmul_line(report),
        *_align(_table(report)),
    ]


def _matmul_line(report: Report) -> list[str]:
    if report.matmul_gflops is None:
        return []
    rate = report.matmul_gflops
    quartiles = f"quartiles {rate.low:.1f} to {rate.high:.1f}"
    return [f"matrix products of the first model's sizes: {rate.median:.1f} GFLOP/s ({quartiles})"]


def _table(report: Report) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [_header(report), *(_cells(report, measurement) for measurement in report.measurements)]
    # A table that would be too wide is transposed.
    return rows if len(rows[0]) <= _MAX_COLUMNS else list(zip(*rows, strict=True))


def _header(report: Report) -> list[str]:
    names = [name.replace("_", " ") for name in report.measurements[0].values]
    return ["", f"median {_unit(report)[0]}", "quartiles", "ratio", *names]


def _cells(report: Report, measurement: Measurement) -> list[str]:
    factor, spread = _unit(report)[1], measurement.seconds
    times = [f"{factor * spread.median:,.2f}", f"{factor * spread.low:,.2f} to {factor * spread.high:,.2f}"]
    return [measurement.name, *times, f"{report.ratio(measurement):.3f}", *_format_values(measurement.values)]


def _format_values(values: Mapping[str, float]) -> list[str]:
    return [f"{value:.1%}" if name in _PERCENTAGES else _format_number(value) for name, value in values.items()]


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def _unit(report: Report) -> tuple[str, float]:
    return ("ms", 1000) if report.measurements[0].seconds.median < 10 else ("s", 1)


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{first:{widths[0]}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        for first, *rest in rows
    ]
