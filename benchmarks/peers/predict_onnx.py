"""Predict with onnxruntime over sorted batches: predict_onnx.py SETTINGS.json RESULT.json."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.transformers import optimizer
from peer import read_settings, write_result
from sorted_batches import measure_batch_sizes, predict_sorted
from transformers import AutoConfig, AutoTokenizer, BertForSequenceClassification

INPUTS = ("input_ids", "attention_mask")


class Session:
    """An exported model in onnxruntime."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.max_length = settings["max_length"]
        self.labels = AutoConfig.from_pretrained(settings["weights"]).id2label
        self.tokenizer = AutoTokenizer.from_pretrained(settings["weights"], use_fast=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings["threads"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(self, texts: list[str], batch_size: int) -> list[str]:
        """Return the label of each text."""
        classes = predict_sorted(texts, self.tokenizer, self.classify, batch_size, self.max_length)
        return [self.labels[index] for index in classes]

    def classify(self, input_ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the logits of a batch."""
        return self.session.run(None, dict(zip(INPUTS, (input_ids, mask), strict=True)))[0]


def export(model: BertForSequenceClassification, path: Path) -> Path:
    """Write the model for any batch size and length."""
    example = torch.ones(2, 16, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS} | {"logits": {0: "batch"}}
    names = {"input_names": list(INPUTS), "output_names": ["logits"], "dynamic_axes": axes}
    torch.onnx.export(model, (example, example), str(path), dynamo=False, opset_version=17, **names)
    return path


def fuse(path: Path, model: BertForSequenceClassification) -> Path:
    """Write a copy of an exported model, with the operators of each layer fused by onnxruntime's tool."""
    fused = path.with_name("fused.onnx")
    sizes = {"num_heads": model.config.num_attention_heads, "hidden_size": model.config.hidden_size}
    optimizer.optimize_model(str(path), model_type="bert", **sizes).save_model_to_file(str(fused))
    return fused


def main() -> None:
    """Export the model, measure both graphs with each batch size, and write the result."""
    settings, variants = read_settings(), []
    # The fusion recognises attention only if it is exported as single operators.
    model = BertForSequenceClassification.from_pretrained(settings["weights"], attn_implementation="eager").eval()
    with tempfile.TemporaryDirectory() as folder:
        plain = export(model, Path(folder) / "plain.onnx")
        for path in (plain, fuse(plain, model)):
            variants += measure_batch_sizes(path.stem, Session(path, settings).predict, settings)
    versions = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
    write_result(variants=variants, versions=versions, threads=settings["threads"])


if __name__ == "__main__":
    main()
