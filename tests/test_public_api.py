"""The public names: their examples run, a typed script of a user's works, and `help` can be read."""

from __future__ import annotations

import doctest
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import paddle_tasks
from paddle_tasks.inference import pipelines

from .helpers import ROOT, python

SCRIPT = ROOT / "tests" / "typing" / "user_script.py"
DOCUMENTED = {name: getattr(paddle_tasks, name) for name in paddle_tasks.__all__}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with the configurations of the repository, in which examples run."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "configs", folder / "configs")
    return folder


@pytest.fixture(autouse=True)
def _in_project(project, monkeypatch):
    monkeypatch.chdir(project)


# ---- examples


def examples_of(text: str, name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(text, dict(DOCUMENTED), name, None, None)


def failures(test: doctest.DocTest) -> str:
    """Return what differs from the expected output of an example."""
    found: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=found.append)
    return "".join(found)


SLOW = {"paddle_tasks", "evaluate", "sweep", "verify"}
"""They train or score for some seconds."""
# The examples of one name may use the runs that those of a name before it have made.
ORDER = ["paddle_tasks", "train", "baseline", *sorted(set(DOCUMENTED) - {"train", "baseline"})]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in ORDER]
)
def test_the_examples_run(name):
    text = inspect.getdoc(DOCUMENTED.get(name, paddle_tasks)) or ""
    test = examples_of(text, name)
    assert test.examples
    assert failures(test) == ""


def test_an_example_with_another_result_is_found():
    assert "Got:\n    2" in failures(examples_of(">>> 1 + 1\n3\n", "wrong"))


# ---- names


def test_the_public_names():
    names = {"baseline", "check_data", "evaluate", "inspect", "load", "params", "pipeline", "predict", "report"}
    names |= {"sweep", "train", "verify"}
    assert names == set(paddle_tasks.__all__)
    assert names <= set(dir(paddle_tasks))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        paddle_tasks.trian  # noqa: B018


@pytest.mark.parametrize(
    "function", [*DOCUMENTED.values(), pipelines.Pipeline.__call__], ids=lambda function: function.__name__
)
def test_help_shows_no_objects(function):
    shown = str(inspect.signature(function))
    assert "<" not in shown, shown
    assert " at 0x" not in shown


def test_importing_the_package_imports_neither_paddle_nor_pandas():
    code = "import sys, paddle_tasks\nprint({'paddle', 'pandas', 'matplotlib', 'IPython'} & set(sys.modules))"
    assert python(code).stdout == "set()\n"


@pytest.mark.long
def test_no_warning_of_a_library_arrives(project):
    code = (
        "from paddle_tasks import baseline, check_data, evaluate, predict, sweep, train, verify\n"
        "config, few = 'configs/quick/sentiment.yaml', {'max_steps': 2}\n"
        "run = train(config, run_dir='runs/quiet', training=few)\n"
        "baseline(config, run_dir='runs/quiet-baseline'), evaluate(run.folder), verify(run.folder), run.errors\n"
        "train('configs/quick/opinion.yaml', run_dir='runs/quiet-opinion', training=few)\n"
        "check_data('opinion', {'train': 'builtin/opinion'})\n"
        "predict('sentiment', '好', explain=True), predict('opinion', '好'), predict('fill-mask', '很[MASK]')\n"
        "predict('rewrite', '房间非常干净。')\n"
    )
    outcome = python(code)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")


# ---- a user's script


@pytest.mark.long
def test_a_users_script_runs(project, capsys, monkeypatch):
    code = compile(SCRIPT.read_text(encoding="utf-8"), str(SCRIPT), "exec")
    exec(code, {"__name__": "__main__"})
    shown = capsys.readouterr().out
    assert "negative" in shown
    assert "TF-IDF" in shown


def mypy(code: str, folder: Path) -> str:
    """Return what mypy says in strict mode about a script that uses the installed package."""
    (folder / "script.py").write_text(code, encoding="utf-8")
    # The package is found as it is, without the project's settings; only the script is judged.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "script.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.long
def test_a_users_script_has_types(project):
    assert mypy(SCRIPT.read_text(encoding="utf-8"), project).startswith("Success")


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('train("configs/quick/sentiment.yaml", fresh="no")', "arg-type"),
        ('predict("sentiment", "好").labels', "attr-defined"),
        ('check_data("sentiment", {"trian": "builtin/sentiment"})', "dict-item"),
    ],
)
def test_mistakes_in_a_users_script_are_found(project, line, problem):
    assert f"[{problem}]" in mypy(f"from paddle_tasks import check_data, predict, train\n\n{line}\n", project)
