"""The house's rules: which way imports go, who prints and exits, and how large a function or a file may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "paddle_tasks"
# Each part may import those of the steps before its own.
STEPS = (
    {"errors", "arrays"},
    {"files", "runtime", "text", "config", "metrics"},
    {"figures"},
    {"data", "models"},
    {"generation"},
    {"training"},
    {"tasks"},
    {"inference", "workflows", "reporting"},
    {"cli"},
)
# Within the steps: `text` writes its files, and a workflow may use the predictor of `inference`.
BESIDE = {("text", "files"), ("workflows", "inference")}
_PUBLIC = len(STEPS) - 2
ENTRIES = {"", "__main__"}  # the package itself, which names them all lazily, and `python -m`
# The folders in which a library may be imported; a library that is not named may be imported anywhere.
HOMES = {
    "visualdl": {"training/tracking", "reporting/vdl"},
    "typer": {"cli"},
    "rich": {"cli"},
    "sklearn": {"metrics", "figures", "text/word_vectors.py", "tasks/similarity", "tasks/classification/tfidf.py"},
    "matplotlib": {"figures"},
    "seqeval": {"metrics"},
}
WITHOUT_PADDLE = {"errors.py", "files.py", "runtime.py", "config.py"}
WITHOUT_PADDLE |= {"text", "metrics", "figures", "doctor", "reporting", "cli"}
MOST_LINES, MOST_STATEMENTS, MOST_PARAMETERS = 400, 40, 6


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path
    place: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        return self.place.removesuffix(".py").replace("/", ".").removesuffix("__init__").rstrip(".")

    @property
    def part(self) -> str:
        return self.name.partition(".")[0]

    def imports(self) -> Iterator[str]:
        """Yield the dotted names that are imported anywhere in the file, type checking excepted."""
        skipped = {id(inner) for node in ast.walk(self.tree) if _is_type_checking(node) for inner in ast.walk(node)}
        for node in ast.walk(self.tree):
            if id(node) in skipped:
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.place}:{node.lineno}: relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def own_imports(self) -> set[str]:
        """Return what it imports of the package, as dotted names below it."""
        return {name.removeprefix(f"{PACKAGE}.") for name in self.imports() if name.startswith(f"{PACKAGE}.")}

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        yield from (node for node in ast.walk(self.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def modules(root: Path = ROOT / PACKAGE) -> list[Module]:
    return [
        Module(path, path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.py"))
    ]


MODULES = modules()
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.place)


def step(part: str) -> int:
    # What is no part is a public name of the package, such as `train`, whose home is a workflow.
    return next((number for number, parts in enumerate(STEPS) if part in parts), _PUBLIC)


def wrong_way(module: Module) -> list[str]:
    """Return the parts that a file must not import and does."""
    parts = {name.partition(".")[0] for name in module.own_imports()} - {module.part}
    if module.part == "doctor":
        return sorted(parts)
    return sorted(
        part
        for part in parts
        if (part == "doctor" and module.part != "cli")
        or (part != "doctor" and step(part) >= step(module.part) and (module.part, part) not in BESIDE)
    )


def strangers(module: Module) -> list[str]:
    """Return the libraries that a file imports and that have their home elsewhere."""
    libraries = {name.partition(".")[0] for name in module.imports()}
    found = [name for name, homes in HOMES.items() if name in libraries and not _is_in(module, homes)]
    return found + sorted(libraries & {"paddle", "paddlenlp"} if _is_in(module, WITHOUT_PADDLE) else [])


def _is_in(module: Module, places: set[str]) -> bool:
    return any(module.place == place or module.place.startswith(f"{place}/") for place in places)


def voices(module: Module) -> list[str]:
    """Return where a file prints or exits."""
    names = {"print", "input", "exit", "quit", "sys.exit", "os._exit", "breakpoint"}
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    spoken = [node for node in calls if ast.unparse(node.func) in names or _writes_to_a_stream(node.func)]
    return [f"{module.place}:{node.lineno}" for node in spoken]


def _writes_to_a_stream(function: ast.expr) -> bool:
    return ast.unparse(function) in {"sys.stdout.write", "sys.stderr.write", "typer.echo", "warnings.showwarning"}


# ---- the rules


@each_module
def test_imports_go_one_way(module):
    if module.part not in ENTRIES:
        assert not wrong_way(module)


@each_module
def test_libraries_are_imported_in_their_homes(module):
    assert not strangers(module)


@each_module
def test_only_the_command_line_speaks_and_exits(module):
    # The doctor is a program of its own, which has to run where nothing else does.
    if module.part not in {"cli", "doctor"}:
        assert not voices(module)


@pytest.mark.parametrize("module", [module for module in MODULES if module.part == "tasks"], ids=lambda m: m.place)
def test_tasks_do_not_know_each_other(module):
    others = {name.split(".")[1] for name in module.own_imports() if name.startswith("tasks.")}
    assert not (others & set(tasks.names())) - {module.name.split(".")[1:2][0] if "." in module.name else ""}


@each_module
def test_files_and_functions_are_small(module):
    assert len(module.text.splitlines()) <= MOST_LINES
    for function in module.functions():
        where = f"{module.place}:{function.lineno} {function.name}"
        statements = sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1
        assert statements <= MOST_STATEMENTS, where
        arguments = function.args
        positional = [name for name in (*arguments.posonlyargs, *arguments.args) if name.arg not in {"self", "cls"}]
        options = "app." in "".join(map(ast.unparse, function.decorator_list))  # a command has as many as it offers
        assert len(positional) <= MOST_PARAMETERS or options, where
        assert len(positional) + len(arguments.kwonlyargs) <= 2 * MOST_PARAMETERS, where


def test_every_part_has_a_step():
    known = set().union(*STEPS) | ENTRIES | {"doctor"}
    assert {module.part for module in MODULES} <= known


# ---- and they can be broken


@pytest.mark.parametrize(
    ("place", "text", "rule", "found"),
    [
        ("data/x.py", "from paddle_tasks.models import base", wrong_way, ["models"]),
        ("models/x.py", "def f():\n    import paddle_tasks.data.tables.rows", wrong_way, ["data"]),
        ("training/x.py", "from paddle_tasks import tasks", wrong_way, ["tasks"]),
        ("metrics/x.py", "from paddle_tasks import files, text", wrong_way, ["files", "text"]),
        ("errors.py", "from paddle_tasks.config import S", wrong_way, ["config"]),
        ("inference/x.py", "from paddle_tasks.workflows import train", wrong_way, ["workflows"]),
        ("doctor/x.py", "from paddle_tasks import runtime", wrong_way, ["runtime"]),
        ("workflows/x.py", "from paddle_tasks import doctor", wrong_way, ["doctor"]),
        ("workflows/x.py", "from paddle_tasks import cli", wrong_way, ["cli"]),
        ("tasks/x.py", "from paddle_tasks import train", wrong_way, ["train"]),
        ("cli/x.py", "from paddle_tasks import __version__", wrong_way, []),
        ("cli/x.py", "from paddle_tasks import doctor, workflows, errors", wrong_way, []),
        ("text/x.py", "if TYPE_CHECKING:\n    from paddle_tasks.data import rows", wrong_way, []),
        ("training/loop.py", "from visualdl import LogWriter", strangers, ["visualdl"]),
        ("training/tracking/visualdl_writer.py", "from visualdl import LogWriter", strangers, []),
        ("metrics/x.py", "import paddle.nn", strangers, ["paddle"]),
        ("figures/x.py", "from paddle_tasks.data import rows", wrong_way, ["data"]),
        ("figures/x.py", "import matplotlib", strangers, []),
        ("training/x.py", "from matplotlib.figure import Figure", strangers, ["matplotlib"]),
        ("data/x.py", "print(1)", voices, ["data/x.py:1"]),
        ("data/x.py", "import sys\nsys.exit(1)", voices, ["data/x.py:2"]),
        ("data/x.py", "sys.stderr.write('x')", voices, ["data/x.py:1"]),
    ],
)
def test_a_broken_rule_is_found(place, text, rule, found):
    assert rule(Module(Path(place), place, text)) == found
