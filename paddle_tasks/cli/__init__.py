"""The command line: the only code that prints or exits."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, NoReturn

EXIT_FAILURE = 1
EXIT_USER_ERROR = 2
EXIT_CTRL_C = 130


def main() -> None:
    """Run the command of `sys.argv` and exit with the code that the documentation gives."""
    import typer

    from paddle_tasks.cli.commands import app
    from paddle_tasks.errors import RunStopped, UserError

    # Newer releases of typer bring a click of their own, so its exceptions are found by their place in the family.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 must not end a command
            stream.reconfigure(errors="backslashreplace")
    usage_error: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
    try:
        code = _run(typer.main.get_command(app))
    except typer.Exit as stop:
        code = stop.exit_code
    except UserError as error:
        code = _fail(str(error), EXIT_USER_ERROR)
    except RunStopped as error:
        code = _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("stopped", EXIT_CTRL_C)
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
        code = 0
    except OSError as error:  # a full disk, a folder that may not be written
        code = _fail(str(error), EXIT_FAILURE)
    except usage_error as error:
        error.show()
        code = EXIT_USER_ERROR
    _leave(code)


def _leave(code: int) -> NoReturn:
    if int(os.environ.get("PADDLE_TRAINERS_NUM") or 1) > 1:
        # One of several processes: what gloo takes down on the way out may abort when another has left before it.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody is there to read it
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _run(command: Any) -> int:
    # Not command.main(), which has exit codes of its own for Ctrl-C and for a pipe that is closed.
    with command.make_context("paddle-tasks", sys.argv[1:]) as context:
        command.invoke(context)
    sys.stdout.flush()
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"paddle-tasks: {message}\n")
    return code
