"""Fixtures with which a test decides what is installed."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder in front of the module path, into which a test puts fake modules and distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def bare(site, monkeypatch):
    """The same folder as the only one beside the standard library: nothing is installed."""
    monkeypatch.setattr(sys, "path", [str(site), *(entry for entry in sys.path if "-packages" not in entry)])
    return site
