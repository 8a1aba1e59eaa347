"""Chinese NLP course projects on PaddlePaddle.

>>> from paddle_tasks import train, load
>>> run = train("configs/sentiment.yaml")
>>> load(run.folder)("房间干净，就是早餐太差了")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paddle_tasks import runtime

if TYPE_CHECKING:
    from paddle_tasks.inference.pipelines import load, pipeline
    from paddle_tasks.workflows.train import train

__version__ = "0.1.0"
__all__ = ["load", "pipeline", "train"]

runtime.prepare()

_MODULES = {"train": "workflows.train", "load": "inference.pipelines", "pipeline": "inference.pipelines"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used; Paddle, which takes seconds to load, only if it is needed."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if name == "train":
        runtime.import_paddle()
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
