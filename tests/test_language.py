"""The catalogue has every message, its translations fit, and the language is that of the user."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from paddle_tasks import errors, language
from paddle_tasks.errors import UserError
from paddle_tasks.language import _, in_context, label_name, plural
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.tasks import SETTINGS
from tests import catalogue

CATALOGUE = catalogue.read()
CHINESE = re.compile(r"[一-鿿]")
SENTENCE = re.compile(r"[A-Za-z]{2,} [a-z]+ [a-z]+|[a-z]+: [a-z]")
"""Three English words in a row, or a word after a colon."""
COVERED = (
    "errors.py",
    "files.py",
    "config.py",
    "runtime.py",
    "process_state.py",
    "text",
    "data",
    "metrics",
    "onednn",
    "models",
    "generation",
    "training",
    "tasks",
    "inference",
    "workflows/attention_page.py",
    "workflows/baseline.py",
    "workflows/catalogue.py",
    "workflows/check_data.py",
    "workflows/config.py",
    "workflows/evaluate.py",
    "workflows/inspect.py",
    "workflows/notebook.py",
    "workflows/params.py",
    "workflows/probe.py",
    "workflows/run.py",
    "workflows/run_tables.py",
    "workflows/sweep",
    "workflows/task_layers.py",
    "workflows/train.py",
    "workflows/verify.py",
    "workflows/word_in_texts.py",
)
"""The files and folders of the package whose sentences all go through the catalogue."""
TRANSLATED = {"_", "plural", "in_context", "mark", "mark_in_context"}
OTHER_STRINGS = re.compile(r"out of memory|cannot allocate memory|border-bottom:")
"""What libraries say, and style sheets."""
INTERNAL = {
    "ValueError",
    "RuntimeError",
    "TypeError",
    "OSError",
    "ReferenceError",
    "NotImplementedError",
    "Unsupported",
}
"""Errors that only a programmer sees; their messages stay English."""
MESSAGES = {"BadRow", *(name for name, kind in vars(errors).items() if isinstance(kind, type))}


def forms(string: str | tuple[str, ...] | list[str]) -> list[str]:
    return [string] if isinstance(string, str) else list(string)


def placeholders(text: str) -> set[str]:
    """Return the replacement fields of a message, formats included; a translation may repeat one."""
    return {f"{name}:{spec}!{form}" for _text, name, spec, form in Formatter().parse(text) if name is not None}


def untranslated(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each sentence, and of each word in an error, that is not in the catalogue."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in TRANSLATED | INTERNAL:
            return
        if name in MESSAGES:
            yield from ((node.lineno, text) for message in node.args for text in words_of_formatted(message))
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    if SENTENCE.search(text) and not OTHER_STRINGS.search(text):
        yield node.lineno, text
    for child in ast.iter_child_nodes(node):
        yield from untranslated(child)


def words_of_formatted(message: ast.AST) -> Iterator[str]:
    """Yield the literal parts with words of an f-string, other than paths such as ``file.tsv:3``."""
    parts = message.values if isinstance(message, ast.JoinedStr) else []
    for part in parts:
        if isinstance(part, ast.Constant) and re.search(r"[a-z]{2,} | [a-z]{2,}", str(part.value)):
            yield str(part.value)


@pytest.mark.parametrize("place", COVERED)
def test_no_sentence_of_the_code_is_outside_the_catalogue(place):
    path = catalogue.PACKAGE / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert all(file.is_file() for file in files)
    trees = [(file, ast.parse(file.read_text("utf-8"))) for file in files]
    found = [f"{file}:{line}: {text}" for file, tree in trees for line, text in untranslated(tree)]
    assert found == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise DataError(f"{path}: the file is empty")', [": the file is empty"]),
        ('raise DataError(f"data.{split}: {path}")', []),
        ('raise DataError(f"{path}: not {name}")', [": not "]),
        ('raise DataError(_("{path}: the file is empty").format(path=path))', []),
        ('raise ValueError(f"{path}: the file is empty")', []),
        ('problem = f"{name} is not here"', [" is not here"]),
        ('yield "no row can be used"', ["no row can be used"]),
        ('notify(_("{n} rows: {why}").format(n=n, why="they are bad ones"))', ["they are bad ones"]),
        ('"""The file is empty."""', []),
    ],
)
def test_sentences_outside_the_catalogue_are_found(code, found):
    assert sorted({text for _line, text in untranslated(ast.parse(code))}) == found


SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def shadowed(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each function that translates messages although `_` is a variable of its own."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, SCOPES)):
        uses = [node.ctx for node in own_nodes(scope) if isinstance(node, ast.Name) and node.id == "_"]
        if {type(context) for context in uses} == {ast.Load, ast.Store}:
            yield scope.lineno


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes within a function, but not those of functions and comprehensions in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, SCOPES):
            yield node
            yield from own_nodes(node)


def test_no_function_has_another_underscore():
    trees = {path: ast.parse(path.read_text("utf-8")) for path in catalogue.PACKAGE.rglob("*.py")}
    assert [f"{path}:{line}" for path, tree in trees.items() for line in shadowed(tree)] == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("def f(pair):\n    name, _ = pair\n    return _(name)", [1]),
        ("def f(rows):\n    for _ in rows:\n        raise DataError(_('no row'))", [1]),
        ("def f(pairs):\n    names = [name for name, _ in pairs]\n    return _('no {name}')", []),
        ("def f(pair):\n    name, _ = pair\n    return name", []),
    ],
)
def test_another_underscore_is_found(code, lines):
    assert list(shadowed(ast.parse(code))) == lines


def test_no_message_lacks_its_translation():
    assert catalogue.update(catalogue.read()) == [], "run: make catalogue"


def test_the_catalogue_has_nothing_that_the_code_has_not():
    updated = catalogue.read()
    catalogue.update(updated)
    assert {(m.id, m.context) for m in CATALOGUE} == {(m.id, m.context) for m in updated}, "run: make catalogue"


def test_the_compiled_catalogue_is_that_of_the_text():
    assert catalogue.compiled(CATALOGUE) == catalogue.MO.read_bytes(), "run: make catalogue"


def test_translations_have_the_values_of_their_messages():
    for message in CATALOGUE:
        if message.id and "{" in str(message.id):
            expected = placeholders(forms(message.id)[-1])
            for translation in forms(message.string):
                assert placeholders(translation) == expected, message.id


def test_translations_are_chinese():
    # Messages without letters, and names that are the same in both languages, stay as they are.
    same = [message.id for message in CATALOGUE if message.id and not CHINESE.search("".join(forms(message.string)))]
    assert [text for text in same if re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", str(text))] == []


def test_a_catalogue_without_a_translation_is_noticed():
    lacking = catalogue.read()
    next(message for message in lacking if message.id).string = ""
    assert len(catalogue.update(lacking)) == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PADDLE_TASKS_LANGUAGE": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        ({"PADDLE_TASKS_LANGUAGE": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"PADDLE_TASKS_LANGUAGE": "fr", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "de_DE"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_that_of_the_locale(monkeypatch, variables, expected):
    monkeypatch.setattr(language, "_chosen", [])
    for name in ("PADDLE_TASKS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language.current() == expected


@pytest.mark.usefixtures("in_chinese")
def test_messages_are_in_the_language_that_is_used():
    assert _(", ") == "、"
    language.use("en")
    assert _(", ") == ", "


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="expected en or zh, found 'fr'"):
        language.use("fr")


def test_numbers_choose_the_form():
    assert plural("{count} row", "{count} rows", 1) == "1 row"
    assert plural("{count} row", "{count} rows", 2000) == "2,000 rows"


def labels_of(folder: Path) -> list[str]:
    settings = json.loads((folder / SETTINGS).read_text("utf-8"))
    return [label for key in ("labels", "polarities") for label in settings.get(key, ())]


@pytest.mark.usefixtures("in_chinese")
@pytest.mark.parametrize("folder", sorted(ASSETS.glob("*/")), ids=lambda folder: folder.name)
def test_every_label_of_a_shipped_model_has_a_chinese_name(folder):
    for label in labels_of(folder):
        assert re.fullmatch(rf"[一-鿿]+ \({label}\)", label_name(label))


def test_the_shipped_classifiers_have_labels():
    assert {folder.name for folder in ASSETS.glob("*/") if labels_of(folder)} == {"news", "opinion", "sentiment"}


def test_what_has_no_translation_stays():
    assert in_context("label", "no such label") == label_name("no such label") == "no such label"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "--language", "zh"], "zh"),
        (["--language=zh", "train"], "zh"),
        (["--language=zh", "train", "--language", "en"], "en"),
        (["predict", "sentiment", "--", "--language", "zh"], None),
        (["train", "--language"], None),
        (["train"], None),
    ],
)
def test_the_option_is_found_anywhere_before_the_texts(arguments, expected):
    from paddle_tasks.cli.help import language_option

    assert language_option(arguments) == expected


def test_an_unknown_option_value_is_refused(monkeypatch):
    from paddle_tasks.cli.help import choose_language

    with pytest.raises(UserError, match="--language fr: expected en or zh"):
        choose_language(["--language", "fr"])
    monkeypatch.setenv("PADDLE_TASKS_LANGUAGE", "de")
    with pytest.raises(UserError, match="PADDLE_TASKS_LANGUAGE de: expected en or zh"):
        choose_language(["train"])
