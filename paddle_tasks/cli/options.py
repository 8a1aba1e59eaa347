"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="A YAML file, such as configs/sentiment.yaml.", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings over those of the file.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Move an older run folder aside and start anew.")]
Device = Annotated[str, typer.Option(help="auto, cpu, gpu or gpu:N.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder, such as runs/sentiment.", show_default=False)]
