"""Models as folders: config.json beside model.safetensors, in PaddleNLP's layout where the encoder is PaddleNLP's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from pydantic import ValidationError

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models.encoders.architectures import ARCHITECTURES
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.build import KINDS, EncoderSection
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.loading import load_pretrained, read_config
from paddle_tasks.models.pretrained.renaming import Stored, check_fit

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def save_pretrained(layer: nn.Layer, folder: Path) -> None:
    """Write an encoder, or a task's Layer with its attribute ``encoder``, into a folder.

    The file's names are the Layer's own (a bare encoder's with `encoder.` in front), but those of PaddleNLP's encoders,
    ``encoder.model.*``, are written as ``bert.*``, ``ernie.*`` and so on: PaddleNLP's
    ``BertModel.from_pretrained(folder)`` then loads the encoder, and leaves the head alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = layer.state_dict()
    arrays = {stored: state[name].numpy() for name, stored in file_names(layer).items()}
    tensors.write(folder / WEIGHTS, arrays)
    text = json.dumps(encoder_of(layer).describe(), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def load_state(layer: nn.Layer, folder: Path) -> None:
    """Fill a Layer of the right kind and sizes with what `save_pretrained` wrote; nothing is left as it was.

    A bare encoder also takes its part of a task's file.

    Raises:
        CheckpointError: the file cannot be read, or its tensors are not exactly the Layer's.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; a run writes it with its first evaluation")
    names, state = file_names(layer), layer.state_dict()
    firsts = _first_names(state)
    own = {stored: name for name, stored in names.items()}
    read = {own.get(stored, stored): Stored(stored, array) for stored, array in tensors.read(path).items()}
    found = {name: stored for name, stored in read.items() if name in names or name not in state}
    check_fit(found, {name: state[name].shape for name in names}, path, extra_allowed=isinstance(layer, Encoder))
    layer.set_state_dict({name: _as(tensor, found[firsts[name]].array) for name, tensor in state.items()})


def _as(own: Tensor, array: np.ndarray[Any, Any]) -> Tensor | np.ndarray[Any, Any]:
    """Return an array in a tensor's type where that is half precision, which Paddle does not do by itself."""
    return paddle.to_tensor(array).astype(own.dtype) if own.dtype in (paddle.float16, paddle.bfloat16) else array


def load_encoder(folder: Path) -> Encoder:
    """Load the encoder of a folder that `save_pretrained` wrote, or of any that `load_pretrained` reads.

    Raises:
        CheckpointError: the folder holds no encoder that can be loaded whole.
    """
    config = read_config(folder)
    kind = config.get("model_type")
    if kind in ARCHITECTURES or kind not in KINDS:
        return load_pretrained(str(folder))
    encoder = _from_scratch(config, folder / CONFIG)
    load_state(encoder, folder)
    return encoder


def _from_scratch(config: Mapping[str, Any], path: Path) -> Encoder:
    sizes = dict(config)
    try:
        kind, vocabulary_size, pad_id = sizes.pop("model_type"), sizes.pop("vocabulary_size"), sizes.pop("pad_id")
        section = EncoderSection.model_validate_json(json.dumps({"encoder": kind, **sizes}))
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path}: not an encoder's configuration ({error})") from error
    return KINDS[kind](section, vocabulary_size, pad_id)


def encoder_of(layer: nn.Layer) -> Encoder:
    """Return a task Layer's encoder, or the Layer when it is one."""
    encoder: Encoder = layer if isinstance(layer, Encoder) else layer.encoder
    return encoder


def file_names(layer: nn.Layer) -> dict[str, str]:
    """Return, for each tensor of a Layer, its name in a file of `save_pretrained`.

    A tensor that has several names has its first one alone: Paddle's recurrent Layers name each weight twice, as their
    own and as that of a cell.
    """
    encoder = encoder_of(layer)
    root = "" if encoder is layer else "encoder."
    if isinstance(encoder, PretrainedEncoder):
        old, new = f"{root}model.", encoder.prefix
    else:
        old, new = root, "encoder."
    names = dict.fromkeys(_first_names(layer.state_dict()).values())
    return {name: new + name.removeprefix(old) if name.startswith(old) else name for name in names}


def _first_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return, for each name of a tensor, the first one that it has."""
    firsts: dict[int, str] = {}
    return {name: firsts.setdefault(id(tensor), name) for name, tensor in state.items()}
