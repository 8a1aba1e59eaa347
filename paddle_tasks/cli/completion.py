"""Completion of commands, options, configurations, runs and names by the TAB key of a shell.

`paddle-tasks completion SHELL` prints a script for the shell. At each TAB the script runs `paddle-tasks` with the words
of the line, and the variable `VARIABLE` says which word to complete; it gets one candidate on each line. If there are
none, the shell completes names of files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_text

VARIABLE = "_PADDLE_TASKS_COMPLETE"
"""The index of the word to complete; the program is word 0."""
_BASH = """\
# Completion for paddle-tasks. In ~/.bashrc: eval "$(paddle-tasks completion bash)"
_paddle_tasks() {
    local IFS=$'\\n'
    COMPREPLY=($(_PADDLE_TASKS_COMPLETE=$COMP_CWORD "${COMP_WORDS[@]}" 2>/dev/null))
}
complete -o default -F _paddle_tasks paddle-tasks
"""
_ZSH = """\
# Completion for paddle-tasks. In ~/.zshrc, after compinit: eval "$(paddle-tasks completion zsh)"
_paddle_tasks() {
    local -a found
    found=(${(f)"$(_PADDLE_TASKS_COMPLETE=$((CURRENT - 1)) ${(Q)words[@]} 2>/dev/null)"})
    if (( $#found )); then
        compadd -U -Q -- $found
    else
        _files
    fi
}
compdef _paddle_tasks paddle-tasks
"""
_FISH = """\
# Completion for paddle-tasks. Once: paddle-tasks completion fish > ~/.config/fish/completions/paddle-tasks.fish
function __paddle_tasks
    set -l words (commandline -opc) (commandline -ct)
    set -l index (math (count $words) - 1)
    env _PADDLE_TASKS_COMPLETE=$index $words 2>/dev/null
end
complete -c paddle-tasks -a '(__paddle_tasks)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"],
        typer.Argument(
            metavar="bash|zsh|fish", help="Your shell. The first lines of the script say where to install it."
        ),
    ],
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Print a script that completes commands, configurations, runs and names with the TAB key.

    Put the line below into the file that your shell reads when it starts, such as ~/.bashrc.
    """
    print_text(SCRIPTS[shell].rstrip())


def requested_index() -> int | None:
    """Return the index of the word that a shell asks to complete; None if no shell asks."""
    value = os.environ.get(VARIABLE, "")
    return int(value) if value.isdecimal() else None


def candidates(command: Any, words: Sequence[str], index: int) -> list[str]:
    """Return what the word may become, in alphabetical order.

    Args:
        command: the command of the whole program.
        words: the words of the line, the program first.
        index: that of the word to complete; it may be behind the last one.
    """
    before, word = list(words[1:index]), words[index] if index < len(words) else ""
    command, rest = _enter(command, before)
    waiting = _waiting_option(command, rest)
    if waiting is not None:
        found = _values(waiting.metavar or "", word)
    elif word.startswith("-"):
        found = _flags(command)
    elif getattr(command, "commands", {}):
        found = iter(command.commands)
    else:
        found = _values(_argument(command, rest), word)
    return sorted({name for name in found if name.startswith(word)})


def _enter(command: Any, words: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the command that words lead to, and the words behind it."""
    for number, word in enumerate(words):
        below = getattr(command, "commands", {}).get(word)
        if below is not None:
            return _enter(below, words[number + 1 :])
    return command, list(words)


def _waiting_option(command: Any, words: Sequence[str]) -> Any:
    """Return the option whose value comes next; None if the next word is something else."""
    last = words[-1] if words else ""
    return next((one for one in _options(command) if last in one.opts and not one.is_flag), None)


def _argument(command: Any, words: Sequence[str]) -> str:
    """Return the metavar of the argument that comes next; empty if there is none."""
    takes_value = {name for one in _options(command) if not one.is_flag for name in one.opts}
    given = [word for before, word in zip(["", *words], words, strict=False) if before not in takes_value]
    n_given = sum(not word.startswith("-") for word in given)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    if n_given >= len(arguments):
        return str(arguments[-1].metavar) if arguments and arguments[-1].nargs != 1 else ""
    return str(arguments[n_given].metavar)


def _options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option"]


def _flags(command: Any) -> Iterator[str]:
    yield from (max(one.opts, key=len) for one in _options(command) if not one.hidden)
    yield "--help"


# ---- the values of arguments and options, by their metavars


def _values(metavar: str, word: str) -> Iterator[str]:
    source = _SOURCES.get(metavar)
    if source is not None:
        yield from source(word)
    elif metavar.islower():  # a choice such as dev|test
        yield from metavar.split("|")


def _configurations(word: str) -> Iterator[str]:
    from paddle_tasks.workflows.shipped_configs import config_names

    yield from config_names()
    folder = Path(word).parent if "/" in word else Path("configs")
    yield from (path.as_posix() for path in sorted(folder.rglob("*.yaml"))[:500])


def _run_folders(word: str) -> Iterator[str]:
    folder = Path(word).parent if "/" in word else Path("runs")
    yield from (path.parent.as_posix() for path in sorted(folder.glob("*/config.yaml")))


def _usable(word: str) -> Iterator[str]:
    from paddle_tasks.workflows.catalogue import pipelines

    yield from pipelines()
    yield from _run_folders(word)


def _scorable(word: str) -> Iterator[str]:
    from paddle_tasks.inference.model_folders import shipped_names

    yield from shipped_names()
    yield from _run_folders(word)


def _tasks(_word: str) -> Iterator[str]:
    from paddle_tasks import tasks

    yield from tasks.names()


def _kinds(_word: str) -> Iterator[str]:
    from paddle_tasks.workflows.catalogue import KINDS

    yield from KINDS


_SOURCES: Mapping[str, Callable[[str], Iterator[str]]] = {
    "CONFIG": _configurations,
    "RUN": _run_folders,
    "RUN|NAME": _usable,
    "RUN|MODEL": _scorable,
    "TASK": _tasks,
    "KIND": _kinds,
}
