"""Encoders with pretrained weights: PaddleNLP's models by name, and folders in PaddleNLP's or Hugging Face's layout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paddle import nn

from paddle_tasks.errors import CheckpointError, ConfigError, did_you_mean, join_alternatives, suggestion
from paddle_tasks.files import is_dir, is_file, list_siblings, read_json_object
from paddle_tasks.language import _, join, mark
from paddle_tasks.models.encoders.architectures import ARCHITECTURES, model_type_of
from paddle_tasks.models.encoders.build import SCRATCH
from paddle_tasks.models.encoders.paddlenlp import ACTIVATIONS, PretrainedEncoder, build_model
from paddle_tasks.models.parameter_memory import parameters_within_file, parameters_within_memory
from paddle_tasks.models.pretrained import hub, tensors
from paddle_tasks.models.pretrained.config_values import check_values
from paddle_tasks.models.pretrained.names import ASSETS, BUILTIN, CONFIGS
from paddle_tasks.models.pretrained.renaming import BUFFERS, check_fit, encoder_tensors, has_hugging_face_names

__all__ = [
    "BUILTIN",
    "EncoderSource",
    "PretrainedEncoder",
    "builtin_names",
    "load_pretrained",
    "resolve",
    "tokenizer_folder",
    "without_downloads",
]

WEIGHTS = ("model.safetensors", hub.WEIGHTS)
_OTHER_FILES = {
    "spiece.model": mark("a sentencepiece vocabulary"),
    "sentencepiece.bpe.model": mark("a sentencepiece vocabulary"),
    "merges.txt": mark("part of a byte-level BPE vocabulary"),
    "vocab.bpe": mark("part of a byte-level BPE vocabulary"),
}
# Configuration keys that PaddleNLP's Layers ignore, and the only value that they implement.
FIXED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}


_random_allowed: ContextVar[bool] = ContextVar("random_allowed", default=False)
_STAND_IN = "ernie-mini-zh"
"""The built-in model whose vocabulary is used for a model that is not in the cache."""


@dataclass(frozen=True)
class EncoderSource:
    """Where an encoder's weights come from, checked as far as is possible without reading them.

    Attributes:
        name: the name in the configuration.
        model_type: a key of `ARCHITECTURES`.
        config: the raw content of config.json.
        weights: the file of tensors; for a PaddleNLP name it may still have to be downloaded.
        is_hub: whether it is a PaddleNLP name.
    """

    name: str
    model_type: str
    config: Mapping[str, Any]
    weights: Path
    is_hub: bool = False


def resolve(name: str) -> EncoderSource:
    """Find the encoder of this name, without reading its weights.

    A local folder takes milliseconds. Any other name imports PaddleNLP; one that is not in its cache is looked up on
    the network for up to a few seconds.

    Args:
        name: `builtin/NAME`, a local folder, or a PaddleNLP name; an existing folder takes precedence.

    Raises:
        ConfigError: there is no such name or folder; the message has the nearest right name.
        CheckpointError: the folder's model type is not in `ARCHITECTURES`, or it has no weights that can be read.
        SetupError: a PaddleNLP name that is neither cached nor reachable, or whose vocabulary cannot be used.
    """
    if name.startswith(BUILTIN):
        return _folder(name, _builtin(name))
    folder = Path(name).expanduser()
    if is_dir(folder):
        return _folder(name, folder)
    hub.check_vocabulary(name)
    if name in hub.names():
        if not _random_allowed.get():
            hub.check_available(name)
        configuration = hub.configuration(name)
        weights = hub.weights_path(name)
        return EncoderSource(name, configuration["model_type"], configuration, weights, is_hub=True)
    raise ConfigError(_unknown(name, folder))


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Give PaddleNLP's models that are not in its cache random weights within the block, for counting parameters."""
    token = _random_allowed.set(True)
    try:
        yield
    finally:
        _random_allowed.reset(token)


def _stays_random(source: EncoderSource) -> bool:
    return source.is_hub and _random_allowed.get() and not hub.is_cached(source.name)


def builtin_names() -> list[str]:
    """Return the names of the models that ship with the package, as `builtin/NAME`."""
    return sorted(BUILTIN + folder.name for folder in ASSETS.glob("*") if folder.is_dir())


def _builtin(name: str) -> Path:
    if name not in builtin_names():
        available = join(builtin_names()) or _("none ships with this version")
        near = did_you_mean(name, builtin_names())
        raise ConfigError(
            _("{name}: no such built-in model{near} (available: {names})").format(name=name, near=near, names=available)
        )
    return ASSETS / name.removeprefix(BUILTIN)


def _unknown(name: str, folder: Path) -> str:
    if is_file(folder):
        return _("{name}: this is a file; name the folder that holds it and its config.json").format(name=name)
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        same_owner = [known for known in hub.names() if known.startswith(name.partition("/")[0] + "/")]
        near = did_you_mean(str(folder), list_siblings(folder, folders_only=True)) or did_you_mean(name, same_owner)
        return _(
            "{name}: no such folder{near} (Hugging Face names are not downloaded: fetch the model, name its folder)"
        ).format(name=name, near=near)
    if name in SCRATCH:
        near = suggestion(next((known for known in builtin_names() if name in known), builtin_names()[0]))
        return _(
            "{name!r}: this encoder has random weights; expected a pretrained one here: a built-in model, a PaddleNLP "
            "name or a local folder{near}"
        ).format(name=name, near=near)
    builtin = BUILTIN + name  # a better suggestion than any similar name
    near = did_you_mean(builtin if builtin in builtin_names() else name, [*SCRATCH, *builtin_names(), *hub.names()])
    return _(
        "{name!r}: unknown encoder, expected {kinds}, a built-in model, a PaddleNLP name or a local folder{near}"
    ).format(name=name, kinds=join(SCRATCH), near=near)


def _folder(name: str, folder: Path) -> EncoderSource:
    config = read_config(folder)
    model_type = _model_type(config)
    if model_type not in ARCHITECTURES:
        known = join(list(ARCHITECTURES))
        raise CheckpointError(
            _("{folder}: config.json is of a {kind} model, expected one of {known}").format(
                folder=folder, kind=model_type or _("nameless"), known=known
            )
        )
    check_values(config, folder / CONFIGS[0])
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise CheckpointError(
                _("{folder}: {key} {found!r} in config.json is not supported, only {value!r}").format(
                    folder=folder, key=key, found=config[key], value=value
                )
            )
    if config.get("hidden_act", "gelu") not in ACTIVATIONS:
        raise CheckpointError(
            _("{folder}: hidden_act {found!r} in config.json is not supported, expected one of {known}").format(
                folder=folder, found=config["hidden_act"], known=join(list(ACTIVATIONS))
            )
        )
    return EncoderSource(name, model_type, config, _weights(folder))


def read_config(folder: Path) -> dict[str, Any]:
    """Read a folder's config.json, or the model_config.json of older PaddleNLP versions.

    Raises:
        CheckpointError: there is none, or it is not a configuration.
    """
    path = next((folder / name for name in CONFIGS if (folder / name).is_file()), None)
    if path is None:
        near = suggestion(str(folder / "model")) if (folder / "model" / CONFIGS[0]).is_file() else ""
        raise CheckpointError(
            _("{folder}: no config.json in it, so this is not a model folder{near}").format(folder=folder, near=near)
        )
    return _flat(read_json_object(path, CheckpointError))


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten the nesting of model_config.json: {"init_args": [{"vocab_size": …, "init_class": "BertModel"}], …}."""
    flat: dict[str, Any] = {}
    inner_configs = config.get("init_args", ())
    for inner in inner_configs if isinstance(inner_configs, list) else ():
        flat |= _flat(inner) if isinstance(inner, dict) else {}
    return flat | {key: value for key, value in config.items() if key != "init_args" and key not in flat}


def _model_type(config: Mapping[str, Any]) -> str:
    if "model_type" in config:
        return str(config["model_type"])
    names = config.get("architectures")
    first = names[0] if isinstance(names, list) and names else ""
    architecture = str(config.get("init_class") or first)
    return model_type_of(architecture) or architecture


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    if pickled:
        raise CheckpointError(
            _(
                "{folder}: {file} is a pickle, which can run code when it is loaded; convert it with transformers: "
                "AutoModel.from_pretrained(folder).save_pretrained(new_folder, safe_serialization=True)"
            ).format(folder=folder, file=pickled[0])
        )
    raise CheckpointError(
        _("{folder}: no weights in it, expected {files}, not split into several files").format(
            folder=folder, files=join_alternatives(WEIGHTS)
        )
    )


def tokenizer_folder(source: EncoderSource) -> Path:
    """Return the folder with the encoder's vocab.txt; the vocabulary of a PaddleNLP name is downloaded when needed.

    Raises:
        CheckpointError: the folder's vocabulary is not made of word pieces.
        SetupError: the vocabulary of a PaddleNLP name is neither cached nor reachable.
    """
    if source.is_hub:
        # An encoder with random weights has no use for its own entries either.
        return ASSETS / _STAND_IN if _stays_random(source) else hub.tokenizer_folder(source.name)
    folder = source.weights.parent
    other = next((name for name in _OTHER_FILES if (folder / name).is_file()), None)
    if other:
        raise CheckpointError(
            _(
                "{folder}: {file} is {kind}, which is not supported; expected a model with a vocab.txt of word pieces "
                "and without this file"
            ).format(folder=folder, file=other, kind=_(_OTHER_FILES[other]))
        )
    return folder


def load_pretrained(name: str, model_type: str | None = None) -> PretrainedEncoder:
    """Load the encoder of this name. Every weight comes from its file; none is random.

    If the file has no pooler (a masked language model, for example), the encoder has none either, and its text vector
    is the first state. Nothing is written, except to PaddleNLP's cache when a model is downloaded.

    Args:
        name: see `resolve`.
        model_type: build another type of encoder from the same tensors; BERT and ERNIE are interchangeable.

    Raises:
        ConfigError: there is no such name or folder; the message has the nearest right name.
        CheckpointError: the weights cannot be read or do not match the sizes in config.json exactly.
        SetupError: a PaddleNLP name that is neither cached nor reachable.
    """
    source = resolve(name)
    source = replace(source, model_type=model_type or source.model_type)
    if _stays_random(source):
        return PretrainedEncoder(_build(source, is_torch=False))
    if source.is_hub:
        hub.fetch(name)
    stored = encoder_tensors(_read_tensors(source))
    is_torch = has_hugging_face_names(tensor.name for tensor in stored.values())
    encoder = PretrainedEncoder(_build(source, is_torch=is_torch))
    if encoder.has_pooler and not any(key.startswith("pooler.") for key in stored):
        encoder.drop_pooler()
    expected = {key: value.shape for key, value in encoder.model.state_dict().items() if key not in BUFFERS}
    # PaddleNLP's files may hold more than the configuration has: ernie-3.0-micro-zh has a fifth layer.
    check_fit(stored, expected, source.weights, extra_allowed=source.is_hub)
    encoder.model.set_state_dict({key: stored[key].array for key in expected})
    return encoder


def _read_tensors(source: EncoderSource) -> tensors.Arrays:
    try:
        return tensors.read(source.weights)
    except CheckpointError as error:
        if not source.is_hub:
            raise
        message = _("{error}\n  If you remove this file, it is downloaded again.")
        raise CheckpointError(message.format(error=error)) from error


def _build(source: EncoderSource, *, is_torch: bool) -> nn.Layer:
    kind = ARCHITECTURES[source.model_type]
    fields = {key: source.config[key] for key in kind.fields if key in source.config}
    if is_torch:
        fields = {**kind.torch_defaults, **fields}
    try:
        with parameters_within_memory(source.name), parameters_within_file(source.weights):
            return build_model(source.model_type, fields)
    except (TypeError, ValueError, AssertionError) as error:
        raise CheckpointError(
            _("{name}: no model can be built from its config.json ({error})").format(name=source.name, error=error)
        ) from error
