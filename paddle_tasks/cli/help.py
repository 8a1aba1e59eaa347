"""The help of commands: laid out for a terminal, in the language of the user, with the options of every command."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Annotated, Any

import typer

from paddle_tasks import language
from paddle_tasks.cli.options import COMMON, Quiet
from paddle_tasks.cli.verbosity import verbosity
from paddle_tasks.errors import UserError
from paddle_tasks.language import _, mark
from paddle_tasks.wrapping import columns, pad, width_of, wrap

LANGUAGE_HELP = mark("Language of messages: en or zh; by default that of the system.")
VERBOSE_HELP = mark("Say more: warnings of libraries, speed, device and time.")
HELP_HELP = mark("Show this help and exit.")
OPTIONS = mark("Options")
COMMANDS = mark("Commands")
_MAX_NAME = 24
"""Columns of the names in a list; what is longer stands on a line of its own."""
FIRST_STEPS = (
    (
        'predict sentiment "房间干净，就是早餐太差了"',
        mark("Ask a model that comes with the package: is a review good or bad?"),
    ),
    (
        "train configs/quick/sentiment.yaml",
        mark("Train a small model yourself, in under a minute and without a network."),
    ),
    ("report runs", mark("See the scores of everything that you have trained.")),
)
"""What a newcomer may type, without the name of the program."""


# ---- the language


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


# ---- the commands


def prepare_help(command: Any) -> None:
    """Give a command and all commands below it the common options, and help as this module writes it."""
    common = _common_options()
    for one in commands_below(command):
        own = {parameter.name for parameter in one.params}
        one.params.extend(option for option in common if option.name not in own)
        one.format_help = partial(_write_help, one)


def texts_of(command: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and each untranslated help text of a command and of all commands below it."""
    for one in commands_below(command):
        texts = [one.help, *(getattr(parameter, "help", None) for parameter in one.params)]
        yield from ((f"--help of {one.name}", inspect.cleandoc(text)) for text in texts if text)


def commands_below(command: Any) -> Iterator[Any]:
    """Yield a command and all commands below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from commands_below(below)


def _common_options() -> list[Any]:
    """Return the options for commands that have been built; `choose_language` has read the language."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def _only(
        quiet: Quiet = False,
        verbose: Annotated[
            bool,
            typer.Option("--verbose", "-v", help=VERBOSE_HELP, rich_help_panel=COMMON, callback=verbosity.be_verbose),
        ] = False,
        name: Annotated[
            str | None, typer.Option("--language", metavar="zh|en", help=LANGUAGE_HELP, rich_help_panel=COMMON)
        ] = None,
    ) -> None:
        """Take the options."""

    options = list(typer.main.get_command(app).params)
    for option in options:
        option.expose_value = False
    return options


# ---- help


def _write_help(command: Any, context: Any, formatter: Any) -> None:
    is_group = bool(getattr(command, "commands", {}))
    parts = [usage_of(context), *_paragraphs(command.help)]
    if context.parent is None:
        parts.append(_first_steps(context.command_path))
    parts += _list_commands(command) if is_group else []
    parts += [_section(_("Arguments"), _argument_rows(command))]
    parts += [_section(_(title), rows) for title, rows in _option_rows(command, context)]
    parts.append(_examples(command.epilog))
    if is_group:
        line = _("`{command} COMMAND --help` explains a command.").format(command=context.command_path)
        parts.append("\n".join(wrap(line, columns())))
    formatter.write("\n\n".join(filter(None, parts)) + "\n")


def usage_of(context: Any) -> str:
    """Return the line that shows how to type a command: ``Usage: paddle-tasks train CONFIG [KEY=VALUE …]``."""
    parameters = sorted(context.command.params, key=lambda one: one.param_type_name)
    pieces = [context.command_path, *filter(None, map(_usage_piece, parameters))]
    if getattr(context.command, "commands", {}):
        pieces.append(_("COMMAND …"))
    heading = _("Usage: ")  # in Chinese there is no space behind the colon
    lines = wrap(" ".join([*pieces, _("[OPTIONS]")]), columns(), heading, " " * width_of(heading))
    return "\n".join([_bold(heading) + lines[0].removeprefix(heading), *lines[1:]])


def _usage_piece(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = argument_name(parameter)
        return name if parameter.required or name.startswith("[") else f"[{name}]"
    return f"{parameter.opts[0]} {parameter.metavar}" if parameter.required else ""


def argument_name(parameter: Any) -> str:
    """Return how an argument is called: ``CONFIG``, or ``TEXT …`` if there may be several."""
    name = str(parameter.metavar or parameter.name.upper())
    return name if parameter.nargs == 1 or name.startswith("[") else f"{name} …"


def _paragraphs(text: str | None) -> list[str]:
    whole = _translated(text) or ""
    return ["\n".join(wrap(paragraph, columns())) for paragraph in whole.split("\n\n")]


def _translated(text: str | None) -> str | None:
    return _(inspect.cleandoc(text)) if text else text


def _first_steps(program: str) -> str:
    lines = [
        line
        for command, explanation in FIRST_STEPS
        for line in (f"  {program} {command}", *wrap(_(explanation), columns(), " " * 6))
    ]
    return "\n".join([_bold(_("Try first:")), *lines])


def _list_commands(command: Any) -> list[str]:
    """Return a list for each group of commands, in the order of the commands."""
    shown = [one for one in command.commands.values() if not one.hidden]
    width = max(width_of(one.name) for one in shown)
    groups = groupby(shown, lambda one: getattr(one, "rich_help_panel", None) or COMMANDS)
    return [_section(_(title), [_summary(one) for one in group], width) for title, group in groups]


def _summary(command: Any) -> tuple[str, str]:
    """Return the name of a command and the first paragraph of its help."""
    return command.name, (_translated(command.help) or "").split("\n\n")[0]


def _argument_rows(command: Any) -> list[tuple[str, str]]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    return [(argument_name(one), _with_default(one)) for one in arguments]


def _option_rows(command: Any, context: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each group of options with its title; the common ones come last."""
    options = [one for one in command.get_params(context) if one.param_type_name == "option" and not one.hidden]
    titles = dict.fromkeys([OPTIONS, *map(_panel, options), COMMON])
    titles[COMMON] = titles.pop(COMMON)
    for title in titles:
        rows = [(_option_name(one), _with_default(one)) for one in options if _panel(one) == title]
        if rows:
            yield title, rows


def _panel(option: Any) -> str:
    if option.name == "help":
        return COMMON
    return str(getattr(option, "rich_help_panel", None) or OPTIONS)


def _option_name(option: Any) -> str:
    """Return ``-q, --quiet`` or ``--device DEVICE``."""
    names = ", ".join(sorted(option.opts, key=len))
    return f"{names} {option.metavar}" if option.metavar else names


def _with_default(parameter: Any) -> str:
    text = _(HELP_HELP) if parameter.name == "help" else _translated(parameter.help) or ""
    default = parameter.default
    is_shown = getattr(parameter, "show_default", True) and not callable(default) and not isinstance(default, bool)
    if not is_shown or default is None or parameter.required:
        return text
    return _("{help} Default: {default}.").format(help=text, default=default)


def _section(title: str, rows: Sequence[tuple[str, str]], width: int | None = None) -> str:
    """Return names and their explanations in two columns below a title; empty without rows."""
    if not rows:
        return ""
    fitting = [width_of(name) for name, _text in rows if width_of(name) <= _MAX_NAME]
    indent = " " * ((width or max(fitting, default=_MAX_NAME)) + 4)
    lines = [_bold(_("{title}:").format(title=title))]
    for name, text in rows:
        explained = wrap(text, columns(), indent)
        if width_of(name) + 4 <= len(indent):
            explained[0] = f"  {pad(name, len(indent) - 4)}  {explained[0].lstrip()}"
        else:
            explained.insert(0, f"  {name}")
        lines += explained
    return "\n".join(lines)


def _examples(commands: str | None) -> str:
    lines = (commands or "").splitlines()
    if not lines:
        return ""
    title = _("Example:") if len(lines) == 1 else _("Examples:")
    return "\n".join([_bold(title), *(f"  {line}" for line in lines)])


def _bold(text: str) -> str:
    """Return a text in bold type for a terminal that has it; what writes the help removes it elsewhere."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if is_plain else typer.style(text, bold=True)
