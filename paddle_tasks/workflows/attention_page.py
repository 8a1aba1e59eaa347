"""Files of an inspected text: all heads of attention as one page, and the outputs as arrays."""

from __future__ import annotations

import base64
import html
import json
from importlib import resources
from pathlib import Path

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import write_text
from paddle_tasks.language import _
from paddle_tasks.workflows.inspect import Inspection

_LEVELS = 255


def write_attention_page(found: Inspection, path: Path, title: str) -> None:
    """Draw every head as a small map; one of them is shown large, with the tokens and the weights.

    The page is one file without links. A weight is stored in a byte, so it is exact to 0.002.

    Args:
        found: the inspected text.
        path: the new file.
        title: what the page is about.

    Raises:
        ConfigError: the model has no attention.
    """
    write_text(path, attention_page(found, title))


def attention_page(found: Inspection, title: str) -> str:
    """Return the page that `write_attention_page` writes."""
    name = next((key for key in ("cross_attentions", "attentions") if key in found.findings), None)
    if name is None:
        raise ConfigError(_("--html: this model has no attention to draw"))
    weights, crossed = found[name], name == "cross_attentions"
    data = {
        "shape": list(weights.shape),
        "weights": base64.b64encode(_levels(weights)).decode("ascii"),
        "queries": list(found.target if crossed else found.tokens),
        "keys": list(found.tokens),
    }
    template = resources.files("paddle_tasks.workflows").joinpath("attention_page.html").read_text(encoding="utf-8")
    texts = {
        "TITLE": html.escape(_("Attention: {title}").format(title=title)),
        "HINT": html.escape(_("Click a head to enlarge it. A row shows from where its token takes; it sums to 1.")),
        "HEAD": json.dumps(_("layer {layer}, head {head}"), ensure_ascii=False),
        "DATA": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
    }
    for key, text in texts.items():
        template = template.replace(f"@{key}@", text)
    return template


def _levels(weights: Array) -> bytes:
    return bytes(np.rint(np.clip(weights, 0, 1) * _LEVELS).astype(np.uint8))


def write_features(found: Inspection, path: Path) -> None:
    """Write tokens, ids and all outputs to a .npz file that ``numpy.load`` reads; names are those of the outputs.

    Raises:
        ConfigError: the name of the file does not end in .npz.
    """
    if path.suffix != ".npz":
        raise ConfigError(_("--features: expected a name that ends in .npz, found {file}").format(file=path))
    arrays = {output.name: output.array for output in found.outputs}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, tokens=np.array(found.tokens), input_ids=found.input_ids, **arrays)
