"""The command line: the only code that prints or exits."""

from __future__ import annotations

import sys
from typing import Any

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 75
EXIT_CTRL_C = 130


def main() -> None:
    """Run the command of `sys.argv` and exit with the code that the documentation gives."""
    import typer

    from paddle_tasks.cli.commands import app
    from paddle_tasks.errors import RunStopped, UserError

    # Newer releases of typer bring a click of their own, so its exceptions are found by their place in the family.
    usage_error: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        code = _fail(str(error), EXIT_USER_ERROR)
    except RunStopped as error:
        code = _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("stopped", EXIT_CTRL_C)
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stderr.close()
        code = 0
    except usage_error as error:
        error.show()
        code = EXIT_USER_ERROR
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"paddle-tasks: {message}\n")
    return code
