"""The rules of the code: direction of imports, private names, who prints and exits, sizes of functions and files."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "paddle_tasks"
# Each part may import the parts of the steps before its own.
STEPS = (
    {"language", "arrays", "wrapping", "operating_system"},
    {"errors"},
    {"process_state", "validation_messages", "yaml_format", "memory"},
    {"addresses", "downloads", "files", "runtime", "text", "config", "metrics"},
    {"figures"},
    {"onednn"},
    {"data", "models"},
    {"generation"},
    {"training"},
    {"tasks"},
    {"inference", "workflows", "reporting"},
    {"cli"},
)
# Within a step: `text` writes files, `config` reads them, and workflows use the predictor of `inference`.
BESIDE = {("text", "files"), ("config", "files"), ("workflows", "inference")}
_PUBLIC = len(STEPS) - 2
ENTRIES = {"", "__main__"}  # the package itself, which imports lazily, and `python -m`
# Where a library may be imported; a library that is not listed may be imported anywhere.
HOMES = {
    "visualdl": {"training/tracking", "reporting/vdl"},
    "typer": {"cli"},
    "rich": {"cli"},
    "sklearn": {
        "metrics",
        "figures",
        "text/word_vectors.py",
        "tasks/similarity/ngrams.py",
        "tasks/classification/tfidf.py",
    },
    # The tasks use its MapDataset.
    "paddlenlp": {
        "data/tables/catalogue.py",
        "models/encoders",
        "models/pretrained/hub.py",
        "tasks/encoder.py",
        "tasks/classification",
        "tasks/similarity/task.py",
        "workflows/bench/tokenizing.py",
    },
    "matplotlib": {"figures"},
    "seqeval": {"metrics"},
    "fastapi": {"inference/service"},
    "starlette": {"inference/service"},
    "uvicorn": {"inference/service"},
}
WITHOUT_PADDLE = {"addresses.py", "errors.py", "files.py", "runtime.py", "config.py", "yaml_format.py", "memory.py"}
WITHOUT_PADDLE |= {"validation_messages.py", "operating_system.py", "downloads.py"}
WITHOUT_PADDLE |= {"text", "metrics", "figures", "doctor", "reporting", "cli", "onednn"}
WITHOUT_PADDLE |= {"models/lexicon", "models/ngrams", "models/paddle_free"}
MAX_LINES, MAX_STATEMENTS, MAX_PARAMETERS = 400, 40, 6
MAX_BODY, MAX_MEDIAN = 40, 6
"""Lines of a function."""


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

    @cached_property
    def imports(self) -> list[str]:
        """The dotted names that are imported anywhere in the file, type checking excepted."""
        skipped = {id(inner) for node in ast.walk(self.tree) if _is_type_checking(node) for inner in ast.walk(node)}
        names: list[str] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import) and id(node) not in skipped:
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and id(node) not in skipped:
                assert not node.level, f"{self.place}:{node.lineno}: relative import"
                names += [f"{node.module}.{alias.name}" for alias in node.names]
        return names

    def own_imports(self) -> set[str]:
        """Return what it imports of the package, as dotted names below it."""
        return {name.removeprefix(f"{PACKAGE}.") for name in self.imports if name.startswith(f"{PACKAGE}.")}

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
TESTS = modules(ROOT / "tests")


def broken(rule: Callable[[Module], Collection[str]], among: Iterable[Module] = MODULES) -> dict[str, Collection[str]]:
    """Return what a rule finds in each file that breaks it; a test for each file would take ten times as long."""
    return {module.place: found for module in among if (found := rule(module))}


def step(part: str) -> int:
    # What is no part is a public name of the package, such as `train`, whose home is a workflow.
    return next((number for number, parts in enumerate(STEPS) if part in parts), _PUBLIC)


def wrong_way(module: Module) -> list[str]:
    """Return the parts that a file must not import and does."""
    parts = {name.partition(".")[0] for name in module.own_imports()} - {module.part}
    if module.part == "doctor":
        return sorted(parts - {"language", "operating_system", "wrapping"})
    return sorted(
        part
        for part in parts
        if (part == "doctor" and module.part != "cli")
        or (part != "doctor" and step(part) >= step(module.part) and (module.part, part) not in BESIDE)
    )


def strangers(module: Module) -> list[str]:
    """Return the libraries that a file imports and that have their home elsewhere."""
    libraries = {name.partition(".")[0] for name in module.imports}
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


TASKS = ("sentiment", "news", "novel", "long_text", "similarity", "opinion", "pretrain", "translate", "word2vec")
# Modules in which such a word is something else: a header, the label of a span, the key of a record.
OTHER_MEANINGS = {
    "data/tables/headers.py": {"sentiment", "news"},
    "data/opinion": {"opinion"},
    "models/opinion.py": {"opinion"},
    "models/graphs/spans.py": {"opinion"},
    "inference/rewrite.py": {"similarity"},
    "inference/display.py": {"similarity"},
}


def other_tasks(module: Module) -> set[str]:
    """Return the tasks that the module of a task imports besides its own."""
    parts = module.name.split(".")
    if parts[0] != "tasks":
        return set()
    imported = {name.split(".")[1] for name in module.own_imports() if name.startswith("tasks.")}
    return imported & set(TASKS) - set(parts[1:2])


def task_names(module: Module) -> list[str]:
    """Return the names of tasks that a module outside of `tasks` holds as strings."""
    if module.part == "tasks":
        return []
    allowed = set().union(*(words for place, words in OTHER_MEANINGS.items() if _is_in(module, {place})))
    strings = {node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)}
    return sorted(strings & set(TASKS) - allowed)


# Private names of libraries, where there is no other way.
OF_LIBRARIES = {
    "_all_weights",
    "_C_ops",
    "_convert_attention_mask",
    "_epsilon",
    "_exit",
    "_forward_post_hooks",
    "_forward_pre_hooks",
    "_get_data",
    "_normalized_shape",
    "_reader",
    "_replace",
}


def private_accesses(module: Module) -> list[str]:
    """Return where a module imports a private name, or reads a private attribute of another object."""
    found, own = [], _own_objects(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names if _is_private(alias.name)]
        elif isinstance(node, ast.Attribute) and _is_private(node.attr):
            names = [] if ast.unparse(node.value) in own else [node.attr]
        else:
            continue
        found += [f"{module.place}:{node.lineno} {name}" for name in names if name not in OF_LIBRARIES]
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _own_objects(module: Module) -> set[str]:
    """Return the expressions whose private attributes a module may use: instances and classes of its own."""
    classes = {node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)}
    return {"self", "cls", "other", "super()", *classes}


def known_imports(module: Module) -> set[str]:
    """Return the modules of the package that a module imports, also within functions."""
    names = {one.name for one in MODULES} - {""}
    return {nearest for name in module.own_imports() if (nearest := _nearest(name, names)) and nearest != module.name}


def _nearest(name: str, names: set[str]) -> str:
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other."""
    reached = {name: _reachable(name, graph) for name in graph}
    groups = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in graph}
    return sorted(list(group) for group in groups if group)


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is a command, which has a parameter for each of its options."""
    annotations = [argument.annotation for argument in function.args.args if argument.annotation]
    return any("typer." in ast.unparse(annotation) for annotation in annotations)


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def excesses(module: Module) -> list[str]:
    """Return what is too large: the file, or functions in it."""
    file = [module.place] if len(module.text.splitlines()) > MAX_LINES else []
    return file + [f"{module.place}:{one.lineno} {one.name}" for one in module.functions() if _is_too_large(one)]


def _is_too_large(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1
    arguments = function.args
    positional = [name for name in (*arguments.posonlyargs, *arguments.args) if name.arg not in {"self", "cls"}]
    many = len(positional) > MAX_PARAMETERS and not is_command(function)
    return statements > MAX_STATEMENTS or many or len(positional) + len(arguments.kwonlyargs) > 2 * MAX_PARAMETERS + 1


# ---- the rules


def test_imports_go_one_way():
    assert broken(wrong_way, (module for module in MODULES if module.part not in ENTRIES)) == {}


def test_libraries_are_imported_in_their_homes():
    assert broken(strangers) == {}


def test_only_the_command_line_speaks_and_exits():
    # The doctor is a program of its own, which has to run where nothing else does.
    assert broken(voices, (module for module in MODULES if module.part not in {"cli", "doctor"})) == {}


def test_tasks_do_not_import_each_other():
    assert broken(other_tasks) == {}


def test_no_module_names_a_task():
    assert broken(task_names) == {}


def test_private_names_stay_in_their_module():
    assert broken(private_accesses, [*MODULES, *TESTS]) == {}


def test_no_module_of_a_task_has_a_private_name():
    assert not [module.place for module in MODULES if module.part == "tasks" and "/_" in module.place.replace("__", "")]


def test_no_imports_are_circular():
    assert circles({module.name or PACKAGE: known_imports(module) for module in MODULES}) == []


def test_files_and_functions_are_small():
    assert broken(excesses) == {}


def test_functions_are_short():
    lengths = [body_length(function) for module in MODULES for function in module.functions()]
    assert max(lengths) <= MAX_BODY
    assert statistics.median(lengths) <= MAX_MEDIAN


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
        ("tasks/news/x.py", "from paddle_tasks.tasks.opinion import x", other_tasks, {"opinion"}),
        ("tasks/news/x.py", "from paddle_tasks.tasks.news import task", other_tasks, set()),
        ("tasks/base.py", "from paddle_tasks.tasks.news import task", other_tasks, {"news"}),
        ("training/x.py", "if task == 'opinion': pass", task_names, ["opinion"]),
        ("data/opinion/x.py", "LABEL = 'opinion'", task_names, []),
        ("tasks/x.py", "NAMES = ('news',)", task_names, []),
        ("data/x.py", "from paddle_tasks.data.y import _z", private_accesses, ["data/x.py:1 _z"]),
        ("data/x.py", "def f(y):\n    return y._z", private_accesses, ["data/x.py:2 _z"]),
        ("data/x.py", "class A:\n    def f(self):\n        return self._z, A._y", private_accesses, []),
        ("data/x.py", "print(1)", voices, ["data/x.py:1"]),
        ("data/x.py", "x = 1\n" * 401, excesses, ["data/x.py"]),
        ("data/x.py", "def f(a, b, c, d, e, g, h):\n    pass", excesses, ["data/x.py:1 f"]),
        ("data/x.py", "def f():\n" + "    x = 1\n" * 41, excesses, ["data/x.py:1 f"]),
        ("cli/x.py", "def f(a: typer.A, b, c, d, e, g, h):\n    pass", excesses, []),
        ("data/x.py", "import sys\nsys.exit(1)", voices, ["data/x.py:2"]),
        ("data/x.py", "sys.stderr.write('x')", voices, ["data/x.py:1"]),
    ],
)
def test_a_broken_rule_is_found(place, text, rule, found):
    assert rule(Module(Path(place), place, text)) == found


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
