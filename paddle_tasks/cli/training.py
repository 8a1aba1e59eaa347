"""`paddle-tasks train`, `baseline` and `sweep`: everything that fits models and ends with scores."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Config, Device, Fresh, Overrides, Quiet
from paddle_tasks.cli.output import print_lines
from paddle_tasks.language import _
from paddle_tasks.training.stopping import resumable


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
    from paddle_tasks.cli.summary import print_advice, print_scores
    from paddle_tasks.workflows.config import load_config
    from paddle_tasks.workflows.train import run_training

    with coordinated_exit() as ranks:
        with ranks.raise_together():
            merged = load_config(config, overrides or [])
        with display_progress(quiet=quiet or not ranks.writes) as observe:
            run = run_training(merged, device=device, fresh=fresh, observe=observe)
    if not ranks.writes:
        return
    print_scores(run)
    if not quiet:
        print_advice(run, str(config), overrides or [], merged)


def baseline(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    config: Config,
    overrides: Overrides = None,
    features: Annotated[
        Literal["char", "word"] | None,
        typer.Option(
            metavar="char|word", help="N-grams of characters (the default) or of words, as jieba segments them."
        ),
    ] = None,
    classifier: Annotated[
        Literal["svm", "logistic"] | None,
        typer.Option(
            metavar="svm|logistic", help="A linear support vector machine (the default) or a logistic regression."
        ),
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
    twin: Annotated[
        Literal["copy", "lexicon"] | None,
        typer.Option(
            metavar="copy|lexicon",
            help="For translations: the source itself (the default), or a lexicon of characters.",
        ),
    ] = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
) -> None:
    """Fit and score a baseline: a model without a network, which a trained one has to beat.

    For classes of texts it is TF-IDF and a linear classifier, for novels a Kneser-Ney n-gram model, and for
    translations a copy of the source or a lexicon of characters.

    It uses the data of CONFIG, so that the scores can be compared with those of `paddle-tasks train CONFIG`. The run
    folder is that of CONFIG with the suffix -baseline, such as runs/sentiment-baseline; with --twin lexicon the suffix
    is -baseline-lexicon.
    """
    lengths = _parse_lengths(ngrams)
    runtime.import_paddle()
    from paddle_tasks.cli.progress import display_progress
    from paddle_tasks.cli.summary import print_baseline_advice, print_scores
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
        "twin": twin,
    }
    merged = load_config(config, overrides or [], options)
    with display_progress(quiet=quiet) as observe:
        run = run_baseline(merged, fresh=fresh, observe=observe)
    print_scores(run)
    if not quiet:
        print_baseline_advice(run, str(config), overrides or [])


def _parse_lengths(ngrams: str | None) -> tuple[int, int] | None:
    """Return the shortest and the longest length of ``1-3`` or ``2``."""
    if ngrams is None:
        return None
    match = re.fullmatch(r"([1-9]\d*)(?:-([1-9]\d*))?", ngrams)
    if not match:
        message = _("--ngrams {ngrams}: expected the shortest and the longest length, as in 1-3")
        raise typer.BadParameter(message.format(ngrams=ngrams))
    return int(match[1]), int(match[2] or match[1])


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
        print_lines("\n".join(format_sweep(done.summary, done.folder)), "  ")
