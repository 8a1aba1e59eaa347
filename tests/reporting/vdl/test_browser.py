"""VisualDL's pages in a headless Chromium, on real runs: one log is cut short, in another a byte is flipped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest

from paddle_tasks.reporting.vdl.dashboard import Place, open_dashboard
from paddle_tasks.workflows.train import train

from ...helpers import ROOT

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RUNS = ("sentiment", "opinion")
# What a page must show, and how many drawings at least. Of scalars, curves and histograms the names are drawn too.
PAGES = {
    "scalar": ("dev", 8),
    "histogram": ("dev", 4),
    "sample/image": ("dev/confusion", 0),
    "sample/text": ("gold:", 0),
    "pr-curve": ("dev", 4),
    "roc-curve": ("dev", 4),
    "hyper-parameter": ("optimizer/learning_rate", 0),
}

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name in RUNS:
        train(ROOT / "configs" / "quick" / f"{name}.yaml", run_dir=folder / name)
    (short,), (flipped,) = ((folder / name / "vdl").glob("vdlrecords*") for name in RUNS)
    short.write_bytes(short.read_bytes()[:-57])
    content = bytearray(flipped.read_bytes())
    content[place_of(content, record=20) + 1] ^= 0x40  # of its length
    flipped.write_bytes(content)
    with open_dashboard(folder, Place()) as found:
        yield found


def place_of(log: bytearray, record: int) -> int:
    """Return where a record begins, its length first."""
    place = 0
    for _ in range(record):
        place += 8 + int.from_bytes(log[place : place + 8], "little")
    return place


def page(address: str, profile: str) -> str:
    """Return the page's elements after its scripts have run."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=20000",
    ]
    command = [str(BROWSER), *options, "--dump-dom", address]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout.decode()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_both_runs(board, name, tmp_path):
    shown = page(f"{board.address}{name}", str(tmp_path))
    text, n_drawings = PAGES[name]
    assert text in shown
    assert shown.count("<canvas") >= n_drawings
    assert [run for run in RUNS if run in re.sub(r"<(script|style).*?</\1>", "", shown, flags=re.DOTALL)] == list(RUNS)
    assert "Nothing matched" not in shown


def ask(board, what: str, **values: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{board.address}api/{what}?{urllib.parse.urlencode(values)}", timeout=60) as answer:
        content: bytes = answer.read()
        return content


def test_the_page_of_vectors_gets_vectors_and_their_texts(board):
    # That page computes in workers, whose results the browser's virtual time does not wait for.
    vectors = json.loads(ask(board, "embedding/list"))["data"]
    assert len(vectors) == len(RUNS)
    for one in vectors:
        rows, width = one["shape"]
        assert len(ask(board, "embedding/tensor", name=one["name"])) == 4 * rows * width
        header, *lines = ask(board, "embedding/metadata", name=one["name"]).decode().splitlines()
        assert {"text", "result"} <= set(header.split("\t"))
        assert len(lines) == rows


def test_what_was_mended_is_told(board):
    assert {report.path.parent.parent.name for report in board.reports} == set(RUNS)
