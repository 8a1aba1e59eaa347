"""The models that PaddleNLP can fetch by name, and its cache of them."""

from __future__ import annotations

import os
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from paddle_tasks.errors import SetupError
from paddle_tasks.files import atomic_folder, write_json
from paddle_tasks.models.encoders.architectures import ARCHITECTURES, classes, tokenizers

WEIGHTS = "model_state.pdparams"
PROBE_SECONDS = 5
# What a tokenizer of PaddleNLP's lists beside or instead of a vocab.txt of word pieces.
_OTHER_RESOURCES = {
    "sentencepiece_model_file": "a sentencepiece model",
    "merges_file": "one of byte-level BPE",
    "bpe_vocab_file": "one of byte-level BPE",
}


@dataclass(frozen=True)
class Published:
    """What PaddleNLP knows of a model, and where it is published."""

    model_type: str
    configuration: Mapping[str, Any]
    weights: str
    vocabulary: str
    lowercase: bool


@cache
def _published() -> dict[str, Published]:
    return {name: published for model_type in ARCHITECTURES for name, published in _published_of(model_type)}


def _published_of(model_type: str) -> Iterator[tuple[str, Published]]:
    model, _ = classes(model_type)
    weights = model.pretrained_resource_files_map["model_state"]
    for tokenizer in tokenizers(model_type):
        vocabularies = tokenizer.pretrained_resource_files_map.get("vocab_file", {})
        for name, configuration in model.pretrained_init_configuration.items():
            if name in weights and name in vocabularies and name not in _other_vocabularies():
                lowercase = tokenizer.pretrained_init_configuration[name]["do_lower_case"]
                yield name, Published(model_type, configuration, weights[name], vocabularies[name], lowercase)


@cache
def _other_vocabularies() -> dict[str, tuple[str, str]]:
    """Return kind of model and kind of vocabulary of the names that PaddleNLP knows and that cannot be used."""
    return {
        name: (model_type, what)
        for model_type in ARCHITECTURES
        for tokenizer in tokenizers(model_type)
        for key, what in _OTHER_RESOURCES.items()
        for name, url in tokenizer.pretrained_resource_files_map.get(key, {}).items()
        if url
    }


def names() -> list[str]:
    """Return the names that PaddleNLP knows and that can be used here; the first call imports PaddleNLP."""
    return list(_published())


def check_vocabulary(name: str) -> None:
    """Refuse a name of PaddleNLP's whose vocabulary is not one of word pieces.

    Raises:
        SetupError: it is of another kind; the message names the models of its kind that can be used.
    """
    if name in _other_vocabularies():
        model_type, what = _other_vocabularies()[name]
        usable = ", ".join(known for known, published in _published().items() if published.model_type == model_type)
        raise SetupError(f"{name}: its vocabulary is {what}, which cannot be used; of {model_type} there are {usable}")


def configuration(name: str) -> dict[str, Any]:
    """Return PaddleNLP's configuration of a model, with its ``model_type``."""
    return {**_published()[name].configuration, "model_type": _published()[name].model_type}


def cache_folder(name: str) -> Path:
    """Return where PaddleNLP keeps a model: $PPNLP_HOME or ~/.paddlenlp, then models/NAME."""
    home = os.environ.get("PPNLP_HOME") or Path.home() / ".paddlenlp"
    return Path(home) / "models" / name


def weights(name: str) -> Path:
    """Return where a model's weights are, or will be, in PaddleNLP's cache."""
    return cache_folder(name) / WEIGHTS


def vocabulary(name: str) -> Path:
    """Return where a model's vocabulary is, or will be: under its published name, or as vocab.txt put there by hand."""
    by_hand = cache_folder(name) / "vocab.txt"
    return by_hand if by_hand.is_file() else cache_folder(name) / _published()[name].vocabulary.rsplit("/", 1)[1]


def check_available(name: str) -> None:
    """Check that a model is in the cache or can be reached, in seconds and without fetching it.

    Raises:
        SetupError: it is neither; the message names the cache folder and the ways out.
    """
    for path, url in _files(name):
        if not path.is_file():
            _check_reachable(name, url)


def fetch(name: str) -> None:
    """Have PaddleNLP fetch a model's weights and vocabulary into its cache, unless they are there.

    Raises:
        SetupError: they are not there and cannot be fetched.
    """
    for path, url in _files(name):
        if not path.is_file():
            _check_reachable(name, url)
            _fetch(name, url)


def tokenizer_folder(name: str) -> Path:
    """Return a folder with a model's vocab.txt and tokenizer_config.json, made in its cache folder when needed.

    Raises:
        SetupError: the vocabulary is not there and cannot be fetched.
    """
    folder = cache_folder(name) / "tokenizer"
    if not folder.is_dir():
        fetch(name)
        with atomic_folder(folder) as temporary:
            shutil.copyfile(vocabulary(name), temporary / "vocab.txt")
            write_json(temporary / "tokenizer_config.json", {"do_lower_case": _published()[name].lowercase})
    return folder


def _files(name: str) -> tuple[tuple[Path, str], ...]:
    published = _published()[name]
    return (weights(name), published.weights), (vocabulary(name), published.vocabulary)


def _check_reachable(name: str, url: str) -> None:
    # PaddleNLP itself would try for minutes, and then raise whatever its last attempt raised.
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise _unavailable(name, url, error) from error


def _fetch(name: str, url: str) -> None:
    from paddlenlp.utils.download import resolve_file_path

    try:
        resolve_file_path(name, [url], cache_dir=str(cache_folder("")))
    except Exception as error:  # whatever its ways of fetching raise
        raise _unavailable(name, url, error) from error


def _unavailable(name: str, url: str, error: Exception) -> SetupError:
    reason = getattr(error, "reason", None) or error
    return SetupError(
        f"{name}: not in PaddleNLP's cache {cache_folder(name)}, and {url} cannot be fetched ({reason})\n"
        f"  Connect to the network once, or copy {WEIGHTS} and vocab.txt into that folder from a machine that has\n"
        "  them, or set model.encoder to a local folder, to builtin/NAME, or to a from-scratch kind such as bilstm."
    )
