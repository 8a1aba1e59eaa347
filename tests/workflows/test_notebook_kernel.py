"""A notebook that is executed: progress, interrupt and re-run, tables and coloured records."""

from __future__ import annotations

import asyncio
import inspect
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from paddle_tasks.workflows.train import train

from ..helpers import ROOT
from .snapshot import snapshot

pytestmark = pytest.mark.long

TRAIN = 'run = train("configs/quick/sentiment.yaml", training={"max_steps": 60, "save_every_steps": 20})'
CELLS = [
    "from paddle_tasks import baseline, evaluate, pipeline, predict, train",
    'baseline("configs/quick/sentiment.yaml")',
    f"{TRAIN}\nrun",  # is interrupted
    f"{TRAIN}\nrun",
    "run.errors.head(3)",
    'predict("sentiment", ["房间干净，就是早餐太差了", "<b>好</b>"], explain=True)',
    'predict("opinion", "房间干净，就是早餐太差了")',
    'pipeline("fill-mask")("味道很不[MASK]。", top_k=3)',
    'pipeline("rewrite")("这家酒店的房间非常干净，早餐也很丰富。", n_variants=1)',
    'train("nowhere.yaml")',
    'evaluate("sentiment")',
    "1 / 0",
]
INTERRUPTED, AGAIN, ERRORS, EXPLAINED, OPINION, FILLED, REWRITTEN, MISTAKE, WITHOUT_DATA, DEFECT = range(2, 12)


def interrupt(client: NotebookClient, metrics: Path) -> None:
    """Interrupt the kernel as the stop button does, as soon as a run has written metrics."""
    while not (metrics.is_file() and metrics.stat().st_size):
        threading.Event().wait(0.05)
    done = client.km.interrupt_kernel()
    if inspect.isawaitable(done):
        asyncio.run(_await(done))


async def _await(done: Any) -> None:
    await done


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> tuple[list[Any], Path]:
    """The outputs of each cell, and the folder in which the notebook was executed."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "configs", folder / "configs")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    metrics = folder / "runs" / "quick-sentiment" / "metrics.jsonl"

    def on_cell_execute(cell: Any, cell_index: int) -> None:
        if cell_index == INTERRUPTED:
            threading.Thread(target=interrupt, args=(client, metrics), daemon=True).start()

    client.on_cell_execute = on_cell_execute
    client.execute()
    return [cell.outputs for cell in notebook.cells], folder


def html(outputs: list[Any], number: int = -1) -> str:
    return outputs[number]["data"]["text/html"]


def test_nothing_is_written_to_the_streams(executed):
    assert [output for outputs in executed[0] for output in outputs if output["output_type"] == "stream"] == []


def test_an_interrupt_ends_with_one_sentence(executed):
    progress, error = executed[0][INTERRUPTED]
    assert error["output_type"] == "error"
    assert error["traceback"] == ["runs/quick-sentiment: stopped; run this cell again to go on from here"]
    assert "<polyline" in progress["data"]["text/html"]
    assert "step 60 of 60" not in progress["data"]["text/plain"]


def test_the_same_cell_goes_on_and_shows_progress_and_a_table(executed):
    progress, result = executed[0][AGAIN]
    assert "continuing runs/quick-sentiment after step" in progress["data"]["text/html"]
    assert "step 60 of 60" in progress["data"]["text/plain"]
    assert "<polyline" in progress["data"]["text/html"]
    table = result["data"]["text/html"]
    assert "test baseline" in table
    assert '<a href="runs/quick-sentiment"' in table
    assert result["data"]["text/plain"].startswith("sentiment: runs/quick-sentiment")


def test_an_interrupted_run_equals_an_uninterrupted_one(executed, tmp_path):
    steps = {"max_steps": 60, "save_every_steps": 20}
    whole = train(ROOT / "configs" / "quick" / "sentiment.yaml", run_dir=tmp_path / "whole", training=steps)
    expected, found = snapshot(whole.folder), snapshot(executed[1] / "runs" / "quick-sentiment")
    assert found == expected


def test_records_are_coloured(executed):
    outputs = executed[0]
    assert "supports the label" in html(outputs[EXPLAINED])
    assert "&lt;b&gt;好&lt;/b&gt;" in re.sub("<[^>]*>", "", html(outputs[EXPLAINED]))
    assert "<mark" in html(outputs[OPINION])
    assert "<ins" in html(outputs[FILLED])
    assert "<del" in html(outputs[REWRITTEN])
    assert "<table" in html(outputs[ERRORS])


def test_mistakes_are_messages_and_defects_have_a_traceback(executed):
    outputs = executed[0]
    assert outputs[MISTAKE][0]["traceback"] == ["nowhere.yaml: no such configuration file"]
    (message,) = outputs[WITHOUT_DATA][0]["traceback"]
    assert "name the data to score" in message
    assert len(outputs[DEFECT][0]["traceback"]) > 1
