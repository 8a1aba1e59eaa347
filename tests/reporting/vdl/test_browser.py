"""VisualDL's pages in a headless Chromium, on real runs: one log is cut short, in another a bit is flipped."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request

import pytest

from paddle_tasks.reporting.vdl.dashboard import open_dashboard
from paddle_tasks.workflows.train import train

from ...helpers import ROOT
from .chromium import BROWSER, PATIENCE, Chromium, start_chromium

RUNS = ("sentiment", "opinion")
# What a page must show, and how many drawings at least. Of scalars, curves and histograms the names are drawn too.
PAGES = {
    "": (">train<", 3),  # the start page, which shows scalars
    "scalar": ("dev", 3),
    "histogram": ("dev", 4),
    "sample/image": ("dev/confusion", 0),
    "sample/text": ("‖", 0),
    "pr-curve": ("dev", 4),
    "roc-curve": ("dev", 4),
    "hyper-parameter": ("optimizer/learning_rate", 0),
}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: neither chromium, chromium-browser nor google-chrome"),
]


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name in RUNS:
        train(ROOT / "configs" / "quick" / f"{name}.yaml", run_dir=folder / name)
    (short,), (flipped,) = ((folder / name / "vdl").glob("vdlrecords*") for name in RUNS)
    short.write_bytes(short.read_bytes()[:-57])
    content = bytearray(flipped.read_bytes())
    content[record_offset(content, record=20) + 1] ^= 0x40  # of its length
    flipped.write_bytes(content)
    with open_dashboard(folder) as opened:
        yield opened


def record_offset(log: bytearray, record: int) -> int:
    """Return where a record begins, its length first."""
    offset = 0
    for _ in range(record):
        offset += 8 + int.from_bytes(log[offset : offset + 8], "little")
    return offset


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with start_chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


def shown_page(browser: Chromium, url: str, text: str, n_drawings: int) -> str:
    """Return the elements of a page, styles and scripts excepted, once they have all that is expected."""
    deadline = time.monotonic() + PATIENCE
    with browser.open(url) as page:
        while True:
            shown = re.sub(r"<(script|style).*?</\1>", "", page.html(), flags=re.DOTALL)
            missing = [part for part in (text, *RUNS) if part not in shown]
            n_drawn = shown.count("<canvas")
            if not missing and n_drawn >= n_drawings:
                return shown
            found = f"{n_drawn} of {n_drawings} drawings, without {missing}"
            assert time.monotonic() < deadline, f"{url}: {found} in {shown[-2000:]}"
            time.sleep(0.2)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_both_runs(board, chromium, name):
    assert "Nothing matched" not in shown_page(chromium, f"{board.url}{name}", *PAGES[name])


def test_train_is_the_first_group_of_scalars_and_the_one_that_is_open(board, chromium):
    shown = shown_page(chromium, board.url, ">train<", 3)
    groups = [shown.index(f">{name}<") for name in ("train", "dev", "system", "test")]
    assert groups == sorted(groups)
    assert shown.count("<canvas") == 3, "loss, learning rate and gradient norm"


def test_images_are_those_of_the_latest_step(board, chromium):
    counts = re.findall(r"(\d+)/(\d+)<", shown_page(chromium, f"{board.url}sample/image", "3/3", 0))
    assert counts
    assert {shown == total for shown, total in counts} == {True}


def test_texts_are_ordered_by_run(board, chromium):
    shown = shown_page(chromium, f"{board.url}sample/text", "dev/worst_error_1", 0)
    dev = re.findall(r'class="tag">(dev/[^<]*)</span><span class="run">([^<]*)<', shown)
    assert [run for _, run in dev] == sorted(run for _, run in dev)
    assert len({run for _, run in dev}) == len(RUNS)


def ask(board, method: str, **values: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{board.url}api/{method}?{urllib.parse.urlencode(values)}", timeout=60) as answer:
        content: bytes = answer.read()
        return content


def test_the_page_of_vectors_gets_vectors_and_their_texts(board):
    # That page needs WebGL to draw, so its requests are made here.
    vectors = json.loads(ask(board, "embedding/list"))["data"]
    assert len(vectors) == len(RUNS)
    for table in vectors:
        rows, width = table["shape"]
        assert len(ask(board, "embedding/tensor", name=table["name"])) == 4 * rows * width
        header, *lines = ask(board, "embedding/metadata", name=table["name"]).decode().splitlines()
        assert {"text", "result"} <= set(header.split("\t"))
        assert len(lines) == rows


def test_both_damaged_logs_are_reported(board):
    assert {report.path.parent.parent.name for report in board.reports} == set(RUNS)
