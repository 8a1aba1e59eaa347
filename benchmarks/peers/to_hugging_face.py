"""Convert a BERT that paddle_tasks trained to Hugging Face's layout: to_hugging_face.py SETTINGS.json RESULT.json."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from peer import read_settings, write_result
from safetensors.numpy import save_file

from paddle_tasks.inference.pipelines import model_folder
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.renaming import RENAMES
from paddle_tasks.models.pretrained.saving import CONFIG, WEIGHTS
from paddle_tasks.tasks import SETTINGS

EXPECTED = {"pooling": "cls", "head": "linear", "output": "softmax"}  # as in BertForSequenceClassification
OLD_NAMES = (".gamma", ".beta")  # of TensorFlow's checkpoints
TOKENIZER_FILES = ("vocab.txt", "tokenizer_config.json")


def convert_tensors(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors with Hugging Face's names; a linear layer's weight becomes [outputs, inputs]."""
    return dict(convert_tensor(name, array) for name, array in arrays.items())


def convert_tensor(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    """Return Hugging Face's name of a tensor and its values."""
    for theirs, ours in (("classifier.", "head.output."), *RENAMES):
        if theirs not in OLD_NAMES:
            name = name.replace(ours, theirs)
    is_linear = array.ndim == 2 and "embeddings." not in name
    return name, np.ascontiguousarray(array.T if is_linear else array)


def convert_config(config: dict[str, Any], labels: list[str]) -> dict[str, Any]:
    """Return the configuration of a BertForSequenceClassification with these labels."""
    return {
        **config,
        "architectures": ["BertForSequenceClassification"],
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def find_difference(config: dict[str, Any], section: dict[str, Any]) -> str | None:
    """Return what keeps Hugging Face's model from computing the same; None if nothing does.

    Args:
        config: the encoder's configuration.
        section: the section ``model`` of the run's configuration.
    """
    if config["model_type"] != "bert":
        return f"model_type is {config['model_type']}, expected bert"
    wrong = [key for key, value in EXPECTED.items() if section[key] != value]
    return f"model.{wrong[0]} is {section[wrong[0]]}, expected {EXPECTED[wrong[0]]}" if wrong else None


def main() -> None:
    """Write config.json, model.safetensors and the tokenizer's files."""
    settings = read_settings()
    source, target = model_folder(Path(settings["model"])), Path(settings["weights"])
    config, trained = (json.loads((source / name).read_text(encoding="utf-8")) for name in (CONFIG, SETTINGS))
    if difference := find_difference(config, trained["config"]["model"]):
        sys.exit(f"{source}: {difference}; train the model with run.py --peers ours")
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(convert_config(config, trained["labels"]), indent=2)
    (target / CONFIG).write_text(text + "\n", encoding="utf-8")
    save_file(convert_tensors(tensors.read(source / WEIGHTS)), target / WEIGHTS, metadata={"format": "pt"})
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, target / name)
    write_result(max_length=trained["config"]["training"]["max_length"])


if __name__ == "__main__":
    main()
