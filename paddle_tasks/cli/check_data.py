"""`paddle-tasks check-data`: the data report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_json, print_lines
from paddle_tasks.errors import UserError
from paddle_tasks.files import exists
from paddle_tasks.language import _


def _require_task(name: str) -> str:
    """Return the name of a task, unless it is that of a configuration, which `train` takes.

    It is checked before typer misses the other arguments.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        task, command = _command_for(Path(name))
        message = _("{file}: is a configuration, but TASK is a task such as {task}; to check its data:\n  {command}")
        raise typer.BadParameter(message.format(file=name, task=task, command=command))
    return name


def _command_for(file: Path) -> tuple[str, str]:
    """Return the task of a configuration and the command that checks its data; an example if it cannot be read."""
    from paddle_tasks import config as configuration
    from paddle_tasks import tasks

    try:
        content = configuration.read(file)
    except UserError:
        content = {}
    task, data = str(content.get("task", tasks.names()[0])), content.get("data")
    data = data if isinstance(data, dict) else {}
    sources = [data.get(split) for split in ("train", "dev", "test")]
    files = [source for source in sources if isinstance(source, str)] or ["TRAIN", "DEV"]
    return task, shlex.join(["paddle-tasks", "check-data", task, *files, *_layout_settings(task, data)])


def _layout_settings(task: str, data: Mapping[str, Any]) -> Sequence[str]:
    """Return those settings of a ``data`` section that `check-data` takes; none if there is no such task."""
    from paddle_tasks import tasks
    from paddle_tasks.workflows.config import assignments

    if not data or task not in tasks.names():
        return ()
    runtime.import_paddle()
    known = tasks.find(task).DATA_CHECK.layout_section.model_fields
    return assignments({"data": {name: value for name, value in data.items() if name in known}})


_REST_HELP = (
    "The dev and test files, and settings of their layout, such as data.columns.text=review; "
    "`paddle-tasks config CONFIG` prints the settings."
)


def check_data(
    task: Annotated[
        str,
        typer.Argument(metavar="TASK", help="A task; `paddle-tasks list tasks` prints them.", callback=_require_task),
    ],
    train: Annotated[
        str,
        typer.Argument(metavar="TRAIN", help="The train file, or a data set of `paddle-tasks list data`."),
    ],
    rest: Annotated[list[str] | None, typer.Argument(metavar="[DEV [TEST]] [KEY=VALUE …]", help=_REST_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Find bad rows, duplicates and leaks in data files.

    The report names the rows that cannot be used, counts labels and lengths, and counts the texts that occur twice,
    that have different labels, and that occur both in train and in dev or test. The exit code is 2 if no row of a file
    can be used.
    """
    runtime.import_paddle()
    from paddle_tasks.workflows.check_data import check_data as check
    from paddle_tasks.workflows.check_data import report_lines, require_usable_rows

    settings = [word for word in rest or [] if _is_setting(word)]
    files = [train, *(word for word in rest or [] if word not in settings)]
    if len(files) > 3:
        message = _("expected TRAIN [DEV [TEST]], found {count} files: {files}")
        raise typer.BadParameter(message.format(count=len(files), files=" ".join(files)))
    report = check(task, dict(zip(("train", "dev", "test"), files, strict=False)), settings)
    if as_json:
        print_json(report)
    else:
        print_lines("\n".join(report_lines(task, report)), " " * 7)
    require_usable_rows(report)


def _is_setting(word: str) -> bool:
    return bool(re.match(r"[\w.]+=", word)) and not exists(Path(word))
