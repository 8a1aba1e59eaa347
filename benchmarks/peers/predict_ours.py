"""Predict with the pipeline of paddle_tasks: predict_ours.py SETTINGS.json RESULT.json."""

from __future__ import annotations

from importlib.metadata import version

from peer import measure_prediction, read_settings, write_result

import paddle_tasks
from paddle_tasks import runtime


def main() -> None:
    """Load the model, measure and write the result."""
    settings = read_settings()
    predictor = paddle_tasks.pipeline(settings["model"])

    def predict(texts: list[str]) -> list[str]:
        return [record["label"] for record in predictor(texts)]

    measured = measure_prediction(predict, settings)
    versions = {name: version(name) for name in ("paddle_tasks", "paddlepaddle")}
    write_result(variants=[{"variant": "pipeline", **measured}], versions=versions, threads=runtime.thread_count())


if __name__ == "__main__":
    main()
