"""Chinese NLP course projects on PaddlePaddle.

>>> from paddle_tasks import train, load
>>> run = train("configs/quick/sentiment.yaml")
>>> load(run.folder)("太差了，再也不来了")["label"]
'negative'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paddle_tasks import runtime

if TYPE_CHECKING:
    from paddle_tasks.inference.pipelines import load, pipeline
    from paddle_tasks.reporting.report import report
    from paddle_tasks.workflows.baseline import baseline
    from paddle_tasks.workflows.check_data import check_data
    from paddle_tasks.workflows.evaluate import evaluate
    from paddle_tasks.workflows.inspect import inspect
    from paddle_tasks.workflows.params import params
    from paddle_tasks.workflows.predict import predict
    from paddle_tasks.workflows.sweep import sweep
    from paddle_tasks.workflows.train import train
    from paddle_tasks.workflows.verify import verify

__version__ = "0.1.0"
__all__ = [
    "baseline",
    "check_data",
    "evaluate",
    "inspect",
    "load",
    "params",
    "pipeline",
    "predict",
    "report",
    "sweep",
    "train",
    "verify",
]

runtime.prepare()

_WITHOUT_PADDLE = {
    "load": "inference.pipelines",
    "pipeline": "inference.pipelines",
    "predict": "workflows.predict",
    "report": "reporting.report",
}
_WITH_PADDLE = {
    "baseline": "workflows.baseline",
    "check_data": "workflows.check_data",
    "evaluate": "workflows.evaluate",
    "inspect": "workflows.inspect",
    "params": "workflows.params",
    "sweep": "workflows.sweep",
    "train": "workflows.train",
    "verify": "workflows.verify",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used; Paddle, which takes seconds to load, only if it is needed."""
    module = {**_WITHOUT_PADDLE, **_WITH_PADDLE}.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if name in _WITH_PADDLE:
        runtime.import_paddle()
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
