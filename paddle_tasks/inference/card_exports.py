"""What a card says of exported networks: their size, what was checked, and the script that predicts with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json_object
from paddle_tasks.inference.exported import EXPORT, ONNX, is_exported
from paddle_tasks.language import _
from paddle_tasks.models.graphs.onnx_file import SUFFIX
from paddle_tasks.models.graphs.paddle_file import WEIGHTS

SCRIPT = "predict.py"


def describe_export(folder: Path, n_parameters: int) -> str:
    """Return the size of the networks of an exported folder, and how they compare with the trained model."""
    facts = read_json_object(folder / EXPORT, CheckpointError)
    suffix = SUFFIX if facts["format"] == ONNX else WEIGHTS
    size = sum((folder / f"{name}{suffix}").stat().st_size for name in facts["outputs"]) / 1e6
    message = _(
        "{parameters:,} parameters; networks in the format {form}, {size:.1f} MB. On the {rows:,} rows of {data} they "
        "answer as the trained model does; the largest difference of two numbers is {difference:.1g}."
    )
    values = {"parameters": n_parameters, "form": facts["format"], "size": size, "rows": facts["rows"]}
    text = message.format(**values, data=facts["data"], difference=facts["largest_difference"])
    return f"{text} {_describe_int8(facts['int8'])}" if "int8" in facts else text


def _describe_int8(found: Mapping[str, Any]) -> str:
    message = _(
        "With products in int8, {metric} is {int8:.4f} in place of {float32:.4f}, and the networks are {speedup:.2f} "
        "times as fast on the machine of the export."
    )
    default = _("They are the default.") if found["is_default"] else _("They are not the default.")
    return f"{message.format_map(found)} {default}"


def script_lines(folder: Path) -> Iterator[str]:
    """Yield how the script of an exported folder is called; nothing for other folders."""
    if not is_exported(folder):
        return
    yield from ("", _("Without this package:"), "", "```bash")
    yield from (f'python {SCRIPT} "…"', "```")
