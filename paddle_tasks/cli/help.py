"""The help of commands in the language of the user, and the option ``--language`` of each command."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from paddle_tasks import language
from paddle_tasks.errors import UserError
from paddle_tasks.language import _

LANGUAGE_HELP = "Language of messages: en or zh; by default that of the system."


def choose_language(arguments: Sequence[str]) -> None:
    """Use the language that ``--language`` or PADDLE_TASKS_LANGUAGE names.

    This comes before the command line is parsed, since help and mistakes on it are messages too.

    Raises:
        UserError: there is no such language.
    """
    option = language_option(arguments)
    source, name = ("--language", option) if option is not None else (language.VARIABLE, _variable())
    if not name:
        return
    if name not in language.LANGUAGES:
        raise UserError(_("{source} {name}: expected en or zh").format(source=source, name=name))
    language.use(name)


def language_option(arguments: Sequence[str]) -> str | None:
    """Return the value of the last ``--language`` before ``--``; None if there is none.

    ``["train", "--language", "zh"]`` → ``zh``
    """
    value = None
    for number, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument.startswith("--language="):
            value = argument.partition("=")[2]
        elif argument == "--language" and number + 1 < len(arguments):
            value = arguments[number + 1]
    return value


def _variable() -> str | None:
    return os.environ.get(language.VARIABLE) or None


def prepare_help(command: Any) -> None:
    """Give a command and all commands below it the option ``--language``, and their help in the current language."""
    option = _language_option()
    for one in commands_below(command):
        one.params.append(option)
        one.help, one.short_help = _translated(one.help), _translated(one.short_help)
        for parameter in one.params:
            parameter.help = _translated(getattr(parameter, "help", None))


def texts_of(command: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and each untranslated help text of a command and of all commands below it."""
    for one in commands_below(command):
        texts = [one.help, one.short_help, *(getattr(parameter, "help", None) for parameter in one.params)]
        yield from ((f"--help of {one.name}", inspect.cleandoc(text)) for text in texts if text)
    yield "--language", LANGUAGE_HELP


def commands_below(command: Any) -> Iterator[Any]:
    """Yield a command and all commands below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from commands_below(below)


def _language_option() -> Any:
    """Return the option for a command that has been built; `choose_language` has read its value."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def _only(
        name: Annotated[str | None, typer.Option("--language", metavar="zh|en", help=LANGUAGE_HELP)] = None,
    ) -> None:
        """Take the option."""

    option = typer.main.get_command(app).params[0]
    option.expose_value = False
    return option


def _translated(text: str | None) -> str | None:
    return _(inspect.cleandoc(text)) if text else text
