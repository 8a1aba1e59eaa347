"""The models that PaddleNLP can download by name, and its cache of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from paddle_tasks import downloads
from paddle_tasks.downloads import DownloadError, mirrored
from paddle_tasks.errors import SetupError
from paddle_tasks.files import atomic_folder, write_json
from paddle_tasks.language import _, join, mark
from paddle_tasks.models.encoders.architectures import ARCHITECTURES, classes, tokenizers

WEIGHTS = "model_state.pdparams"
# Resources of PaddleNLP's tokenizers whose vocabulary is not a vocab.txt of word pieces.
_OTHER_RESOURCES = {
    "sentencepiece_model_file": mark("a sentencepiece model"),
    "merges_file": mark("a byte-level BPE vocabulary"),
    "bpe_vocab_file": mark("a byte-level BPE vocabulary"),
}


@dataclass(frozen=True)
class HubModel:
    """A model that PaddleNLP publishes.

    Attributes:
        model_type: a key of `ARCHITECTURES`.
        configuration: the arguments of PaddleNLP's configuration class.
        weights: URL of the weights.
        vocabulary: URL of the vocabulary.
        lowercase: whether the tokenizer lowercases texts.
    """

    model_type: str
    configuration: Mapping[str, Any]
    weights: str
    vocabulary: str
    lowercase: bool


@cache
def usable_models() -> dict[str, HubModel]:
    """Return PaddleNLP's models with a vocabulary of word pieces, by name; the first call imports PaddleNLP."""
    return {name: model for model_type in ARCHITECTURES for name, model in _usable_of_type(model_type)}


def _usable_of_type(model_type: str) -> Iterator[tuple[str, HubModel]]:
    model, _ = classes(model_type)
    weights = model.pretrained_resource_files_map["model_state"]
    for tokenizer in tokenizers(model_type):
        vocabularies = tokenizer.pretrained_resource_files_map.get("vocab_file", {})
        for name, configuration in model.pretrained_init_configuration.items():
            if name in weights and name in vocabularies and name not in _other_vocabularies():
                lowercase = tokenizer.pretrained_init_configuration[name]["do_lower_case"]
                yield name, HubModel(model_type, configuration, weights[name], vocabularies[name], lowercase)


@cache
def _other_vocabularies() -> dict[str, tuple[str, str]]:
    """Return the model type and the kind of vocabulary of the names whose vocabulary cannot be used."""
    return {
        name: (model_type, kind)
        for model_type in ARCHITECTURES
        for tokenizer in tokenizers(model_type)
        for key, kind in _OTHER_RESOURCES.items()
        for name, url in tokenizer.pretrained_resource_files_map.get(key, {}).items()
        if url
    }


def names() -> list[str]:
    """Return the names of PaddleNLP's models that can be used; the first call imports PaddleNLP."""
    return list(usable_models())


def check_vocabulary(name: str) -> None:
    """Refuse a PaddleNLP model whose vocabulary is not made of word pieces.

    Raises:
        SetupError: it is not; the message lists the usable models of the same type.
    """
    if name in _other_vocabularies():
        model_type, kind = _other_vocabularies()[name]
        usable = [known for known, model in usable_models().items() if model.model_type == model_type]
        raise SetupError(
            _("{name}: its vocabulary is {kind}, expected one of word pieces; usable {type} models: {names}").format(
                name=name, kind=_(kind), type=model_type, names=join(usable)
            )
        )


def configuration(name: str) -> dict[str, Any]:
    """Return PaddleNLP's configuration of a model, with its ``model_type``."""
    return {**usable_models()[name].configuration, "model_type": usable_models()[name].model_type}


def cache_folder(name: str) -> Path:
    """Return PaddleNLP's cache folder of a model: models/NAME below $PPNLP_HOME or ~/.paddlenlp."""
    home = os.environ.get("PPNLP_HOME") or Path.home() / ".paddlenlp"
    return Path(home) / "models" / name


def weights_path(name: str) -> Path:
    """Return the path of a model's weights in PaddleNLP's cache, which need not exist yet."""
    return cache_folder(name) / WEIGHTS


def vocabulary_path(name: str) -> Path:
    """Return the path of a model's vocabulary in PaddleNLP's cache, which need not exist yet.

    It is the vocab.txt that a user has copied there, otherwise the file under its published name.
    """
    copied = cache_folder(name) / "vocab.txt"
    return copied if copied.is_file() else cache_folder(name) / usable_models()[name].vocabulary.rsplit("/", 1)[1]


def check_available(name: str) -> None:
    """Check within seconds that a model is in the cache or can be downloaded, without downloading it.

    Raises:
        SetupError: neither; the message names the cache folder and what to do.
    """
    for path, url in _files(name):
        if not path.is_file():
            _check_reachable(name, url)


def is_cached(name: str) -> bool:
    """Return whether the weights and the vocabulary of a model are in the cache."""
    return all(path.is_file() for path, _url in _files(name))


def fetch(name: str) -> None:
    """Download a model's weights and vocabulary into PaddleNLP's cache, unless they are there.

    Raises:
        SetupError: they are not there and cannot be downloaded.
    """
    for path, url in _files(name):
        if not path.is_file():
            _fetch(name, url, path)


def tokenizer_folder(name: str) -> Path:
    """Return a folder with a model's vocab.txt and tokenizer_config.json; the first call makes it in the cache.

    Raises:
        SetupError: the vocabulary is not in the cache and cannot be downloaded.
    """
    folder = cache_folder(name) / "tokenizer"
    if not folder.is_dir():
        fetch(name)
        with atomic_folder(folder) as temporary:
            shutil.copyfile(vocabulary_path(name), temporary / "vocab.txt")
            write_json(temporary / "tokenizer_config.json", {"do_lower_case": usable_models()[name].lowercase})
    return folder


def _files(name: str) -> tuple[tuple[Path, str], ...]:
    model = usable_models()[name]
    return (weights_path(name), mirrored(model.weights)), (vocabulary_path(name), mirrored(model.vocabulary))


def _check_reachable(name: str, url: str) -> None:
    try:
        downloads.check_reachable(url)
    except DownloadError as error:
        raise _unavailable(name, url, error) from error


def _fetch(name: str, url: str, path: Path) -> None:
    _check_reachable(name, url)
    try:
        downloads.download(url, path)
    except DownloadError as error:
        raise _unavailable(name, url, error) from error


def _unavailable(name: str, url: str, reason: Exception) -> SetupError:
    return SetupError(
        _(
            "{name}: not in PaddleNLP's cache {folder}, and {url} cannot be downloaded ({reason})\n"
            "  Connect to the network once, or copy {weights} and vocab.txt into that folder from a machine that has\n"
            "  them, or set model.encoder to a local folder, to builtin/NAME, or to a from-scratch kind such as bilstm."
        ).format(name=name, folder=cache_folder(name), url=url, reason=reason, weights=WEIGHTS)
    )
