"""The commands and their order. Each imports what it needs when it runs, so that --help is fast."""

from __future__ import annotations

from typing import Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli import bench
from paddle_tasks.cli.check_data import check_data
from paddle_tasks.cli.completion import completion
from paddle_tasks.cli.dashboard import dashboard
from paddle_tasks.cli.evaluate import evaluate, verify
from paddle_tasks.cli.export import export, import_file
from paddle_tasks.cli.grade import grade
from paddle_tasks.cli.init import init
from paddle_tasks.cli.inspect import inspect
from paddle_tasks.cli.names import list_names
from paddle_tasks.cli.options import COMMON, Config, Overrides, Quiet, examples
from paddle_tasks.cli.output import print_json, print_text
from paddle_tasks.cli.params import params
from paddle_tasks.cli.predict import predict
from paddle_tasks.cli.report import report
from paddle_tasks.cli.serve import serve
from paddle_tasks.cli.training import baseline, sweep, train
from paddle_tasks.language import mark

USE, TRAIN, LOOK = mark("Use models"), mark("Train and score"), mark("Look at results")
DATA, MORE = mark("Data and configurations"), mark("Share, measure and set up")

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


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Chinese NLP with PaddlePaddle: models that are ready to use, and your own, trained on a laptop or a GPU."""


app.command(
    rich_help_panel=USE,
    epilog=examples(
        'paddle-tasks predict sentiment "房间干净，就是早餐太差了"',
        'paddle-tasks predict fill-mask "今天天气真[MASK]。" --top-k 3',
        "paddle-tasks predict sentiment --input reviews.csv --output scored.csv",
        "paddle-tasks predict runs/sentiment --input reviews.txt --json",
        'paddle-tasks predict runs/novel "话说宝玉" --length 200 --top-k 10 --stream',
    ),
)(predict)
app.command(
    rich_help_panel=USE,
    epilog=examples(
        "paddle-tasks serve sentiment opinion fill-mask",
        "paddle-tasks serve hotel=runs/sentiment --port 8080",
    ),
)(serve)
app.command("list", rich_help_panel=USE, epilog=examples("paddle-tasks list pipelines"))(list_names)

app.command(
    rich_help_panel=TRAIN,
    epilog=examples(
        "paddle-tasks train configs/quick/sentiment.yaml",
        "paddle-tasks train configs/sentiment.yaml training.epochs=1",
        "paddle-tasks train configs/sentiment.yaml model.encoder=bilstm",
    ),
)(train)
app.command(
    rich_help_panel=TRAIN, epilog=examples("paddle-tasks baseline configs/quick/sentiment.yaml --features word")
)(baseline)
app.command(
    rich_help_panel=TRAIN,
    epilog=examples(
        "paddle-tasks evaluate runs/sentiment --data my/test.tsv",
        "paddle-tasks evaluate runs/sentiment --data a.csv data.columns.text=review",
    ),
)(evaluate)
app.command(
    rich_help_panel=TRAIN,
    epilog=examples(
        "paddle-tasks sweep configs/quick/sentiment.yaml --seeds 1,2,3",
        "paddle-tasks sweep configs/news.yaml --seeds 1,2 --grid model.dropout=0.1,0.3",
    ),
)(sweep)
app.command(rich_help_panel=TRAIN, epilog=examples("paddle-tasks verify runs/sentiment"))(verify)
app.command(
    rich_help_panel=TRAIN,
    epilog=examples(
        "paddle-tasks grade zhang.jsonl --data gold.tsv --task sentiment",
        "paddle-tasks grade *.jsonl --data gold.tsv --leaderboard board.csv",
    ),
)(grade)

app.command(
    rich_help_panel=LOOK,
    epilog=examples("paddle-tasks report runs", "paddle-tasks report runs --markdown results.md --png figures"),
)(report)
app.command(rich_help_panel=LOOK, epilog=examples("paddle-tasks dashboard runs"))(dashboard)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "paddle-tasks params bert-base-chinese",
        "paddle-tasks params configs/sentiment.yaml model.encoder=bilstm",
        "paddle-tasks params lstm --input 300 --hidden 128 --layers 2 --bidirectional",
        "paddle-tasks params transformer --hidden 512 --layers 6 --heads 8 --inner 2048",
    ),
)(params)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        'paddle-tasks inspect builtin/bert-mini-zh "今天天气真好" "出去走走"',
        'paddle-tasks inspect sentiment "房间干净，早餐太差" --html attention.html',
        'paddle-tasks inspect lstm "今天天气真好"',
        "paddle-tasks inspect builtin/ernie-mini-zh --word 开 --texts texts.txt",
        "paddle-tasks inspect builtin/ernie-mini-zh --probe configs/quick/news.yaml",
    ),
)(inspect)

app.command(
    rich_help_panel=DATA,
    epilog=examples("paddle-tasks init my-project", "paddle-tasks init homework opinion quick/opinion"),
)(init)
app.command(
    "check-data",
    rich_help_panel=DATA,
    epilog=examples(
        "paddle-tasks check-data sentiment my/train.csv my/dev.csv",
        "paddle-tasks check-data sentiment my/train.csv data.columns.text=review",
    ),
)(check_data)


@app.command(rich_help_panel=DATA, epilog=examples("paddle-tasks config configs/sentiment.yaml training.epochs=1"))
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


@app.command(rich_help_panel=MORE)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print problems only.", rich_help_panel=COMMON)] = False,
) -> None:
    """Check the installation and print how to fix each problem."""
    from paddle_tasks import doctor as examiner

    arguments = ["--json"] * as_json + ["--quiet"] * quiet
    raise typer.Exit(examiner.main(arguments))


app.command(
    rich_help_panel=MORE,
    epilog=examples(
        "paddle-tasks export runs/sentiment --output my-model",
        "paddle-tasks export runs/word2vec --output vectors.txt --format word2vec-text",
    ),
)(export)
app.command(
    "import",
    rich_help_panel=MORE,
    epilog=examples("paddle-tasks import word2vec vectors.bin --output my-vectors"),
)(import_file)


app.add_typer(bench.app, name="bench", rich_help_panel=MORE)
app.command(rich_help_panel=MORE, epilog=examples('eval "$(paddle-tasks completion bash)"'))(completion)
