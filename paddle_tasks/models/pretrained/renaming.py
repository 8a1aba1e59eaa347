"""Which tensor of a file is which parameter of PaddleNLP's encoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models.encoders.architectures import PREFIXES

PARTS = ("embeddings.", "embeddings_project.", "encoder.", "pooler.")
# Buffers that some files hold along with the parameters; they are computed, never loaded.
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
    (".attention.LayerNorm.", ".attention.layer_norm."),  # of an ALBERT
)


@dataclass(frozen=True)
class Stored:
    """A parameter as it was found: its name in the file, its values, and whether these were transposed."""

    name: str
    array: NDArray[Any]
    transposed: bool = False


def encoder_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Stored]:
    """Return the encoder's tensors of a file under PaddleNLP's names, in Paddle's orientation.

    Names may carry a prefix such as `bert.`; then tensors without it are a head's and are left out. Hugging Face's
    names are recognised by themselves, and their linear maps [out, in] are transposed to Paddle's [in, out].
    """
    prefixed = [name for name in arrays if name.startswith(PREFIXES)]
    short = {name.partition(".")[2]: name for name in prefixed} or {name: name for name in arrays}
    short = {key: name for key, name in short.items() if key.startswith(PARTS) and key not in BUFFERS}
    torch = is_torch(short.values())
    return dict(_paddle(key, Stored(name, arrays[name]), torch) for key, name in short.items())


def is_torch(names: Iterable[str]) -> bool:
    """Tell Hugging Face's names from PaddleNLP's, which writes `layer_norm` and `layers`."""
    return any("LayerNorm" in name or ".layer." in name for name in names)


def _paddle(key: str, stored: Stored, torch: bool) -> tuple[str, Stored]:
    if not torch:
        return key, stored
    for old, new in RENAMES:
        key = key.replace(old, new)
    if stored.array.ndim != 2 or key.startswith("embeddings."):
        return key, stored
    return key, Stored(stored.name, stored.array.T, transposed=True)


def check_fit(
    found: Mapping[str, Stored], expected: Mapping[str, Sequence[int]], where: Path, extra_allowed: bool = False
) -> None:
    """Refuse tensors that are not exactly the model's.

    Args:
        found: the file's tensors, by the model's names.
        expected: the shape of each of the model's parameters.
        where: the file, for the message.
        extra_allowed: leave out tensors that the model has no place for.

    Raises:
        CheckpointError: tensors are missing, have another shape, or have no place in the model.
    """
    problems = [*_missing(found, expected), *_misshaped(found, expected)]
    if not extra_allowed:
        extra = [found[key].name for key in found if key not in expected]
        problems += [f"{len(extra)} tensors have no place in the model: {_some(extra)}"] if extra else []
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise CheckpointError(f"{where}: does not fit the sizes that config.json beside it gives\n{lines}")


def _missing(found: Mapping[str, Stored], expected: Mapping[str, Sequence[int]]) -> Iterator[str]:
    missing = [key for key in expected if key not in found]
    if missing:
        yield f"{len(missing)} tensors are missing: {_some(missing)}"


def _misshaped(found: Mapping[str, Stored], expected: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for key, stored in found.items():
        if key not in expected or list(stored.array.shape) == list(expected[key]):
            continue
        turn = -1 if stored.transposed else 1
        yield f"{stored.name}: shape {list(stored.array.shape)[::turn]}, expected {list(expected[key])[::turn]}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
