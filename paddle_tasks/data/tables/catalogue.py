"""Data sets by name: samples that ship with the project and data sets that PaddleNLP downloads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from paddle_tasks.data.tables.imdb import FILE_PATTERN, is_imdb_folder
from paddle_tasks.data.tables.paths import readable_file
from paddle_tasks.downloads import check_reachable, download, exclusive, md5_of, mirrored
from paddle_tasks.errors import DataError, SetupError, did_you_mean, join_all
from paddle_tasks.files import exists, expand_user, is_dir, list_siblings, short_name
from paddle_tasks.language import _

SplitName = Literal["train", "dev", "test"]

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
HUB: Mapping[str, tuple[str, tuple[SplitName, ...]]] = {
    # The publisher's test file has no labels, so it cannot be scored.
    "chnsenticorp": ("ChnSentiCorp", ("train", "dev")),
}


def names() -> list[str]:
    """Return the data set names that `locate` accepts."""
    return [f"builtin/{folder.name}" for folder in sorted(SAMPLES.iterdir()) if folder.is_dir()] + list(HUB)


def locate(name: str, split: SplitName) -> Path:
    """Return the file that holds a split, or the folder if it has the IMDB layout or holds books.

    Args:
        name: a path, or a catalogue name, which stands for the file of ``split``. A pipe (``-``, ``/dev/stdin``, a
            process substitution) stands for a temporary file with what it holds.
        split: the split.

    Raises:
        DataError: ``name`` is neither a file nor in the catalogue, or the data set has no such split.
        SetupError: the data set has to be downloaded, and the download failed.
    """
    if name in HUB:
        return _fetch(name, split)
    if name.startswith("builtin/") and name in names():
        return shipped_file(SAMPLES / name.removeprefix("builtin/"), split)
    path = expand_user(name)
    if (file := readable_file(path)) is not None:
        return file
    if exists(path) and is_imdb_folder(path):
        return path
    if is_dir(path):
        message = _("data.{split}: {path}: is a folder, expected a file, or a folder of {pattern}")
        raise DataError(message.format(split=split, path=name, pattern=FILE_PATTERN))
    hint = did_you_mean(name, [*names(), *list_siblings(path)])
    message = _("data.{split}: {file}: no such file, and no data set of that name{hint}")
    raise DataError(message.format(split=split, file=short_name(name), hint=hint))


def shipped_file(folder: Path, split: SplitName) -> Path:
    """Return the file of a split in a folder of samples, or the folder if it has books, whose chapters are divided."""
    files = (folder / f"{split}{suffix}" for suffix in (".tsv", ".jsonl", ".txt"))
    return next(filter(Path.is_file, files), folder)


def portable_path(path: str | Path) -> str:
    """Return a path without what belongs to this machine: shipped data by name, other absolute paths by file name.

    ``…/assets/samples/news/train.tsv`` gives ``builtin/news``, ``/home/me/train.tsv`` and ``~/train.tsv`` give
    ``train.tsv``, and ``data/train.tsv`` stays as it is.
    """
    if shipped_name(path):
        return shipped_name(path)
    is_windows = PureWindowsPath(path).is_absolute()
    is_absolute = is_windows or Path(path).is_absolute() or str(path).startswith("~")
    name = PureWindowsPath(path).name if is_windows else Path(path).name
    return name if is_absolute and name else str(path)


def shipped_name(path: str | Path) -> str:
    """Return the catalogue name of a file that ships with the project, such as ``builtin/news``, or an empty string."""
    path = Path(path)
    return f"builtin/{path.relative_to(SAMPLES).parts[0]}" if path.is_relative_to(SAMPLES) and path != SAMPLES else ""


def source_name(path: str, folder: str) -> str:
    """Return what people read of a source: its catalogue name, or its path with the folder that it starts from."""
    return path if path in names() else (PurePath(folder) / path).as_posix()


def _fetch(name: str, split: SplitName) -> Path:
    class_name, splits = HUB[name]
    if split not in splits:
        message = _("data.{split}: {name} is published with labels for {splits} only")
        raise DataError(message.format(split=split, name=name, splits=join_all(splits)))
    from paddlenlp import datasets  # takes 2 s to import
    from paddlenlp.utils.env import DATA_HOME

    builder = vars(datasets)[class_name]()
    file = Path(DATA_HOME, class_name, builder.SPLITS[split].file)
    try:
        if not _is_whole(file, builder.SPLITS[split].md5):
            _download(builder, split, Path(DATA_HOME, class_name))
    except Exception as error:  # any error of the download has the same remedy
        message = _("data.{split}: {name} could not be downloaded ({error}); name a local file instead")
        raise SetupError(message.format(split=split, name=name, error=error)) from error
    return file


def _is_whole(file: Path, md5: str) -> bool:
    return file.is_file() and md5_of(file) == md5


def _download(builder: Any, split: SplitName, folder: Path) -> None:
    """Download the archive of a data set, which PaddleNLP then finds and unpacks."""
    url = mirrored(builder.URL)
    archive = folder / PurePosixPath(url).name
    if not archive.is_file():
        check_reachable(url)
    download(url, archive, builder.MD5)
    with exclusive(archive):
        file = Path(builder._get_data(split))
    if not _is_whole(file, builder.SPLITS[split].md5):
        raise SetupError(_("{archive} does not hold the published {file}").format(archive=archive, file=file.name))
