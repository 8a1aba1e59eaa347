"""Write the golden models: small Hugging Face models with random weights, and their outputs.

    python tests/golden/make_golden.py [FOLDER] [--seed N] [--activation NAME] [--kinds NAME…]

Needs torch and transformers, which the package itself does not. FOLDER is the folder of this file by default. The tests
compare with the models stored there; with the marker `torch` they also run this script and compare with new ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import transformers

VOCABULARY, LENGTHS = 50, (9, 5, 1)
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
}


def bert(activation: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the model to save, with tensors `bert.…` and those of its heads, and the encoder in it."""
    model = transformers.BertForPreTraining(transformers.BertConfig(**SIZES, hidden_act=activation))
    return model, model.bert


def ernie(activation: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return a bare encoder, saved without prefix, with task embeddings and another epsilon than PaddleNLP's."""
    config = transformers.ErnieConfig(
        **SIZES, hidden_act=activation, use_task_id=True, task_type_vocab_size=3, layer_norm_eps=1e-5
    )
    model = transformers.ErnieModel(config)
    return model, model


def roberta(activation: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return a bare encoder with RoBERTa's epsilon and position numbers."""
    config = transformers.RobertaConfig(**SIZES, hidden_act=activation, pad_token_id=0, layer_norm_eps=1e-5)
    model = transformers.RobertaModel(config)
    return model, model


def albert(activation: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the model to save and the encoder in it, whose layers share weights in two groups."""
    config = transformers.AlbertConfig(**SIZES, hidden_act=activation, embedding_size=16, num_hidden_groups=2)
    model = transformers.AlbertForPreTraining(config)
    return model, model.albert


def electra(activation: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the model to save and the encoder in it, which has no pooler."""
    config = transformers.ElectraConfig(**SIZES, hidden_act=activation, embedding_size=16)
    model = transformers.ElectraForPreTraining(config)
    return model, model.electra


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Draw every parameter, including biases and normalisations, so that none can be left out or swapped unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            normalises = "LayerNorm" in name and name.endswith("weight")
            # Small embeddings make the normalisation's epsilon matter; larger linear maps make attention uneven.
            parameter.copy_(1 + 0.1 * noise if normalises else (0.02 if "embeddings" in name else 0.15) * noise)


def batch(seed: int) -> dict[str, np.ndarray]:
    """Return a padded batch with two segments."""
    numbers = np.random.default_rng(seed)
    ids = np.zeros((len(LENGTHS), max(LENGTHS)), np.int64)
    types = np.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = numbers.integers(1, VOCABULARY, length)
        types[row, length // 2 : length] = 1
    return {"input_ids": ids, "token_type_ids": types, "lengths": np.array(LENGTHS, np.int64)}


def run(encoder: torch.nn.Module, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the encoder's states and pooler output, in evaluation mode."""
    real = np.arange(inputs["input_ids"].shape[1]) < inputs["lengths"][:, None]
    arguments = {key: torch.from_numpy(inputs[key]) for key in ("input_ids", "token_type_ids")}
    with torch.no_grad():
        output = encoder.eval()(**arguments, attention_mask=torch.from_numpy(real.astype(np.int64)))
    states = output.last_hidden_state
    pooled = getattr(output, "pooler_output", None)
    return {"states": states.numpy(), "pooled": (states[:, 0] if pooled is None else pooled).numpy()}


def heads(model: torch.nn.Module, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the logits of BERT's two heads, tokens and next sentence; nothing for other models."""
    if not isinstance(model, transformers.BertForPreTraining):
        return {}
    real = np.arange(inputs["input_ids"].shape[1]) < inputs["lengths"][:, None]
    arguments = {key: torch.from_numpy(inputs[key]) for key in ("input_ids", "token_type_ids")}
    with torch.no_grad():
        output = model.eval()(**arguments, attention_mask=torch.from_numpy(real.astype(np.int64)))
    return {"tokens": output.prediction_logits.numpy(), "pairs": output.seq_relationship_logits.numpy()}


def main() -> None:
    """Write one folder for each model."""
    kinds = {build.__name__: build for build in (bert, ernie, roberta, albert, electra)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--activation", help="of all models (default: relu for ERNIE, gelu for the others)")
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=[*kinds], help="default: all")
    options = parser.parse_args()
    for build in (kinds[name] for name in options.kinds):
        model, encoder = build(options.activation or ("relu" if build is ernie else "gelu"))
        randomise(model, options.seed)
        inputs = batch(options.seed)
        folder = options.folder / build.__name__
        model.save_pretrained(folder)
        np.savez_compressed(folder / "expected.npz", **inputs, **run(encoder, inputs), **heads(model, inputs))


if __name__ == "__main__":
    main()
