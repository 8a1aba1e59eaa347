"""Predict with the pipeline of transformers, called as its documentation shows: predict_pipeline.py SETTINGS RESULT."""

from __future__ import annotations

import torch
import transformers
from peer import measure_prediction, read_settings, write_result
from transformers import pipeline

BATCH_SIZE = 32


def main() -> None:
    """Load the model, measure and write the result."""
    settings = read_settings()
    torch.set_num_threads(settings["threads"])
    predictor = pipeline("text-classification", model=settings["weights"], device="cpu", dtype=torch.float32)

    def predict(texts: list[str]) -> list[str]:
        inputs = texts if len(texts) > 1 else texts[0]  # for a list, the pipeline starts a data loader
        records = predictor(inputs, batch_size=BATCH_SIZE, truncation=True, max_length=settings["max_length"])
        return [record["label"] for record in records]

    variant = {"variant": f"batches of {BATCH_SIZE}", **measure_prediction(predict, settings)}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    write_result(variants=[variant], versions=versions, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
