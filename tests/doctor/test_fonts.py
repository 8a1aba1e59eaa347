"""The doctor on machines with and without a font for Chinese."""

from __future__ import annotations

import shutil

import pytest

from paddle_tasks.doctor.fonts import FONTS_PROBE, check_fonts, font_install
from paddle_tasks.doctor.probe import ProbeResult, run_probe
from tests.doctor.helpers import add_module


def fonts_module(site, source: str) -> None:
    """Put a package of that name before the real one, whose fonts are as the source says."""
    for folder in (site / "paddle_tasks", site / "paddle_tasks" / "figures"):
        folder.mkdir()
        add_module(folder, "__init__", "")
    add_module(site / "paddle_tasks" / "figures", "fonts", source)


def test_a_font_is_there(site):
    fonts_module(site, "def find_font(text): return 'SimHei' if '\\u4e2d' <= text[0] else None")
    finding = check_fonts(run_probe(FONTS_PROBE, 20))
    assert (finding.status, finding.fix) == ("ok", None)
    assert "SimHei" in finding.message


@pytest.mark.parametrize(
    ("programs", "fix"),
    [({"apt-get"}, "sudo apt-get install fonts-noto-cjk"), ({"dnf"}, "sudo dnf"), (set(), "copy one such as Noto")],
)
def test_no_font_is_there(site, monkeypatch, programs, fix):
    fonts_module(site, "def find_font(text): return None")
    monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
    finding = check_fonts(run_probe(FONTS_PROBE, 20))
    assert finding.status == "warn"
    assert "no font has Chinese characters" in finding.message
    assert finding.fix.startswith(fix)
    assert font_install() == finding.fix


def test_matplotlib_is_broken(site):
    fonts_module(site, "raise ImportError('numpy.core.multiarray failed to import')")
    finding = check_fonts(run_probe(FONTS_PROBE, 20))
    assert finding.status == "warn"
    assert "ImportError: numpy.core.multiarray" in finding.message
    assert finding.fix == check_fonts(ProbeResult({}, "anything")).fix == "fix the other problems first"
