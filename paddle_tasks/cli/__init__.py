"""The command line: the only code that prints or exits."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, NoReturn

from paddle_tasks.cli.streams import drop_stdout, flush_or_drop, prepare_streams
from paddle_tasks.files import short_name

EXIT_FAILURE = 1
EXIT_USER_ERROR = 2
EXIT_CTRL_C = 130


def main() -> None:
    """Run the command in `sys.argv` and exit.

    The exit code is 0 if the command succeeded, 2 for a mistake of the user, 75 if training was interrupted and can be
    continued, 130 for Ctrl-C in other commands, and 1 for any other failure.
    """
    prepare_streams()
    import typer

    from paddle_tasks.cli.help import choose_language
    from paddle_tasks.errors import RunStopped, UserError

    # Recent versions of typer contain a copy of click, so the class cannot be imported from click itself.
    click_exception: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
    try:
        choose_language(sys.argv[1:])
        code = _invoke(_command())
    except typer.Exit as stop:
        code = stop.exit_code
    except UserError as error:
        code = _report_error(str(error), error.exit_code)
    except RunStopped as error:
        code = _report_error(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _report_error("stopped", EXIT_CTRL_C)
    except BrokenPipeError:  # the program that reads our output, such as head, has ended
        drop_stdout()
        code = 0
    except OSError as error:  # such as a full disk or a folder without write permission
        code = _report_os_error(error)
    except click_exception as error:
        error.show()
        code = EXIT_USER_ERROR
    _exit(code)


def _exit(code: int) -> NoReturn:
    error = flush_or_drop()
    if code == 0 and error and not isinstance(error, BrokenPipeError):
        code = _report_os_error(error)
    if int(os.environ.get("PADDLE_TRAINERS_NUM") or 1) > 1:
        # One of several processes: skip gloo's clean-up, which may abort when another process has exited before.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _command() -> Any:
    """Return the command line with its help in the chosen language."""
    import typer

    from paddle_tasks.cli.commands import app
    from paddle_tasks.cli.help import prepare_help

    command = typer.main.get_command(app)
    prepare_help(command)
    return command


def _invoke(command: Any) -> int:
    # command.main() would choose exit codes of its own for Ctrl-C and for a closed pipe.
    with command.make_context("paddle-tasks", sys.argv[1:]) as context:
        command.invoke(context)
    sys.stdout.flush()
    return 0


def _report_os_error(error: OSError) -> int:
    if error.errno == errno.ENAMETOOLONG:  # often a text where the name of a file was expected
        return _report_error(f"{short_name(str(error.filename))}: too long for the name of a file", EXIT_USER_ERROR)
    return _report_error(str(error), EXIT_FAILURE)


def _report_error(message: str, code: int) -> int:
    sys.stderr.write(f"paddle-tasks: {message}\n")
    return code
