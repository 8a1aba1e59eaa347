"""Small encoders of every kind, a padded batch, and copies of the golden folders that a test may change."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

from paddle_tasks.models.encoders.architectures import classes
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.pretrained.loading import load_pretrained

GOLDEN = Path(__file__).parents[1] / "golden"
RECURRENT = ("rnn", "gru", "lstm", "bilstm")
# Small models built and saved by PaddleNLP itself.
PADDLENLP = ("paddlenlp/roberta", "paddlenlp/albert", "paddlenlp/electra", "paddlenlp/skep")
# PaddleNLP's encoders, which read token types and may have a pooler.
PRETRAINED = ("bert", "ernie", "golden/bert", "golden/ernie", *PADDLENLP)
WITH_POOLER = tuple(name for name in PRETRAINED if name != "paddlenlp/electra")
ENCODERS = (*RECURRENT, "textcnn", "transformer", "transformer-learned", *PRETRAINED)
VOCABULARY, PAD = 50, 0
LENGTHS = (9, 5, 2, 1)

Batch = tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]


def section(kind: str, **changes: object) -> EncoderSection:
    """Return a small section of this kind."""
    sizes = {"hidden_size": 12, "embedding_size": 8, "n_layers": 2, "n_heads": 2, "max_positions": 16}
    return EncoderSection.model_validate_json(json.dumps({"encoder": kind, **sizes, **changes}))


def make_encoder(name: str, **changes: object) -> Encoder:
    """Return one of `ENCODERS`, with the same weights at every call."""
    paddle.seed(3)
    if name.startswith("golden/"):
        return load_pretrained(str(GOLDEN.parent / name))
    if name in PADDLENLP:
        return load_pretrained(str(paddlenlp_folder(name.partition("/")[2])))
    if name == "transformer-learned":
        name, changes = "transformer", {"positions": "learned", "activation": "gelu", **changes}
    return build_encoder(section(name, **changes), VOCABULARY, PAD)


SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "pad_token_id": PAD,
}
_FOLDERS = tempfile.TemporaryDirectory(prefix="paddlenlp-models-")


@cache
def paddlenlp_folder(model_type: str, **changes: object) -> Path:
    """Return a folder written by PaddleNLP: a small model without a parameter of zeros or ones."""
    kind, config_kind = classes(model_type)
    sizes = {**SIZES, **({"embedding_size": 16} if model_type in {"albert", "electra"} else {}), **changes}
    model = kind(config_kind(**sizes))
    numbers = np.random.default_rng(4)
    for name, parameter in model.named_parameters():
        noise = numbers.normal(size=parameter.shape).astype(np.float32)
        # Small embeddings make the normalisation's epsilon matter; larger linear maps make attention uneven.
        scale = 0.02 if "embeddings." in name else 0.15
        parameter.set_value(1 + 0.1 * noise if "norm" in name and "weight" in name else scale * noise)
    folder = Path(tempfile.mkdtemp(prefix=model_type, dir=_FOLDERS.name))
    model.save_pretrained(str(folder))
    return folder


def batch(lengths: tuple[int, ...] = LENGTHS, padding: int = PAD) -> Batch:
    """Return ids, token types and lengths; the padding has the id ``padding``."""
    numbers = np.random.default_rng(5)
    ids = np.full((len(lengths), max(lengths)), padding, np.int64)
    types = np.full_like(ids, int(padding != PAD))
    for row, length in enumerate(lengths):
        ids[row, :length] = numbers.integers(1, VOCABULARY - 1, length)
        types[row, :length] = np.arange(length) >= length // 2
    return paddle.to_tensor(ids), paddle.to_tensor(types), paddle.to_tensor(np.array(lengths, np.int64))


@pytest.fixture
def golden_copy(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a golden model's folder, with changes to its configuration and tensors."""

    def copy(name: str, config: dict[str, object] | None = None, tensors: Callable[[dict], dict] | None = None) -> Path:
        folder = tmp_path / name
        shutil.copytree(GOLDEN / name, folder)
        fields = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**fields, **(config or {})}))
        if tensors:
            weights = folder / "model.safetensors"
            save_file(tensors(load_file(weights)), weights, metadata={"format": "pt"})
        return folder

    return copy


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of a folder and of everything in it."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
