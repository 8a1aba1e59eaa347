"""The check that figures can show Chinese, and how to install a font that can."""

from __future__ import annotations

import shutil

from paddle_tasks.doctor.finding import Finding, ok, warn
from paddle_tasks.doctor.probe import ProbeResult
from paddle_tasks.language import _

FONTS_PROBE = """
from paddle_tasks.figures.fonts import find_font
report(font=find_font("中文标签"))
"""
_INSTALLERS = {
    "apt-get": "sudo apt-get install fonts-noto-cjk",
    "dnf": "sudo dnf install google-noto-sans-cjk-fonts",
    "pacman": "sudo pacman -S noto-fonts-cjk",
    "apk": "sudo apk add font-noto-cjk",
    "brew": "brew install --cask font-noto-sans-cjk",
}


def font_install() -> str:
    """Return the command that installs a font with Chinese characters here, or what to do."""
    command = next((command for program, command in _INSTALLERS.items() if shutil.which(program)), None)
    return command or _("copy one such as Noto Sans CJK into ~/.local/share/fonts")


def check_fonts(probe: ProbeResult) -> Finding:
    """Check that a font has Chinese characters; without one, figures are in English and number the labels."""
    if probe.error is not None:
        return warn("fonts", _("not checked: {error}").format(error=probe.error), _("fix the other problems first"))
    if font := probe.facts.get("font"):
        return ok("fonts", _("figures show Chinese in {font}").format(font=font))
    message = _("no font has Chinese characters: figures are in English, and show numbers in place of Chinese labels")
    return warn("fonts", message, font_install())
