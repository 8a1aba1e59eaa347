"""Mapping the tensors of a file to the parameters of PaddleNLP's encoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _, join, mark
from paddle_tasks.models.encoders.architectures import PREFIXES

_N_NAMES = 4
_TOO_FEW = mark("{count} tensors are missing: {names}")
_TOO_MANY = mark("{count} tensors do not belong to the model: {names}")

PARTS = ("embeddings.", "embeddings_project.", "encoder.", "pooler.")
# Buffers that some files contain; they are computed, never loaded.
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
# From Hugging Face's names to PaddleNLP's, applied in this order.
RENAMES = (
    (".gamma", ".weight"),
    (".beta", ".bias"),
    ("encoder.layer.", "encoder.layers."),
    (".attention.self.query.", ".self_attn.q_proj."),
    (".attention.self.key.", ".self_attn.k_proj."),
    (".attention.self.value.", ".self_attn.v_proj."),
    (".attention.output.dense.", ".self_attn.out_proj."),
    (".attention.output.LayerNorm.", ".norm1."),
    (".intermediate.dense.", ".linear1."),
    (".output.dense.", ".linear2."),
    (".output.LayerNorm.", ".norm2."),
    ("embeddings.LayerNorm.", "embeddings.layer_norm."),
    (".attention.LayerNorm.", ".attention.layer_norm."),  # ALBERT
)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a file.

    Attributes:
        name: the name in the file.
        array: the values in Paddle's orientation.
        transposed: whether the file has the transpose of ``array``.
    """

    name: str
    array: NDArray[Any]
    transposed: bool = False


def encoder_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, StoredTensor]:
    """Return the encoder's tensors of a file under PaddleNLP's names, in Paddle's orientation.

    Names may have a prefix such as `bert.`; tensors without it then belong to a head and are left out. Hugging Face's
    names are detected automatically, and their linear maps [out, in] are transposed to Paddle's [in, out].
    """
    prefixed = [name for name in arrays if name.startswith(PREFIXES)]
    short = {name.partition(".")[2]: name for name in prefixed} or {name: name for name in arrays}
    short = {key: name for key, name in short.items() if key.startswith(PARTS) and key not in BUFFERS}
    is_torch = has_hugging_face_names(short.values())
    return dict(_to_paddle(key, StoredTensor(name, arrays[name]), is_torch) for key, name in short.items())


def has_hugging_face_names(names: Iterable[str]) -> bool:
    """Return whether tensor names are Hugging Face's; PaddleNLP writes `layer_norm` and `layers` instead."""
    return any("LayerNorm" in name or ".layer." in name for name in names)


def _to_paddle(key: str, tensor: StoredTensor, is_torch: bool) -> tuple[str, StoredTensor]:
    if not is_torch:
        return key, tensor
    for old, new in RENAMES:
        key = key.replace(old, new)
    if tensor.array.ndim != 2 or key.startswith("embeddings."):
        return key, tensor
    return key, StoredTensor(tensor.name, tensor.array.T, transposed=True)


def check_fit(
    stored: Mapping[str, StoredTensor], expected: Mapping[str, Sequence[int]], path: Path, extra_allowed: bool = False
) -> None:
    """Refuse tensors that do not match the model exactly.

    Args:
        stored: the file's tensors, by the model's names.
        expected: the shape of each parameter of the model.
        path: the file, for the message.
        extra_allowed: ignore tensors that do not belong to the model.

    Raises:
        CheckpointError: tensors are missing, have another shape, or do not belong to the model.
    """
    problems = [*_missing(stored, expected), *_misshaped(stored, expected)]
    if not extra_allowed:
        extra = [stored[key].name for key in stored if key not in expected]
        problems += [_about(_TOO_MANY, extra)] if extra else []
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise CheckpointError(
            _("{path}: does not match the sizes in the config.json beside it\n{problems}").format(
                path=path, problems=lines
            )
        )


def _missing(stored: Mapping[str, StoredTensor], expected: Mapping[str, Sequence[int]]) -> Iterator[str]:
    missing = [key for key in expected if key not in stored]
    if missing:
        yield _about(_TOO_FEW, missing)


def _misshaped(stored: Mapping[str, StoredTensor], expected: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for key, tensor in stored.items():
        if key not in expected or list(tensor.array.shape) == list(expected[key]):
            continue
        order = -1 if tensor.transposed else 1  # shapes as in the file
        yield _("{tensor}: shape {found}, expected {expected}").format(
            tensor=tensor.name, found=list(tensor.array.shape)[::order], expected=list(expected[key])[::order]
        )


def _about(problem: str, names: Sequence[str]) -> str:
    shown = join(names[:_N_NAMES])
    if len(names) > _N_NAMES:
        shown = _("{names} and {count} more").format(names=shown, count=len(names) - _N_NAMES)
    return _(problem).format(count=len(names), names=shown)
