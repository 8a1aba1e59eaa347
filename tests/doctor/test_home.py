"""The doctor where HOME cannot be written: the fix is another HOME, not to install anything again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from paddle_tasks.doctor import installation
from paddle_tasks.doctor.finding import Finding
from paddle_tasks.doctor.home import HOME_FIX, can_write, comes_from_home, home_folder
from paddle_tasks.doctor.probe import run_probe
from tests.doctor.helpers import HEALTHY, add_distribution, add_module

# Each of these is what Paddle or VisualDL raises when HOME is such a folder.
UNWRITABLE = {
    "/sys": "PermissionError(1, 'Operation not permitted', '/sys/.cache')",
    "/": "PermissionError(13, 'Permission denied', '/.visualdl')",
    "/nonexistent/anna": "PermissionError(13, 'Permission denied', '/nonexistent')",
    "/proc": "FileNotFoundError(2, 'No such file or directory', '/proc/.cache')",
    "/dev/null": "NotADirectoryError(20, 'Not a directory', '/dev/null/.visualdl')",
    "/home/anna": "OSError(30, 'Read-only file system', '/home/anna/.cache/paddle/dataset')",
    "/home/ben": "OSError(122, 'Disk quota exceeded', '/home/ben/.visualdl/conf')",
}
HOMES = pytest.mark.parametrize(("home", "error"), UNWRITABLE.items())


def findings(bare: Path, error: str) -> dict[str, Finding]:
    """Return the findings where every library raises an error when it is imported."""
    add_distribution(bare, "paddlepaddle", "3.3.1")
    for name in ("paddle", "paddlenlp", *installation.LIBRARIES):
        add_module(bare, name, f"raise {error}")
    paddle = run_probe(installation.PADDLE_PROBE, 20)
    return {
        "paddle": installation.check_paddle(paddle, []),
        "paddlenlp": installation.check_paddlenlp(run_probe(installation.PADDLENLP_PROBE, 20), HEALTHY),
        "libraries": installation.check_libraries(run_probe(installation.LIBRARIES_PROBE, 20)),
        "visualdl": installation.check_visualdl(run_probe(installation.VISUALDL_PROBE, 20)),
    }


@HOMES
def test_every_finding_names_the_home_folder_as_the_remedy(bare, monkeypatch, home, error):
    monkeypatch.setenv("HOME", home)
    for finding in findings(bare, error).values():
        assert (finding.status, finding.fix) == ("fail", HOME_FIX)
        assert "Error: [Errno" in finding.message


def test_other_errors_keep_their_remedies(bare, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    other = findings(bare, "OSError(28, 'No space left on device', '/tmp/abc')")
    assert "--force-reinstall paddlepaddle" in other["paddle"].fix
    assert other["visualdl"].fix.startswith("export TMPDIR=")
    assert HOME_FIX not in other["libraries"].fix


def test_libraries_with_both_kinds_of_error_get_both_remedies(bare, monkeypatch):
    monkeypatch.setenv("HOME", "/sys")
    for name in installation.LIBRARIES:
        add_module(bare, name, "")
    add_module(bare, "visualdl", "raise " + UNWRITABLE["/sys"])
    add_module(bare, "yaml", "raise ImportError('libyaml')")
    finding = installation.check_libraries(run_probe(installation.LIBRARIES_PROBE, 20))
    assert finding.fix == f'{HOME_FIX}; python -m pip install "pyyaml>=6"'


@pytest.mark.parametrize(
    ("error", "of_home"),
    [
        ("PermissionError: [Errno 13] Permission denied: '/home/anna/.cache'", True),
        ("PermissionError: [Errno 13] Permission denied: '/home/anna'", True),
        ("PermissionError: [Errno 13] Permission denied: '/home/anna/course/a.txt'", False),
        ("PermissionError: [Errno 13] Permission denied: '/home/ben/.cache'", False),
        ("PermissionError: [Errno 13] Permission denied: '/home/anna/.local/lib/site-packages/paddle/a.so'", False),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/home/anna/.venv/lib/a.so'", False),
        ("ModuleNotFoundError: No module named 'paddle'", False),
        ("no answer within 90 s", False),
        (None, False),
    ],
)
def test_errors_of_the_home_folder(monkeypatch, error, of_home):
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setattr(sys, "prefix", "/home/anna/.venv")
    assert comes_from_home(error) is of_home


def test_the_paddlenlp_folder_alone_has_a_variable_of_its_own(bare, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    for error in ("PermissionError(13, 'Permission denied', {})", "OSError(30, 'Read-only file system', {})"):
        add_module(bare, "paddlenlp", "raise " + error.format("'/home/anna/.paddlenlp/models'"))
        finding = installation.check_paddlenlp(run_probe(installation.PADDLENLP_PROBE, 20), HEALTHY)
        assert finding.fix.startswith("export PPNLP_HOME=")


def test_no_home_at_all(monkeypatch):
    monkeypatch.setenv("HOME", "")
    assert home_folder() == Path("/")


def test_what_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    assert can_write(tmp_path)
    assert can_write(tmp_path / "new" / "folder")
    assert not can_write(tmp_path / "file")
    assert not can_write(tmp_path / "file" / "folder")
    assert not can_write(Path("/proc/new"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
