"""Predict with a plain PyTorch loop over sorted batches: predict_torch.py SETTINGS.json RESULT.json."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from peer import read_settings, write_result
from sorted_batches import measure_batch_sizes, predict_sorted
from transformers import AutoTokenizer, BertForSequenceClassification


class Loop:
    """A model that predicts in one of the ways of PyTorch to compute in float32 or bfloat16.

    Attributes:
        way: `float32`; `bfloat16`, with the weights converted; `autocast`, float32 weights under bfloat16 autocast.
    """

    def __init__(self, settings: dict[str, Any], way: str) -> None:
        self.way, self.max_length = way, settings["max_length"]
        self.tokenizer = AutoTokenizer.from_pretrained(settings["weights"], use_fast=True)
        model = BertForSequenceClassification.from_pretrained(settings["weights"], dtype=torch.float32).eval()
        self.model = model.to(torch.bfloat16) if way == "bfloat16" else model

    def predict(self, texts: list[str], batch_size: int) -> list[str]:
        """Return the label of each text."""
        autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.way == "autocast")
        with torch.inference_mode(), autocast:  # around all batches, because autocast converts each weight only once
            classes = predict_sorted(texts, self.tokenizer, self.classify, batch_size, self.max_length)
        return [self.model.config.id2label[index] for index in classes]

    def classify(self, input_ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the logits of a batch."""
        output = self.model(input_ids=torch.from_numpy(input_ids), attention_mask=torch.from_numpy(mask))
        return output.logits.float().numpy()


def main() -> None:
    """Measure each way with each batch size, and write the result."""
    settings, variants = read_settings(), []
    torch.set_num_threads(settings["threads"])
    for way in settings["ways"]:
        variants += measure_batch_sizes(way, Loop(settings, way).predict, settings)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    write_result(variants=variants, versions=versions, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
