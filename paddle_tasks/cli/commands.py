"""The commands. Each imports what it needs when it runs, so that --help is fast."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from paddle_tasks import runtime
from paddle_tasks.cli import bench
from paddle_tasks.cli.check_data import check_data
from paddle_tasks.cli.dashboard import dashboard
from paddle_tasks.cli.evaluate import evaluate, verify
from paddle_tasks.cli.options import Config, Device, Fresh, Overrides, Quiet, RunFolder, examples
from paddle_tasks.cli.output import print_json, print_text
from paddle_tasks.cli.predict import predict
from paddle_tasks.cli.report import report
from paddle_tasks.files import expand_user
from paddle_tasks.training.stopping import resumable

if TYPE_CHECKING:
    from paddle_tasks.workflows.train import Run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from paddle_tasks import __version__

        print_text(__version__)
        raise typer.Exit


@app.callback(epilog="`paddle-tasks COMMAND --help` explains a command.")
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train, evaluate and use models for Chinese NLP on PaddlePaddle."""


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print problems only.")] = False,
) -> None:
    """Check the installation and print how to fix each problem."""
    from paddle_tasks import doctor as examiner

    arguments = ["--json"] * as_json + ["--quiet"] * quiet
    raise typer.Exit(examiner.main(arguments))


@app.command("list")
def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help="tasks, models, data (data sets) or configs; all four by default."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """List tasks, models, data sets and configurations.

    These are the names that a configuration and other commands accept; configurations are those in ./configs.
    """
    if kind in (None, "models"):
        runtime.import_paddle()
    from paddle_tasks.workflows.catalogue import catalogue

    kinds = catalogue(kind)
    for heading, names in kinds.items():
        if not quiet and len(kinds) > 1:
            print_text(f"{heading}:")
        print_text("\n".join(names if quiet or len(kinds) == 1 else [f"  {name}" for name in names]))


@app.command(epilog=examples("paddle-tasks config configs/sentiment.yaml training.epochs=1"))
def config(
    config: Config,
    overrides: Overrides = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema instead: the type and range of every setting.")
    ] = False,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Check a configuration and print it with all default values."""
    runtime.import_paddle()
    from paddle_tasks.config import dump
    from paddle_tasks.workflows.config import load_config

    merged = load_config(config, overrides or [])
    if schema:
        print_json(type(merged).model_json_schema())
    else:
        print_text(dump(merged).rstrip())


@app.command(
    epilog=examples(
        "paddle-tasks train configs/sentiment.yaml training.epochs=1",
        "paddle-tasks train configs/sentiment.yaml model.encoder=bilstm run_dir=runs/bilstm",
    )
)
@resumable()
def train(
    config: Config,
    overrides: Overrides = None,
    device: Device = "auto",
    fresh: Fresh = False,
    quiet: Quiet = False,
) -> None:
    """Train a model and score it, or continue an interrupted run.

    Everything is written into the run folder, by default runs/NAME for the configuration NAME.yaml: the scores
    (result.json), predictions, the best model, checkpoints and curves for VisualDL. If training is interrupted, the
    same command continues it.
    """
    runtime.import_paddle()
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
        print_text(f"plots {_command_name()} dashboard {run.folder.parent}   (then open the address that it prints)")


@app.command(epilog=examples("paddle-tasks baseline configs/sentiment.yaml --features word"))
def baseline(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    features: Annotated[
        Literal["char", "word"] | None,
        typer.Option(help="N-grams of characters (the default) or of words, as jieba segments them."),
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
            help="Inverse regularisation strength, scikit-learn's C; by default 0.5 for svm and 10 for logistic.",
        ),
    ] = None,
    ngrams: Annotated[
        str | None,
        typer.Option(
            metavar="N-M", help="Lengths of the shortest and longest n-grams; by default 1-3 for char and 1-2 for word."
        ),
    ] = None,
    min_df: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Use only the n-grams that occur in at least this many train texts; 2 by default."
        ),
    ] = None,
    order: Annotated[
        int | None,
        typer.Option(metavar="N", help="For novels: the length of the longest n-grams, in characters; 5 by default."),
    ] = None,
    mixture: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="For novels: a trained causal model that is mixed with the n-gram model."),
    ] = None,
    n_prompts: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="For novels: continue this many passages and measure the outputs; 100 by default."
        ),
    ] = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
) -> None:
    """Fit and score a baseline: TF-IDF and a linear classifier, or for novels a Kneser-Ney n-gram model.

    It uses the data of CONFIG, so that the scores can be compared with those of `paddle-tasks train CONFIG`. The run
    folder is that of CONFIG with the suffix -baseline, such as runs/sentiment-baseline.
    """
    lengths = _parse_lengths(ngrams)
    runtime.import_paddle()
    from paddle_tasks.cli.progress import display_progress
    from paddle_tasks.workflows.baseline import load_config, run_baseline

    options = {
        "features": features,
        "classifier": classifier,
        "c": c,
        "ngrams": lengths,
        "min_df": min_df,
        "order": order,
        "mixture": mixture,
        "n_prompts": n_prompts,
    }
    merged = load_config(config, overrides or [], options)
    with display_progress(quiet=quiet) as observe:
        _print_run(run_baseline(merged, fresh=fresh, observe=observe))


def _parse_lengths(ngrams: str | None) -> tuple[int, int] | None:
    """Return the shortest and the longest length of ``1-3`` or ``2``."""
    if ngrams is None:
        return None
    match = re.fullmatch(r"([1-9]\d*)(?:-([1-9]\d*))?", ngrams)
    if not match:
        raise typer.BadParameter(f"--ngrams {ngrams}: expected the shortest and the longest length, as in 1-3")
    return int(match[1]), int(match[2] or match[1])


app.command(
    epilog=examples(
        "paddle-tasks evaluate runs/sentiment --data my/test.tsv",
        'paddle-tasks evaluate runs/sentiment --data test.csv data.label_map=\'{"1": positive, "0": negative}\'',
    )
)(evaluate)
app.command(epilog=examples("paddle-tasks verify runs/sentiment"))(verify)


@app.command(
    epilog=examples(
        "paddle-tasks sweep configs/sentiment.yaml --seeds 1,2,3 --grid model.dropout=0.1,0.3",
    )
)
@resumable()
def sweep(
    config: Config,
    seeds: Annotated[
        str, typer.Option(metavar="1,2,3", help="The seeds; each combination is trained with each.", show_default=False)
    ],
    overrides: Overrides = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="KEY=V1,V2",
            help="A setting and its values. If repeated, all combinations of the values are trained.",
        ),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Train with several seeds and settings and compare the scores.

    The runs are trained one after another, into the run folder of CONFIG with the suffix -sweep. Prints the mean and
    the standard deviation of the scores over the seeds, and the best combination on dev. If the sweep is interrupted,
    the same command continues it.
    """
    runtime.import_paddle()
    from paddle_tasks.cli.launched import coordinated_exit
    from paddle_tasks.cli.progress import display_progress
    from paddle_tasks.cli.sweep_lines import format_sweep
    from paddle_tasks.workflows.sweep.plan import parse_grid, parse_seeds, plan_sweep
    from paddle_tasks.workflows.sweep.run import run_sweep

    with coordinated_exit() as ranks:
        with ranks.raise_together():
            plan = plan_sweep(config, overrides or [], parse_seeds(seeds), parse_grid(grid or []))
        with display_progress(quiet=quiet or not ranks.writes) as observe:
            done = run_sweep(plan, device=device, observe=observe)
    if ranks.writes:
        print_text("\n".join(format_sweep(done.summary, done.folder)))


app.command(epilog=examples("paddle-tasks report runs --markdown results.md"))(report)
app.command()(dashboard)


app.command(
    epilog=examples(
        'paddle-tasks predict sentiment "房间干净，就是早餐太差了"',
        "paddle-tasks predict runs/sentiment --input reviews.txt --output predictions.jsonl",
        "paddle-tasks predict sentiment --input reviews.csv --fields id,label,score --output scored.csv",
        'paddle-tasks predict fill-mask "今天天气真[MASK]。" --top-k 3',
    )
)(predict)


@app.command(epilog=examples("paddle-tasks export runs/sentiment --output my-model"))
def export(
    run: RunFolder,
    output: Annotated[
        Path,
        typer.Option(
            parser=expand_user, metavar="FOLDER", help="The new folder; it must not exist yet.", show_default=False
        ),
    ],
    form: Annotated[
        Literal["float16"],
        typer.Option("--format", help="The only format: weights rounded to float16, half the size of the model."),
    ] = "float16",
    quiet: Quiet = False,
) -> None:
    """Export the best model of a run for others to use.

    The new folder also gets a model card, README.md, with the data, settings and scores of the run.
    """
    runtime.import_paddle()
    from paddle_tasks.inference.export import EXPORTS

    folder = EXPORTS[form](run, output)
    if not quiet:
        size = sum(path.stat().st_size for path in folder.iterdir())
        print_text(f"model {folder}  {size / 1e6:.1f} MB")


app.command("check-data", epilog=examples("paddle-tasks check-data sentiment my/train.csv my/dev.csv"))(check_data)
app.add_typer(bench.app, name="bench")


def _command_name() -> str:
    """Return how to type this command here: with its path if its environment is not activated."""
    beside_python = Path(sys.executable).parent / "paddle-tasks"
    if shutil.which("paddle-tasks") or not beside_python.exists():
        return "paddle-tasks"
    return os.path.relpath(beside_python)


def _print_run(run: Run) -> None:
    """Print the scores and the folder of a run."""
    from paddle_tasks import tasks

    names = tasks.find(run.outcome.task).SUMMARY_METRICS
    for split, metrics in run.outcome.scores.items():
        print_text(f"{split:5} " + "  ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics))
    print_text(f"run   {run.folder}")
