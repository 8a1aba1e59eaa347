"""Configurations by name, and a new project made of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from paddle_tasks import train
from paddle_tasks.errors import ConfigError
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.init import init
from paddle_tasks.workflows.shipped_configs import config_names, configs_folder, find_config

from ..helpers import ROOT

SHORT = {"training.max_steps": 2, "logging.visualdl": False}


def test_every_configuration_of_the_source_tree_has_a_name():
    files = [path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")]
    assert config_names() == sorted(path.with_suffix("").as_posix() for path in files)
    assert "quick/sentiment" in config_names()


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("sentiment") == configs_folder() / "sentiment.yaml"
    Path("sentiment").mkdir()  # a folder of that name is no configuration
    assert find_config("sentiment") == configs_folder() / "sentiment.yaml"
    Path("news").write_text("task: news\n", encoding="utf-8")
    assert find_config("news") == Path("news")
    assert find_config("no/such.yaml") == Path("no/such.yaml")  # reading it says what is wrong


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"sentimnt: no such configuration file.*did you mean 'sentiment'"):
        load_config("sentimnt")
    with pytest.raises(ConfigError, match=r"qick/sentiment: .*did you mean 'quick/sentiment'"):
        load_config("qick/sentiment")


def test_a_run_by_name_is_that_of_the_file(tmp_path):
    by_name = train("quick/sentiment", run_dir=tmp_path / "name", **SHORT)
    by_file = train(configs_folder() / "quick" / "sentiment.yaml", run_dir=tmp_path / "file", **SHORT)
    assert by_name.result["dev"] == by_file.result["dev"]


# ---- init


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return init(tmp_path_factory.mktemp("parent") / "project")


def test_a_project_has_every_configuration_and_the_samples_that_they_name(project):
    copied = [path.relative_to(project / "configs") for path in project.rglob("configs/**/*.yaml")]
    assert sorted(path.with_suffix("").as_posix() for path in copied) == config_names()
    assert "builtin/sentiment" not in (project / "configs" / "sentiment.yaml").read_text(encoding="utf-8")
    assert {path.name for path in (project / "data").iterdir()} >= {"sentiment", "opinion", "novel", "word2vec"}
    assert "data/sentiment/README.md" in {path.relative_to(project).as_posix() for path in project.rglob("*")}


def test_copies_differ_from_the_originals_only_in_the_paths_of_samples(project):
    for name in config_names():
        old = (configs_folder() / f"{name}.yaml").read_text(encoding="utf-8").split("\n")
        new = (project / "configs" / f"{name}.yaml").read_text(encoding="utf-8").split("\n")
        changed = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
        assert all("builtin/" in before and "data/" in after for before, after in changed)
        load_config(project / "configs" / f"{name}.yaml")


@pytest.mark.parametrize(
    "name",
    ["quick/sentiment", *(pytest.param(name, marks=pytest.mark.long) for name in ("quick/word2vec", "quick/novel"))],
)
def test_a_copied_configuration_trains_as_the_original(project, tmp_path, monkeypatch, name):
    monkeypatch.chdir(project)
    copied = train(f"configs/{name}.yaml", run_dir=tmp_path / "copied", **SHORT)
    original = train(name, run_dir=tmp_path / "original", **SHORT)
    assert copied.result["dev"] == original.result["dev"]


def test_only_an_empty_folder_is_filled(tmp_path):
    init(tmp_path, ["quick/news"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "configs", "data"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["news"]
    before = (tmp_path / "README.md").stat().st_mtime_ns
    for folder in (tmp_path, tmp_path / "README.md"):
        with pytest.raises(ConfigError, match="exists and is not an empty folder"):
            init(folder)
    assert (tmp_path / "README.md").stat().st_mtime_ns == before


def test_an_unknown_name_writes_nothing(tmp_path):
    with pytest.raises(ConfigError, match=r"no configuration of this name ships; did you mean 'news'"):
        init(tmp_path / "project", ["newss"])
    assert not (tmp_path / "project").exists()


# ---- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Return a wheel, built from a copy of the sources, into which a build writes."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("paddle_tasks", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel) -> Path:
    """Return a folder into which the wheel is installed, without what it depends on."""
    pip("install", "--no-deps", "--target", wheel.parent / "site", wheel)
    return wheel.parent / "site"


def pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--no-input", *arguments], check=True, cwd="/")


def run_installed(site: Path, folder: Path, *arguments: str) -> str:
    """Return what a program prints that finds the installed package, in a folder without a checkout."""
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(folder), "PADDLE_TASKS_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    assert wheel.stat().st_size < 100e6
    names = [name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("paddle_tasks-")]
    assert {name.partition("/")[0] for name in names} == {"paddle_tasks"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".po")) or "/runs/" in name]
    kept = {path.relative_to(ROOT).as_posix() for path in (ROOT / "paddle_tasks").rglob("*") if path.is_file()}
    kept = {name for name in kept if "__pycache__" not in name and not name.endswith(".po")}
    assert {name for name in names if not name.startswith("paddle_tasks/configs/")} == kept


@pytest.mark.long
def test_the_installed_wheel_works_in_any_folder(site, tmp_path):
    module = ("-m", "paddle_tasks")
    assert run_installed(site, tmp_path, *module, "list", "configs").split() == config_names()
    answer = json.loads(run_installed(site, tmp_path, *module, "predict", "sentiment", "房间干净，就是早餐太差了"))
    assert answer["label"] in {"positive", "negative"}
    run_installed(site, tmp_path, *module, "init", "project", "quick/sentiment")
    assert (tmp_path / "project" / "data" / "sentiment" / "train.tsv").is_file()
    code = (
        "import paddle_tasks; from paddle_tasks import train\n"
        f"assert paddle_tasks.__file__.startswith({str(site)!r})\n"
        "run = train('configs/quick/sentiment.yaml', run_dir='run', training={'max_steps': 2})\n"
        "print(run.result['dev']['accuracy'])"
    )
    assert 0 < float(run_installed(site, tmp_path / "project", "-c", code).splitlines()[-1]) < 1
