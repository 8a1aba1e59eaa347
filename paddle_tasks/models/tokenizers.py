"""The vocabulary that belongs to a pretrained encoder."""

from __future__ import annotations

from pathlib import Path

from paddle_tasks.errors import SetupError
from paddle_tasks.models.pretrained import Source

VOCABULARY = "vocab.txt"


def tokenizer_folder(source: Source) -> Path:
    """Return the folder with an encoder's vocab.txt; that of a PaddleNLP name is fetched into its cache.

    Raises:
        SetupError: it is not in the cache and cannot be fetched.
    """
    folder = source.weights.parent
    if source.is_hub and not (folder / VOCABULARY).is_file():
        _fetch(source, folder)
    return folder


def _fetch(source: Source, folder: Path) -> None:
    from paddlenlp.transformers import BertTokenizer, ErnieTokenizer
    from paddlenlp.utils.download import resolve_file_path

    tokenizer = BertTokenizer if source.model_type == "bert" else ErnieTokenizer
    address = tokenizer.pretrained_resource_files_map["vocab_file"].get(source.name)
    try:
        resolve_file_path(source.name, [address], cache_dir=str(folder.parent))
    except Exception as error:  # whatever its ways of fetching raise
        raise SetupError(
            f"{source.name}: its vocabulary cannot be fetched ({error}); copy {VOCABULARY} into {folder}"
        ) from error
    fetched = folder / Path(str(address)).name
    if fetched.name != VOCABULARY and fetched.is_file():
        fetched.rename(folder / VOCABULARY)
