"""Mistakes on the command line in the words of this project, in the language of the user.

typer's own messages are English only. Recent versions of typer contain a copy of click, so their classes are recognised
by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from paddle_tasks.cli.help import argument_name, usage_of
from paddle_tasks.errors import did_you_mean, join_alternatives
from paddle_tasks.language import _

_QUOTED = re.compile(r"'(.*?)'")
_EXTRA = re.compile(r"unexpected extra argument\S* \((.*)\)", re.DOTALL)


def describe(error: Any) -> str:
    """Return the message about a mistake on the command line, and how to type the command if that helps."""
    describe_kind = _KINDS.get(type(error).__name__)
    message = describe_kind(error) if describe_kind else _describe_other(error)
    return "\n".join([message, *_how_to_type(error)])


def _how_to_type(error: Any) -> Iterator[str]:
    context = getattr(error, "ctx", None)
    if context is not None:
        yield usage_of(context)
        yield _("`{command} --help` says more.").format(command=context.command_path)


def _missing(error: Any) -> str:
    parameter = error.param
    if parameter is None:
        return str(error.format_message())
    if parameter.param_type_name == "argument":
        name = argument_name(parameter)
    else:
        name = f"{parameter.opts[0]} {parameter.metavar}"
    return _("{name} is missing. {help}").format(name=name, help=_(parameter.help) if parameter.help else "")


def _no_such_option(error: Any) -> str:
    parameters = error.ctx.command.params if error.ctx else []
    known = ["--help", *(name for one in parameters if one.param_type_name == "option" for name in one.opts)]
    near = did_you_mean(error.option_name, known)
    message = _("no such option: {option}{near}").format(option=error.option_name, near=near)
    if not near and any(one.metavar == "KEY=VALUE" for one in parameters):
        message += _("; settings are written without dashes, as in training.epochs=3")
    return message


def _option_usage(error: Any) -> str:
    needs_value = "requires" in str(error.format_message())
    message = _("{option}: expected a value after it") if needs_value else _("{option}: takes no value")
    return message.format(option=error.option_name)


def _bad_value(error: Any) -> str:
    parameter, value = error.param, _value_of(error)
    if parameter is None or value is None:
        return str(error.message)
    is_option = parameter.param_type_name == "option"
    name = parameter.opts[0] if is_option else argument_name(parameter)
    return _("{name} {value}: expected {expected}").format(name=name, value=value, expected=_expected(parameter, value))


def _value_of(error: Any) -> Any:
    """Return the value that was refused, as far as the error knows it."""
    errors = getattr(error.__cause__, "errors", None)
    return errors()[0].get("input") if errors else None


def _expected(parameter: Any, value: Any) -> str:
    metavar = str(parameter.metavar)
    if metavar == "N":
        return _("a whole number") + _bounds(parameter)
    if metavar == "X":
        return _("a number") + _bounds(parameter)
    choices = metavar.split("|")
    return join_alternatives(choices) + (did_you_mean(str(value), choices) if len(choices) > 1 else "")


def _bounds(parameter: Any) -> str:
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is None and high is None:
        return ""
    if high is None:
        return _(" of at least {low}").format(low=low)
    return _(" from {low} to {high}").format(low=low, high=high)


def _describe_other(error: Any) -> str:
    """Return the message about a wrong command or a superfluous word; typer has no classes for these."""
    text, context = str(error.format_message()), getattr(error, "ctx", None)
    commands = getattr(context.command, "commands", {}) if context else {}
    if commands and (name := _QUOTED.search(text)):
        near = did_you_mean(name[1], commands)
        return _("no such command: {name}{near}").format(name=name[1], near=near)
    if commands:
        return _("a command is missing")
    if extra := _EXTRA.search(text):
        return _("{words}: more than the command takes").format(words=extra[1])
    return text


_KINDS = {
    "MissingParameter": _missing,
    "NoSuchOption": _no_such_option,
    "BadOptionUsage": _option_usage,
    "BadParameter": _bad_value,
}
