"""What libraries say is collected, and told in one sentence at the end."""

from __future__ import annotations

import logging
import shutil
import warnings

import pytest

from paddle_tasks.cli import notices
from paddle_tasks.cli.verbosity import verbosity
from paddle_tasks.figures import MissingGlyphs

RECORD = logging.makeLogRecord({"name": "of-a-library", "msg": "also %s", "args": ("odd",), "levelno": logging.WARNING})


@pytest.fixture(autouse=True)
def _warn_always():
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
    verbosity.quiet = verbosity.verbose = False


def test_warnings_are_counted_and_shown_on_request(capsys):
    def warn() -> None:
        with notices.collected():
            warnings.warn("something\nodd", RuntimeWarning, stacklevel=1)
            warnings.warn("something\nodd", RuntimeWarning, stacklevel=1)
            logging.lastResort.handle(RECORD)  # for loggers without handlers; pytest gives handlers to all
            assert capsys.readouterr().err == ""

    warn()
    assert capsys.readouterr().err == "note: 3 warnings of libraries left out; -v shows them\n"
    with notices.collected():
        warnings.warn("something odd", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err == "note: 1 warning of a library left out; -v shows it\n"
    verbosity.verbose = True
    warn()
    shown = capsys.readouterr().err
    assert "RuntimeWarning: something odd (" in shown
    assert "of-a-library: also odd\n" in shown
    assert "took " in shown
    verbosity.quiet = True
    warn()
    assert capsys.readouterr().err == ""


def test_a_missing_font_comes_with_the_command_that_installs_one(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "dnf" else None)
    with notices.collected():
        warnings.warn("no font", MissingGlyphs, stacklevel=1)
    shown = capsys.readouterr().err
    assert shown.endswith("install one: sudo dnf install google-noto-sans-cjk-fonts\n")
    assert shown.count("\n") == 1


def test_without_warnings_nothing_is_said(capsys):
    show = warnings.showwarning
    with notices.collected():
        assert warnings.showwarning != show
    assert warnings.showwarning == show
    assert capsys.readouterr().err == ""
