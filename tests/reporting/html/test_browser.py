"""The HTML report in a headless Chromium: without a network and without scripts, on a phone, a desktop and on paper."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddle_tasks.reporting.report import report

from ...helpers import ROOT
from ..vdl.chromium import BROWSER, Chromium, Page, start_chromium
from .runs import three_runs

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: neither chromium, chromium-browser nor google-chrome"),
]
WIDTHS = (390, 1280)
NAMES = ("sentiment", "opinion", "novel", "translate")
A4 = (595, 842)  # points
PAPER = 688
"""The width of an A4 page between its margins, in CSS pixels."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Chromium]:
    with start_chromium(tmp_path_factory.mktemp("browser") / "profile") as chromium:
        yield chromium


@pytest.fixture(scope="module", params=NAMES)
def page_file(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        report(three_runs(request.param, folder)).to_html(folder / "report.html")
    return folder / "report.html"


def opened(page: Page, width: int) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    page.call("Emulation.setScriptExecutionDisabled", value=True)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_into_its_width(browser, page_file, width):
    with browser.open("about:blank") as page:
        opened(page, width)
        page.go(page_file.as_uri())
        size = page.call("Page.getLayoutMetrics")["cssContentSize"]
        assert size["width"] <= width
        assert size["height"] > 2000


def test_a_page_that_is_too_wide_is_found(browser, tmp_path):
    wide = tmp_path / "wide.html"
    wide.write_text('<!doctype html><div style="width:2000px">wide</div>', encoding="utf-8")
    with browser.open("about:blank") as page:
        opened(page, 390)
        page.go(wide.as_uri())
        assert page.call("Page.getLayoutMetrics")["cssContentSize"]["width"] > 390


def test_a_page_is_printed_on_a4(browser, page_file):
    with browser.open("about:blank") as page:
        opened(page, PAPER)
        page.call("Emulation.setEmulatedMedia", media="print")
        page.go(page_file.as_uri())
        assert page.call("Page.getLayoutMetrics")["cssContentSize"]["width"] <= PAPER
        printed = base64.b64decode(page.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed + _unpacked(printed))
    sizes = {(round(float(width)), round(float(height))) for width, height in boxes}
    assert len(boxes) > 1
    assert all(abs(width - A4[0]) <= 1 and abs(height - A4[1]) <= 1 for width, height in sizes)


def _unpacked(pdf: bytes) -> bytes:
    """Return the compressed streams of a PDF, in which the sizes of its pages may be."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    return b"".join(filter(None, map(_inflate, streams)))


def _inflate(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""
