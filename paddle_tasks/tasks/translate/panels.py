"""What VisualDL shows of translations: samples with their references, and attention."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import DataError
from paddle_tasks.language import _
from paddle_tasks.tasks.translate.translating import Translator
from paddle_tasks.tasks.translate.vocabulary import write_source
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import Record, RecordFormat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_N_SAMPLES, _N_PICTURES = 3, 2
_MAX_CHARACTERS = 30
"""Of a source whose attention is shown."""
END_NAME = "␃"
"""The end entry in a picture."""


def sample_texts(records: Sequence[Record], translated: Sequence[Record]) -> dict[str, str]:
    """Return the first rows with references and translations, and translations of fixed texts, as texts by tag."""
    samples = {
        f"sample_{number}": _("{text} ‖ reference: {gold} ‖ translation: {predicted}").format_map(record)
        for number, record in enumerate(records[:_N_SAMPLES], start=1)
    }
    examples = {
        f"example_{number}": f"{record['input']} ‖ {record['outputs'][0]['text']}"
        for number, record in enumerate(translated, start=1)
    }
    return {**samples, **examples}


def attention_panels(translator: Translator, records: Sequence[Record]) -> Panels:
    """Return pictures of the attention between the first sources and their translations."""
    if not translator.model.has_attention:
        return Panels()
    chosen = [record for record in records if record["predicted"] and len(record["text"]) <= _MAX_CHARACTERS]
    images = {}
    for number, record in enumerate(chosen[:_N_PICTURES], start=1):
        weights = translator.attention(record["text"], record["predicted"])
        images[f"attention_{number}"] = _to_image(attention_figure(record["text"], record["predicted"], weights))
    return Panels(images=images)


def attention_figure(source: str, target: str, weights: Array) -> Figure:
    """Draw attention: a row for each character of a translation and its end, a column for each of its source."""
    from paddle_tasks import figures

    return figures.matrix(weights, [*target, END_NAME], list(source), numbers=False)


def write_picture(records: Sequence[Record], path: Path) -> None:
    """Draw the attention of the best translation of a single text.

    Args:
        records: one record of `predict` with ``explain``.
        path: ends in .png or .svg.

    Raises:
        DataError: there are several texts.
    """
    from paddle_tasks import figures

    if len(records) != 1:
        message = _("--explain {file}: expected one text for a picture, found {count}")
        raise DataError(message.format(file=path, count=len(records)))
    record, best = records[0], records[0]["outputs"][0]
    figure = attention_figure(write_source(record["input"]), best["text"], np.array(best["attention"]))
    (figures.to_svg if path.suffix == ".svg" else figures.to_png)(figure, path)


ATTENTION = RecordFormat(write_file=write_picture, suffixes=(".png", ".svg"))


def _to_image(figure: Figure) -> Array:
    from paddle_tasks import figures

    return figures.to_image(figure)
