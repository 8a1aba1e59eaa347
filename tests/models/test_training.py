"""Every kind of encoder and pooling goes through training, saving and predicting."""

from __future__ import annotations

import json
import shutil

import pytest

from paddle_tasks.inference.pipelines import load
from paddle_tasks.workflows.train import train

from ..conftest import FIXTURES
from .conftest import SIZES, VOCABULARY, paddlenlp_folder

SCRATCH = {
    "rnn": {},
    "gru": {"n_layers": 2},
    "lstm": {"pooling": "mean"},
    "bilstm": {"pooling": "attention"},
    "textcnn": {"pooling": "attention"},
    "transformer": {"n_heads": 2, "n_layers": 2},
    "transformer, learned": {"n_heads": 2, "positions": "learned", "activation": "gelu", "pooling": "attention"},
}


def check(config, folder):
    """Train, and compare the scored predictions with those of the saved model."""
    run = train(config)
    assert run.result["status"] == "finished"
    lines = (folder / "run" / "predictions" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    predicted = load(run.folder)([record["text"] for record in records])
    for record, again in zip(records, predicted, strict=True):
        assert again["probabilities"] == pytest.approx(record["probabilities"], abs=1e-6)
    return run


@pytest.mark.parametrize("name", SCRATCH)
def test_a_kind_from_scratch(tmp_path, small_config, name):
    model = {"encoder": name.partition(",")[0], **SCRATCH[name]}
    check(small_config(tmp_path, model=model, training={"epochs": 1}, logging={"visualdl": False}), tmp_path)


@pytest.mark.parametrize("kind", ["roberta", "albert", "electra", "skep"])
def test_a_folder_of_paddlenlps(tmp_path, small_config, kind):
    folder = shutil.copytree(paddlenlp_folder(kind), tmp_path / kind)
    texts = (FIXTURES / "training_train.tsv").read_text(encoding="utf-8")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = [*special, *sorted(set(texts) - set("\n\t "))][:VOCABULARY]
    assert len(entries) == SIZES["vocab_size"]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    changes = {"model": {"encoder": str(folder), "pooling": "cls"}, "logging": {"visualdl": False}}
    run = check(small_config(tmp_path, **changes, training={"max_steps": 2, "epochs": 1}), tmp_path)
    assert json.loads((run.folder / "model" / "config.json").read_text())["model_type"] == kind
