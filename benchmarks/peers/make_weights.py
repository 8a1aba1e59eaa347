"""Write the weights that all peers start from: a small BERT with random values, in Hugging Face's layout.

run.py calls it with the Python that has paddle_tasks: make_weights.py SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from peer import read_rows, read_settings, write_result
from safetensors.numpy import save_file

from paddle_tasks.text.tokenizer import Tokenizer, learn_vocabulary

VOCABULARY_SIZE = 21_128  # that of the published Chinese models
CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "vocab_size": VOCABULARY_SIZE,
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


def build_vocabulary(texts: list[str]) -> list[str]:
    """Return the characters of the texts, followed by unused entries up to `VOCABULARY_SIZE`."""
    learnt = learn_vocabulary(texts)[:VOCABULARY_SIZE]
    return learnt + [f"[unused{number}]" for number in range(VOCABULARY_SIZE - len(learnt))]


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter by name; a linear layer's weight is [outputs, inputs]."""
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    tables = {"word": VOCABULARY_SIZE, "position": CONFIG["max_position_embeddings"], "token_type": 2}
    shapes = {f"bert.embeddings.{name}_embeddings.weight": (rows, width) for name, rows in tables.items()}
    shapes |= norm_shapes("bert.embeddings", width)
    for number in range(CONFIG["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{number}"
        for name in ("query", "key", "value"):
            shapes |= linear_shapes(f"{layer}.attention.self.{name}", width, width)
        shapes |= linear_shapes(f"{layer}.attention.output.dense", width, width)
        shapes |= norm_shapes(f"{layer}.attention.output", width)
        shapes |= linear_shapes(f"{layer}.intermediate.dense", inner, width)
        shapes |= linear_shapes(f"{layer}.output.dense", width, inner)
        shapes |= norm_shapes(f"{layer}.output", width)
    return shapes | linear_shapes("bert.pooler.dense", width, width) | linear_shapes("classifier", 2, width)


def linear_shapes(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a linear layer's weight and bias."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a layer norm's weight and bias."""
    return {f"{name}.LayerNorm.{part}": (width,) for part in ("weight", "bias")}


def initial_values(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return the initial values of a parameter, distributed as in BERT."""
    if len(shape) == 1:
        return np.full(shape, float("LayerNorm.weight" in name), np.float32)
    return (CONFIG["initializer_range"] * generator.standard_normal(shape)).astype(np.float32)


def main() -> None:
    """Write config.json, model.safetensors and vocab.txt, and count the tokens of an epoch."""
    settings = read_settings()
    folder, texts = Path(settings["weights"]), [text for text, _ in read_rows(settings["train"])]
    tokenizer = Tokenizer(build_vocabulary(texts))
    tokenizer.save(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    generator = np.random.default_rng(settings["seed"])
    tensors = {name: initial_values(name, shape, generator) for name, shape in parameter_shapes().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    encoded = tokenizer.encode(texts, max_length=settings["max_length"])
    write_result(epoch_tokens=sum(len(encoding.input_ids) for encoding in encoded), rows=len(texts))


if __name__ == "__main__":
    main()
