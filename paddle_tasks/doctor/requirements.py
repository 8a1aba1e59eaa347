"""Versions that are known to work together, and the pip commands that install them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from paddle_tasks.language import mark

# The same ranges as in setup.py. paddlenlp 3.0.0b4 accepts newer releases of its dependencies than it can be imported
# with: aistudio-sdk 0.3 has no `hub.download`, huggingface_hub dropped `repo_type_and_id_from_hf_id`, newer pyarrow
# refuses numpy 1, pyarrow 21 dropped the `PyExtensionType` of old datasets; paddlenlp itself asks for numpy 1.
REQUIREMENTS = {
    "paddlepaddle": "==3.3.1",
    "paddlenlp": "==3.0.0b4",
    "aistudio-sdk": "==0.2.6",
    "huggingface_hub": "<0.37",
    "datasets": ">=3",
    "pyarrow": "<22",
    "numpy": "<2",
    "visualdl": "==2.5.3",
    "pyyaml": ">=6",
    "pydantic": ">=2.7",
    "typer": ">=0.15",
    "rich": ">=13",
    "filelock": ">=4.1",
    "safetensors": ">=0.4",
    "tokenizers": ">=0.20",
    "scikit-learn": ">=1.3",
    "seqeval": ">=1.2.2",
}
NLP_STACK = ("paddlenlp", "aistudio-sdk", "huggingface_hub", "datasets", "pyarrow", "numpy")

# An older paddlenlp that also works with paddlepaddle 3.3.1, tested only with these versions; any numpy will do.
TOLERATED_PADDLENLP = "2.8.1"
_TOLERATED = {"paddlenlp": "==2.8.1", "huggingface_hub": "==0.25.2", "datasets": "==3.6.0", "pyarrow": "", "numpy": ""}


@dataclass(frozen=True)
class KnownFailure:
    """A known failure of ``import paddlenlp``.

    Attributes:
        trace: a regular expression that matches its stderr.
        message: the cause, in English.
        fix: the command or action that solves the problem, in English.
    """

    trace: str
    message: str
    fix: str


def requirement(name: str) -> str:
    """Return the requirement of a distribution in pip's notation, such as ``numpy<2``."""
    return name + REQUIREMENTS[name]


def pip_install(*names: str, options: str = "") -> str:
    """Return the command that installs the supported versions of these distributions."""
    quoted = [f'"{text}"' if re.search("[<>]", text) else text for text in map(requirement, names)]
    return " ".join(["python -m pip install", *options.split(), *quoted])


def lock_install() -> str:
    """Return the command that installs the versions tested with this Python: the lock, which only a checkout has."""
    lock = f"requirements/py{sys.version_info[0]}{sys.version_info[1]}.txt"
    if (Path(__file__).parents[2] / lock).is_file():
        return f"python -m pip install -r {lock}"
    return pip_install(*REQUIREMENTS)


def installed(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def version_ranges(paddlenlp_version: str | None) -> dict[str, str]:
    """Return the version range of each distribution, given the installed paddlenlp."""
    tolerated = _TOLERATED if paddlenlp_version == TOLERATED_PADDLENLP else {}
    return {**REQUIREMENTS, **tolerated}


def satisfies(version: str, specifier: str) -> bool:
    """Return whether a version is in a range such as ``==2.5.3``, ``<22`` or ``>=3``; an empty range has no limit."""
    if not specifier:
        return True
    bound = specifier.lstrip("=<>")
    if specifier.startswith("=="):
        return version.split("+")[0] == bound  # a local label such as +cu126 names a build, not a version
    older = _numbers(version) < _numbers(bound)
    return older if specifier.startswith("<") else not older


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


# Specific patterns first: the message of a numpy mismatch may also come from a module that paddlenlp does not need.
KNOWN_FAILURES = (
    KnownFailure(
        "No module named 'pip'",
        mark("it needs pip, which this environment does not have"),
        "python -m ensurepip --upgrade",
    ),
    KnownFailure(
        "repo_type_and_id_from_hf_id|cannot import name .* from 'huggingface_hub",
        mark("huggingface_hub is too new (a name that paddlenlp imports was removed)"),
        pip_install("huggingface_hub"),
    ),
    KnownFailure(
        "cannot import name 'download' from 'aistudio_sdk|No module named 'aistudio_sdk|'aistudio_sdk.*no attribute",
        mark("aistudio-sdk is not the release that paddlenlp needs (hub.download was removed)"),
        pip_install("aistudio-sdk"),
    ),
    KnownFailure(
        "PyExtensionType",
        mark("datasets is too old for the installed pyarrow (PyExtensionType was removed)"),
        pip_install("datasets"),
    ),
    KnownFailure(
        r"Error: \[Errno \d+\].*\.paddlenlp",
        mark("its cache folder ~/.paddlenlp cannot be written"),
        mark("export PPNLP_HOME=FOLDER, with a folder that you can write to"),
    ),
    KnownFailure(
        r"pyarrow requires NumPy|numpy\.core\.multiarray failed to import|_ARRAY_API not found",
        mark("a module (mostly pyarrow) was compiled for another version of numpy"),
        pip_install("pyarrow", "numpy"),
    ),
)
