"""The commands; each imports what it needs when it runs, so that --help answers at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from paddle_tasks.cli import bench
from paddle_tasks.cli.dashboard import dashboard
from paddle_tasks.cli.options import Config, Device, Fresh, Overrides, Quiet, RunFolder
from paddle_tasks.cli.predict import check_files, check_options, given, with_pipeline_options, write_records
from paddle_tasks.training.stopping import resumable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paddle_tasks.reporting.entries import Entry
    from paddle_tasks.workflows.train import Run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Chinese NLP on PaddlePaddle: train, score and look at the course's projects.",
)

app.add_typer(bench.app, name="bench")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _print_json(value: Any) -> None:
    _print(json.dumps(value, ensure_ascii=False, indent=2))


def _show_version(asked: bool) -> None:
    if asked:
        from paddle_tasks import __version__

        _print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Chinese NLP on PaddlePaddle: train, score and look at the course's projects."""


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False, quiet: Quiet = False
) -> None:
    """Find what keeps this machine from training well, and the command that mends it."""
    from paddle_tasks import doctor as examiner

    arguments = ["--json"] * as_json + ["--quiet"] * quiet
    raise typer.Exit(examiner.main(arguments))


@app.command("list")
def list_names(
    what: Annotated[str | None, typer.Argument(metavar="[tasks|models|data|configs]")] = None, quiet: Quiet = False
) -> None:
    """Print what can be named in a configuration."""
    if what in (None, "models"):
        _start()
    from paddle_tasks.workflows.catalogue import catalogue

    kinds = catalogue(what)
    for kind, names in kinds.items():
        if not quiet and len(kinds) > 1:
            _print(f"{kind}:")
        _print("\n".join(names if quiet or len(kinds) == 1 else [f"  {name}" for name in names]))


@app.command()
def config(
    config: Config,
    overrides: Overrides = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema instead.")] = False,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Print the merged, validated configuration."""
    _start()
    from paddle_tasks.config import dump
    from paddle_tasks.workflows.config import load_config

    merged = load_config(config, overrides or [])
    if schema:
        _print_json(type(merged).model_json_schema())
    else:
        _print(dump(merged).rstrip())


@app.command()
@resumable()
def train(
    config: Config,
    overrides: Overrides = None,
    device: Device = "auto",
    fresh: Fresh = False,
    quiet: Quiet = False,
) -> None:
    """Train, score and write the run folder; an unfinished run goes on where it stopped."""
    _start()
    from paddle_tasks.cli.launched import coordinated_exit
    from paddle_tasks.cli.progress import display_progress
    from paddle_tasks.workflows.config import load_config
    from paddle_tasks.workflows.train import run_training

    with coordinated_exit() as ranks:
        with ranks.raise_together():
            merged = load_config(config, overrides or [])
        with display_progress(quiet=quiet or not ranks.writes) as observe:
            run = run_training(merged, device=device, fresh=fresh, observe=observe)
    if not ranks.writes:
        return
    _print_run(run)
    if not quiet and merged.logging.visualdl:
        _print(f"look  {_own_command()} dashboard {run.folder.parent}   (then open the address that it prints)")


@app.command()
def baseline(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    features: Annotated[
        Literal["char", "word"] | None, typer.Option(help="N-grams of characters (the default) or of jieba's words.")
    ] = None,
    classifier: Annotated[
        Literal["svm", "logistic"] | None,
        typer.Option(help="A linear support vector machine (the default) or a logistic regression."),
    ] = None,
    c: Annotated[
        float | None,
        typer.Option(
            "--c",
            metavar="C",
            help="scikit-learn's C, the inverse strength of the regularisation; 0.5 for svm, 10 for logistic.",
        ),
    ] = None,
    ngrams: Annotated[
        str | None,
        typer.Option(metavar="N-M", help="Shortest and longest n-gram; 1-3 for char, 1-2 for word by default."),
    ] = None,
    min_df: Annotated[
        int | None, typer.Option(help="Number of train texts that an n-gram must occur in; 2 by default.")
    ] = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
) -> None:
    """Fit and score the baseline of a task on the same data: TF-IDF and a linear classifier.

    The run folder is the one of CONFIG with the suffix -baseline.
    """
    lengths = _lengths(ngrams)
    _start()
    from paddle_tasks.cli.progress import display_progress
    from paddle_tasks.workflows.baseline import load_config, run_baseline

    options = {"features": features, "classifier": classifier, "c": c, "ngrams": lengths, "min_df": min_df}
    merged = load_config(config, overrides or [], options)
    with display_progress(quiet=quiet) as observe:
        _print_run(run_baseline(merged, fresh=fresh, observe=observe))


def _lengths(ngrams: str | None) -> tuple[int, int] | None:
    if ngrams is None:
        return None
    match = re.fullmatch(r"([1-9]\d*)(?:-([1-9]\d*))?", ngrams)
    if not match:
        raise typer.BadParameter(f"--ngrams {ngrams}: expected the shortest and the longest, as in 1-3")
    return int(match[1]), int(match[2] or match[1])


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[str | None, typer.Option(help="Another file, in the layout of the run's.")] = None,
    split: Annotated[Literal["dev", "test"], typer.Option(help="Which split of the run.")] = "test",
    device: Device = "auto",
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Score a finished or interrupted run; prints JSON."""
    _start()
    from paddle_tasks.workflows.evaluate import evaluate as score

    _print_json(score(run, data=data, split=split, device=device))


@app.command()
@resumable()
def sweep(
    config: Config,
    seeds: Annotated[str, typer.Option(metavar="1,2,3", help="Train with each of them.", show_default=False)],
    overrides: Overrides = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=V1,V2", help="Train with each value; may be repeated for other keys."),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Train every combination of a grid and of seeds, one after another; the same command goes on where it stopped."""
    _start()
    from paddle_tasks.cli.launched import coordinated_exit
    from paddle_tasks.cli.progress import display_progress
    from paddle_tasks.cli.sweep_lines import lines
    from paddle_tasks.workflows.sweep.plan import parse_grid, parse_seeds, plan_sweep
    from paddle_tasks.workflows.sweep.run import run_sweep

    with coordinated_exit() as ranks:
        with ranks.raise_together():
            plan = plan_sweep(config, overrides or [], parse_seeds(seeds), parse_grid(grid or []))
        with display_progress(quiet=quiet or not ranks.writes) as observe:
            done = run_sweep(plan, device=device, observe=observe)
    if ranks.writes:
        _print("\n".join(lines(done.summary, done.folder)))


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of runs or sweeps, or a folder of these.")
    ],
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table there too.")] = None,
    png: Annotated[Path | None, typer.Option(metavar="DIR", help="Write figures of the runs into that folder.")] = None,
    quiet: Quiet = False,
) -> None:
    """Print the results table of runs and sweeps as Markdown, beside published scores."""
    from paddle_tasks.files import write_text
    from paddle_tasks.reporting.report import report as make_report

    if markdown and markdown.is_dir():
        raise typer.BadParameter(f"--markdown {markdown}: is a folder, expected a file")
    if markdown and not markdown.parent.is_dir():
        raise typer.BadParameter(f"--markdown {markdown}: no such folder {markdown.parent}")
    if png and png.exists() and not png.is_dir():
        raise typer.BadParameter(f"--png {png}: is a file, expected a folder")
    made = make_report(runs)
    _print(made.markdown.rstrip())
    if markdown:
        write_text(markdown, made.markdown)
    if png:
        _write_pictures(made.entries, png, quiet=quiet)


def _write_pictures(entries: Sequence[Entry], folder: Path, *, quiet: bool) -> None:
    from paddle_tasks.reporting.figure_files import write_figures

    pictures = write_figures(entries, folder)
    for note in pictures.notes:
        typer.echo(f"note: {note}", err=True)
    if not quiet:
        typer.echo("\n".join(f"wrote {path}" for path in pictures.files), err=True)


app.command()(dashboard)


@app.command()
@with_pipeline_options
def predict(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NAME",
            help="A run folder, a shipped model such as sentiment, or the pipeline fill-mask or rewrite.",
        ),
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...")] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", help="A file with one text per line, or JSON lines (.json, .jsonl).")
    ] = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", help="Write to this file instead of printing.")
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Print a line of JSON for each text: its label and probabilities, its spans, or the answer of a pipeline.

    A pair of texts is one argument, or one line, with a tab between the two texts.
    """
    chosen = given(options)
    check_files(output_file, chosen)
    _start()
    from paddle_tasks.inference.inputs import read_inputs
    from paddle_tasks.inference.pipelines import pipeline, usage_of

    usage = usage_of(run)
    check_options(run, chosen, usage)
    formats = {name: (form, chosen.pop(name)) for name, form in usage.formats.items() if name in chosen}
    inputs = read_inputs(texts or [], input_file, usage.fields)
    records = pipeline(run, model=chosen.pop("model", None), device=device).answer(inputs.texts, **chosen)
    write_records(records, inputs.ids, output_file, formats)
    if usage.task and chosen.get("explain") and not quiet:
        from paddle_tasks.cli.colours import show_lines

        show_lines([line for record in records for line in usage.task.display(record)])


@app.command()
def export(
    run: RunFolder,
    output: Annotated[Path, typer.Option(help="A folder that is not there yet.", show_default=False)],
    form: Annotated[
        Literal["float16"], typer.Option("--format", help="float16: weights of half the size.")
    ] = "float16",
    quiet: Quiet = False,
) -> None:
    """Write the best model of a run anew, for others to use, with a card of what it was trained on and how."""
    _start()
    from paddle_tasks.inference.export import EXPORTS

    folder = EXPORTS[form](run, output)
    if not quiet:
        size = sum(path.stat().st_size for path in folder.iterdir())
        _print(f"model {folder}  {size / 1e6:.1f} MB")


@app.command("check-data")
def check_data(
    task: Annotated[str, typer.Argument(help="The task that the data is for.")],
    train: Annotated[str, typer.Argument(help="Train file or catalogue name.")],
    rest: Annotated[list[str] | None, typer.Argument(metavar="[DEV [TEST]] [KEY=VALUE]...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Report bad rows, label counts, lengths, duplicates, contradictions and leaks between the files."""
    _start()
    from paddle_tasks.workflows.check_data import check_data as check
    from paddle_tasks.workflows.check_data import report_lines

    settings = [word for word in rest or [] if _is_setting(word)]
    files = [train, *(word for word in rest or [] if word not in settings)]
    if len(files) > 3:
        raise typer.BadParameter(f"expected TRAIN [DEV [TEST]], found {len(files)} files: {' '.join(files)}")
    report = check(task, dict(zip(("train", "dev", "test"), files, strict=False)), settings)
    if as_json:
        _print_json(report)
    else:
        _print("\n".join(report_lines(task, report)))


def _is_setting(word: str) -> bool:
    return bool(re.match(r"[\w.]+=", word)) and not Path(word).exists()


def _start() -> None:
    """Import Paddle without its notes, before anything else imports it."""
    from paddle_tasks import runtime

    runtime.import_paddle()


def _own_command() -> str:
    """Return the command as it can be typed here: with its path when its environment is not activated."""
    beside_python = Path(sys.executable).parent / "paddle-tasks"
    if shutil.which("paddle-tasks") or not beside_python.exists():
        return "paddle-tasks"
    return os.path.relpath(beside_python)


def _print_run(run: Run) -> None:
    from paddle_tasks import tasks

    names = tasks.find(run.outcome.task).SUMMARY_METRICS
    for split, metrics in run.outcome.scores.items():
        _print(f"{split:5} " + "  ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics))
    _print(f"run   {run.folder}")
