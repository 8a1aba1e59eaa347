"""The command line: the only code that prints or exits."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from paddle_tasks.cli.output import print_notice
from paddle_tasks.cli.streams import drop_stdout, flush_or_drop, prepare_streams
from paddle_tasks.files import short_name
from paddle_tasks.language import _

EXIT_FAILURE = 1
EXIT_USER_ERROR = 2
EXIT_CTRL_C = 130
_USER_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
"""Files and folders that the user has named and that cannot be used; not a full disk or a device that fails."""


def main() -> None:
    """Run the command in `sys.argv` and exit.

    The exit code is 0 if the command succeeded, 2 for a mistake of the user, 75 if training was interrupted and can be
    continued, 130 for Ctrl-C in other commands, and 1 for any other failure.
    """
    prepare_streams()
    _silence_libraries(sys.argv[1:])
    import typer

    from paddle_tasks.cli.help import choose_language
    from paddle_tasks.errors import RunStopped, UserError

    # The class is click's, or that of the copy of click in recent versions of typer.
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
        code = _report_error(_("stopped"), EXIT_CTRL_C)
    except BrokenPipeError:  # the program that reads our output, such as head, has ended
        drop_stdout()
        code = 0
    except OSError as error:  # such as a full disk or a folder without write permission
        code = _report_os_error(error)
    except MemoryError as error:
        code = _report_error(_describe_memory_error(error), EXIT_FAILURE)
    except click_exception as error:
        code = _report_usage(error)
    _exit(code)


def _silence_libraries(arguments: Sequence[str]) -> None:
    """Keep compiled libraries from writing notes to stderr, unless ``--verbose`` or the environment asks for them."""
    # tokenizers would complain when the process forks to segment words; the children do not use it.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if not {"-v", "--verbose"} & set(arguments):
        os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle describes each GPU that it uses


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
    """Run the command of `sys.argv`, or complete a word of it for a shell."""
    from paddle_tasks.cli.completion import candidates, requested_index
    from paddle_tasks.cli.verbosity import verbosity

    verbosity.reset()
    index = requested_index()
    if index is not None:
        sys.stdout.write("".join(f"{name}\n" for name in candidates(command, sys.argv, index)))
        return 0
    # command.main() would choose exit codes of its own for Ctrl-C and for a closed pipe.
    with _collected_warnings(), command.make_context("paddle-tasks", sys.argv[1:]) as context:
        command.invoke(context)
        sys.stdout.flush()
    return 0


def _collected_warnings() -> contextlib.AbstractContextManager[None]:
    """Return a context that collects warnings. For help it does nothing: collecting needs imports that take time."""
    if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv[1:]):
        return contextlib.nullcontext()
    from paddle_tasks.cli.notices import collected

    return collected()


def _report_usage(error: Any) -> int:
    """Report a mistake on the command line; without any arguments, the help is the answer."""
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.ctx.get_help()}\n")
        return EXIT_USER_ERROR
    from paddle_tasks.cli.usage_errors import describe

    return _report_error(describe(error), EXIT_USER_ERROR)


def _report_os_error(error: OSError) -> int:
    if error.errno == errno.ENAMETOOLONG:  # often a text where the name of a file was expected
        message = _("{file}: too long for the name of a file").format(file=short_name(str(error.filename)))
        return _report_error(message, EXIT_USER_ERROR)
    return _report_error(str(error), EXIT_USER_ERROR if error.errno in _USER_ERRORS else EXIT_FAILURE)


def _describe_memory_error(error: MemoryError) -> str:
    from paddle_tasks.errors import shorten

    detail = f" ({shorten(str(error))})" if str(error) else ""
    message = _("out of memory{detail}; close other programs, or use fewer or shorter texts or a smaller model")
    return message.format(detail=detail)


def _report_error(message: str, code: int) -> int:
    print_notice(f"paddle-tasks: {message}")
    return code
