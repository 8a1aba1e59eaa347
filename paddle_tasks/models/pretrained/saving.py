"""Saving models as folders of config.json and model.safetensors; PaddleNLP's encoders are saved in its layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from pydantic import TypeAdapter, ValidationError

from paddle_tasks.config import Count, CountOrZero
from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.architectures import ARCHITECTURES
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.build import KINDS, EncoderSection
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.parameter_memory import parameters_within_file
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.loading import load_pretrained, read_config
from paddle_tasks.models.pretrained.renaming import StoredTensor, check_fit

CONFIG, WEIGHTS = "config.json", "model.safetensors"
TRAINING_ONLY = "training_only."
"""The prefix of tensors that a run needs to continue, and its model does not need."""


def save_pretrained(layer: nn.Layer, folder: Path) -> None:
    """Write an encoder, or a task's Layer with an attribute ``encoder``, into a folder.

    Tensors have the names of the Layer's state dict, with the prefix `encoder.` for a bare encoder. The names
    ``encoder.model.*`` of PaddleNLP's encoders are written as ``bert.*``, ``ernie.*`` and so on, so that PaddleNLP's
    ``BertModel.from_pretrained(folder)`` loads the encoder and ignores the head.
    """
    save_weights(layer, folder)
    text = json.dumps(encoder_of(layer).describe(), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def save_weights(layer: nn.Layer, folder: Path) -> None:
    """Write the tensors of any Layer into a folder; `load_state` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    state = layer.state_dict()
    arrays = {stored: state[name].numpy() for name, stored in file_names(layer).items()}
    tensors.write(folder / WEIGHTS, arrays)


def load_state(layer: nn.Layer, folder: Path) -> None:
    """Load every tensor of a Layer from a folder that `save_pretrained` or `save_weights` wrote.

    The Layer has the kind and sizes of the saved one; a bare encoder may also be loaded from a task's folder.

    Raises:
        CheckpointError: the file cannot be read, or its tensors do not match the Layer exactly.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(_("{path}: no such file; a run writes it at its first evaluation").format(path=path))
    names, state = file_names(layer), layer.state_dict()
    firsts = _first_names(state)
    layer_names = {file_name: name for name, file_name in names.items()}
    read = {layer_names.get(key, key): StoredTensor(key, array) for key, array in tensors.read(path).items()}
    stored = {name: tensor for name, tensor in read.items() if name in names or name not in state}
    check_fit(stored, {name: state[name].shape for name in names}, path, extra_allowed=isinstance(layer, Encoder))
    layer.set_state_dict({name: _cast(stored[firsts[name]].array, tensor) for name, tensor in state.items()})


def _cast(array: np.ndarray[Any, Any], like: Tensor) -> Tensor | np.ndarray[Any, Any]:
    """Convert an array to half precision if ``like`` has it; Paddle's `set_state_dict` converts the other types."""
    return paddle.to_tensor(array).astype(like.dtype) if like.dtype in (paddle.float16, paddle.bfloat16) else array


def load_encoder(folder: Path) -> Encoder:
    """Load the encoder of a folder that `save_pretrained` wrote or `load_pretrained` can read.

    Raises:
        CheckpointError: the folder has no encoder that can be loaded completely.
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
        TypeAdapter(Count).validate_python(vocabulary_size, strict=True)
        TypeAdapter(CountOrZero).validate_python(pad_id, strict=True)
    except (KeyError, ValidationError) as error:
        raise CheckpointError(
            _("{path}: not an encoder's configuration ({error})").format(path=path, error=error)
        ) from error
    with parameters_within_file(path.with_name(WEIGHTS)):
        return KINDS[kind](section, vocabulary_size, pad_id)


def encoder_of(layer: nn.Layer) -> Encoder:
    """Return the encoder of a task's Layer, or the Layer itself if it is an encoder."""
    encoder: Encoder = layer if isinstance(layer, Encoder) else layer.encoder
    return encoder


def file_names(layer: nn.Layer) -> dict[str, str]:
    """Return the name in the file of `save_pretrained` for each tensor of a Layer, by its name in the state dict.

    A tensor with several names appears under the first: Paddle's recurrent Layers list each weight twice, as their own
    and as a cell's.
    """
    names = dict.fromkeys(_first_names(layer.state_dict()).values())
    if not isinstance(layer, Encoder) and not hasattr(layer, "encoder"):
        return {name: name for name in names}
    encoder = encoder_of(layer)
    root = "" if encoder is layer else "encoder."
    if isinstance(encoder, PretrainedEncoder):
        old, new = f"{root}model.", encoder.prefix
    else:
        old, new = root, "encoder."
    return {name: new + name.removeprefix(old) if name.startswith(old) else name for name in names}


def _first_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return for each name in a state dict the first name of the same tensor."""
    firsts: dict[int, str] = {}
    return {name: firsts.setdefault(id(tensor), name) for name, tensor in state.items()}
