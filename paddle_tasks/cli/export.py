"""`paddle-tasks export` and `paddle-tasks import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Quiet, RunFolder
from paddle_tasks.cli.output import print_text
from paddle_tasks.files import expand_user, is_dir
from paddle_tasks.language import _


def export(
    run: RunFolder,
    output: Annotated[
        Path,
        typer.Option(
            parser=expand_user,
            metavar="FOLDER|FILE",
            help="The new folder, or the file of word2vec-text and word2vec-binary; it must not exist yet.",
            show_default=False,
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="paddle-tasks: a model folder with the weights rounded to float16, half the size of the model. "
            "onnx and paddle: networks for ONNX Runtime or Paddle Inference, and a script that predicts without this "
            "package. "
            "word2vec-text and word2vec-binary: a file of word vectors that gensim and other programs read.",
        ),
    ] = "paddle-tasks",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Of onnx and paddle: the file on whose rows the exported model is compared with the trained one; by "
            "default the test or dev file of the run.",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Of onnx: also write networks with products in int8 and measure them. They become the default of the "
            "folder if they are at least 1.3 times as fast and lose at most 0.3 points.",
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Export the best model of a run for others to use.

    The new folder also gets a model card, README.md, with the data, settings and scores of the run.
    """
    runtime.import_paddle()
    from paddle_tasks.inference.export import export as write

    _report(write(run, output, form, data=data, int8=int8), quiet=quiet)


def import_file(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task that knows the format, such as word2vec.")],
    file: Annotated[
        Path,
        typer.Argument(
            parser=expand_user,
            metavar="FILE",
            help="A model file of another program: word vectors in word2vec's text or binary format.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            parser=expand_user, metavar="FOLDER", help="The new folder; it must not exist yet.", show_default=False
        ),
    ],
    quiet: Quiet = False,
) -> None:
    """Import a model that another program has trained.

    The new folder can be named wherever a run can: predict, export, and evaluate with --data.
    """
    runtime.import_paddle()
    from paddle_tasks.inference.export import import_model

    _report(import_model(task, file, output), quiet=quiet)


def _report(path: Path, *, quiet: bool) -> None:
    """Print the size of a model folder or file."""
    if quiet:
        return
    size = sum(file.stat().st_size for file in (path.iterdir() if is_dir(path) else [path]))
    print_text(_("model {folder}  {size:.1f} MB").format(folder=path, size=size / 1e6))
