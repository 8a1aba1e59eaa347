"""Fonts are chosen by the characters that they have."""

from __future__ import annotations

from matplotlib import font_manager

from paddle_tasks.figures import fonts


def test_the_last_resort_font_is_not_used():
    # An Egyptian hieroglyph and an unassigned character: no usual font has both.
    assert fonts.find_font("\U00013000\U000e1000") is None
    assert fonts.find_font("abc")


def test_a_newly_installed_font_is_found(monkeypatch):
    path = font_manager.findfont("DejaVu Sans")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/nowhere.ttf", path])
    assert fonts.find_font("abc") == "DejaVu Sans"
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    assert fonts.find_font("abc") is None
