"""Predict with a model in one call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

from paddle_tasks.inference.pipelines import pipeline
from paddle_tasks.inference.records import Record, Records


@overload
def predict(
    run: str | Path, texts: str, *, model: str | Path | None = None, device: str = "auto", **options: Any
) -> Record: ...


@overload
def predict(
    run: str | Path, texts: Iterable[str], *, model: str | Path | None = None, device: str = "auto", **options: Any
) -> Records: ...


def predict(
    run: str | Path, texts: Any, *, model: str | Path | None = None, device: str = "auto", **options: Any
) -> Record | Records:
    """Return a record for a text, or a list of records for several texts, as `paddle-tasks predict` prints them.

    It loads the model each time: for more than one call, keep what `paddle_tasks.pipeline` returns.

    >>> predict("sentiment", "房间干净，就是早餐太差了")["label"]
    'negative'
    >>> [record["label"] for record in predict("news", ["北京房价连续三月上涨", "国足主场战平"], top_k=1)]
    ['realty', 'sports']

    Args:
        run: a run folder, a shipped model or a built-in pipeline, as in `paddle_tasks.pipeline`.
        texts: a text, or a list, tuple, generator, numpy array or pandas Series of texts.
        model: another model, as in `paddle_tasks.pipeline`.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        **options: ``batch_size``, and the options of the pipeline, such as ``top_k`` or ``explain``.

    Raises:
        UserError: there is no such model, or it cannot use an option or a text.
    """
    answers: Record | Records = pipeline(run, model=model, device=device)(texts, **options)
    return answers
