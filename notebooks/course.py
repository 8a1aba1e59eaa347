"""What every notebook of the course uses: configurations, samples, pictures and the checks of exercises."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("PADDLE_TASKS_LANGUAGE", "zh")

import pandas as pd
import PIL.Image
from IPython.display import Image, display

import checks
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.figures.canvas import COLOURS, line_style, new_figure, style, to_png
from paddle_tasks.models.pretrained.names import ASSETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONFIGS = Path(__file__).parents[1] / "configs"
_DPI = 110


def config(name: str) -> Path:
    """Return the file of a configuration of the project, such as ``quick/sentiment``."""
    return CONFIGS / f"{name}.yaml"


def samples(task: str, split: str = "train") -> Any:
    """Return a split of the sample data of a task as a DataFrame."""
    return pd.read_csv(SAMPLES / task / f"{split}.tsv", sep="\t")


def model_folder(name: str) -> Path:
    """Return the folder of a model that comes with the project, such as ``bert-mini-zh``."""
    return ASSETS / name


def stored_result(name: str) -> dict[str, Any]:
    """Return the result.json of the training that made a model of the project."""
    stages: list[dict[str, Any]] = json.loads((model_folder(name) / "stages.json").read_text(encoding="utf-8"))
    return stages[-1]


def show(figure: Figure) -> None:
    """Show a figure of `paddle_tasks.figures`, or one of those below."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.png"
        to_png(figure, path, dpi=_DPI)
        with PIL.Image.open(path) as image:  # 64 colours are a third of the size
            image.convert("RGB").quantize(64).save(path, optimize=True)
        display(Image(data=path.read_bytes(), width=int(figure.get_figwidth() * 80)))  # type: ignore[no-untyped-call]


def lines(x: Sequence[float], series: Mapping[str, Any], title: str = "", labels: tuple[str, str] = ("", "")) -> Figure:
    """Draw a line for each series of values over the same x; ``labels`` are those of the two axes."""
    with style(title, *labels, *series):
        figure = new_figure(6, 3.2)
        axes = figure.subplots()
        for index, (name, values) in enumerate(series.items()):
            axes.plot(x, values, label=name, **line_style(index))
        axes.set(title=title, xlabel=labels[0], ylabel=labels[1])
        axes.grid()
        if len(series) > 1:
            axes.legend(fontsize=8)
    return figure


def scatter(points: Any, names: Sequence[str], groups: Sequence[int], title: str = "") -> Figure:
    """Draw named points ``<float>[points, 2]``; points of one group have one colour."""
    with style(title, *names):
        figure = new_figure(6, 4.2)
        axes = figure.subplots()
        axes.scatter(points[:, 0], points[:, 1], c=[COLOURS[group % len(COLOURS)] for group in groups], s=24)
        for name, place in zip(names, points, strict=True):
            axes.annotate(name, place, (4, 3), textcoords="offset points", fontsize=9)
        axes.set_title(title)
        axes.margins(0.12)
    return figure


def check(exercise: str, answer: Any) -> None:
    """Say whether an answer is right; if it is not, say what is wrong with it, but not the right one."""
    print(checks.judge(exercise, answer))
