"""Make the weights that every peer starts from, in Hugging Face's layout: a small BERT with random values.

Run by run.py, with the Python that has paddle_tasks: make_weights.py SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from peer import read_rows, settings, write_result
from safetensors.numpy import save_file

from paddle_tasks.text.tokenizer import Tokenizer, learn_vocabulary

VOCABULARY = 21_128  # as many as the published Chinese models have
CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


def vocabulary(texts: list[str]) -> list[str]:
    """Return the texts' characters, filled up with entries that never occur."""
    learnt = learn_vocabulary(texts)[:VOCABULARY]
    return learnt + [f"[unused{number}]" for number in range(VOCABULARY - len(learnt))]


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the parameters, a linear map's as [outputs, inputs]."""
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    tables = {"word": VOCABULARY, "position": CONFIG["max_position_embeddings"], "token_type": 2}
    found = {f"bert.embeddings.{name}_embeddings.weight": (rows, width) for name, rows in tables.items()}
    found |= norm("bert.embeddings", width)
    for number in range(CONFIG["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{number}"
        for name in ("query", "key", "value"):
            found |= linear(f"{layer}.attention.self.{name}", width, width)
        found |= linear(f"{layer}.attention.output.dense", width, width) | norm(f"{layer}.attention.output", width)
        found |= linear(f"{layer}.intermediate.dense", inner, width) | linear(f"{layer}.output.dense", width, inner)
        found |= norm(f"{layer}.output", width)
    return found | linear("bert.pooler.dense", width, width) | linear("classifier", 2, width)


def linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a linear map."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a normalisation."""
    return {f"{name}.LayerNorm.{part}": (width,) for part in ("weight", "bias")}


def values(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return a parameter's first values, as BERT has them."""
    if len(shape) == 1:
        return np.full(shape, float("LayerNorm.weight" in name), np.float32)
    return (CONFIG["initializer_range"] * generator.standard_normal(shape)).astype(np.float32)


def main() -> None:
    """Write config.json, model.safetensors and vocab.txt, and count the tokens of an epoch."""
    asked = settings()
    folder, texts = Path(asked["weights"]), [text for text, _ in read_rows(asked["train"])]
    tokenizer = Tokenizer(vocabulary(texts))
    tokenizer.save(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    generator = np.random.default_rng(asked["seed"])
    tensors = {name: values(name, shape, generator) for name, shape in shapes().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    encoded = tokenizer.encode(texts, max_length=asked["max_length"])
    write_result(epoch_tokens=sum(len(one.input_ids) for one in encoded), rows=len(texts))


if __name__ == "__main__":
    main()
