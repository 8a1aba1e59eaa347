"""Prediction of opinions without Paddle, by oneDNN; for models over a BERT or an ERNIE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.files import read_json_object
from paddle_tasks.models.chain import Chain
from paddle_tasks.models.extraction import Extraction, Extractor
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.paddle_free.encoder import Unsupported
from paddle_tasks.models.paddle_free.operations import softmax
from paddle_tasks.models.paddle_free.tagger import Tagger
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.onednn import library
from paddle_tasks.tasks.opinion.display import display_opinions
from paddle_tasks.tasks.opinion.doccano import DOCCANO
from paddle_tasks.tasks.opinion.prediction import (
    MinProbs,
    OpinionNames,
    Prediction,
    ReviewWindows,
    SpecialTokens,
    predicted_pairs,
    predicted_spans,
)
from paddle_tasks.tasks.opinion.scoring import prediction_record
from paddle_tasks.tasks.opinion.selection import EVERYTHING, Selection
from paddle_tasks.tasks.opinion.summary import SUMMARY
from paddle_tasks.text.characters import Tokens
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import Record, RecordFormat

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_TOKENS_PER_BATCH = 4096
_LENGTH_STEP = 8
"""Batches are padded to a multiple of this, because oneDNN needs some milliseconds for each new shape."""


class SpanModel(Protocol):
    """Computes on numpy arrays what an `OpinionTagger` computes; see `Tagger`."""

    @property
    def chain(self) -> Chain:
        """Decodes the emissions."""

    @property
    def n_polarities(self) -> int:
        """0: there are no pairs."""

    def encode(self, ids: Array, lengths: Array) -> tuple[Array, Array]:
        """Return states and emissions."""

    def pair_logits(self, states: Array, aspects: Array, opinions: Array) -> Array:
        """Return the logits of pairs."""


@dataclass(frozen=True)
class OpinionPredictor:
    """Predicts the spans and triplets of reviews; see `paddle_tasks.tasks.PaddleFreePredictor`.

    Attributes:
        model: the model.
        tokenizer: its tokenizer.
        names: its labels and polarities.
        selection: which candidates are predicted.
        uses_marginals: whether spans are selected by their probability; else they are those of the best path.
        by_character: whether each Chinese character is a token.
        max_tokens: the maximum number of tokens of a window without [CLS] and [SEP].
        overlap: the number of tokens that a window shares with the one before it.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain",)
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]] = ()
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"doccano": DOCCANO, "summary": SUMMARY}

    model: SpanModel
    tokenizer: Tokenizer
    names: OpinionNames
    selection: Selection
    uses_marginals: bool
    by_character: bool
    max_tokens: int
    overlap: int

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any], *, bfloat16: bool) -> OpinionPredictor | None:
        """Return the predictor of a model folder; None if only Paddle can compute or check the model.

        It computes in float32 in any case, as scores are, so that a probability near a threshold is on the same side.
        """
        del bfloat16
        if library.get() is None or not (folder / _WEIGHTS).is_file():
            return None
        try:
            config, arrays = read_json_object(folder / _CONFIG), tensors.read(folder / _WEIGHTS)
            head, n_polarities = settings["config"]["model"]["head"], len(settings["polarities"])
            model = Tagger.from_arrays(config, head, arrays, n_polarities)
            predictor = cls._of(model, folder, settings)
        except (Unsupported, LookupError, ValueError, TypeError):  # Paddle's path says what is wrong with the folder
            return None
        is_complete = len(model.parts["output.bias"]) == 2 * len(predictor.names.labels) + 1
        return predictor if is_complete and predictor.max_tokens + 2 <= model.max_length else None

    @classmethod
    def load_exported(cls, folder: Path, settings: Mapping[str, Any], networks: Networks) -> OpinionPredictor:
        """Return the predictor of an exported folder."""
        from paddle_tasks.tasks.opinion.exported_tagger import NetworkTagger, read_chain  # slow to import

        model = NetworkTagger(networks, read_chain(folder), len(settings["polarities"]))
        return cls._of(model, folder, settings)

    @classmethod
    def _of(cls, model: SpanModel, folder: Path, settings: Mapping[str, Any]) -> OpinionPredictor:
        config, names = settings["config"], OpinionNames(tuple(settings["labels"]), tuple(settings["polarities"]))
        uses_marginals = config["model"]["decoding"] == "marginals"
        return cls(
            model=model,
            tokenizer=Tokenizer.load(folder),
            names=names,
            selection=Selection.from_settings(settings) if uses_marginals else EVERYTHING,
            uses_marginals=uses_marginals,
            by_character=bool(config["data"]["by_character"]),
            max_tokens=int(config["training"]["max_length"]) - 2,
            overlap=int(config["data"]["window_overlap"]),
        )

    def predict(self, texts: Sequence[str], *, explain: bool = False) -> list[dict[str, Any]]:
        """Return the records that `OpinionTask.predict` returns."""
        del explain
        tokens = self.tokenizer.tokens(list(texts), by_character=self.by_character) if texts else []
        predictions: dict[int, Prediction] = {}
        for rows in self._batches([len(review.input_ids) for review in tokens]):
            predictions.update(zip(rows, self._read([tokens[row] for row in rows]), strict=True))
        return [
            prediction_record(text, self.selection.apply(predictions[row]), self.names)
            for row, text in enumerate(texts)
        ]

    @property
    def _min_probs(self) -> MinProbs | None:
        return self.selection.min_probs if self.uses_marginals else None

    def _batches(self, n_tokens: Sequence[int]) -> Iterator[list[int]]:
        """Yield the rows of each batch: rows of similar lengths, the longest first."""
        order, start = sorted(range(len(n_tokens)), key=lambda row: -n_tokens[row]), 0
        while start < len(order):
            size = max(1, _TOKENS_PER_BATCH // (n_tokens[order[start]] + 2))
            yield order[start : start + size]
            start += size

    def _read(self, reviews: Sequence[Tokens]) -> list[Prediction]:
        windows = ReviewWindows.cut([len(review.input_ids) for review in reviews], self.max_tokens, self.overlap)
        states, emissions = self._encode(windows, [review.input_ids for review in reviews])
        min_probs = self._min_probs
        # Spans that are further apart than a window were never seen together in training.
        extractor = Extractor(
            self.model.chain, self.model.n_polarities, min_probs and min_probs[0], max_extent=self.max_tokens
        )

        def pair_probs(rows: slice, positions: slice, aspects: Array, opinions: Array) -> Array:
            logits = self.model.pair_logits(states[rows, positions], aspects, opinions)
            softmax(logits)
            return logits

        found = extractor.extract(emissions, windows.lengths, pair_probs)
        return [self._prediction(extraction, review) for extraction, review in zip(found, reviews, strict=True)]

    def _encode(self, windows: ReviewWindows, ids: Sequence[Array]) -> tuple[Array, Array]:
        """Return states and emissions of whole reviews, stitched together from their windows."""
        parts = windows.ids(ids)
        size = max(1, _TOKENS_PER_BATCH // (max(map(len, parts)) + 2))
        encoded = [self._encode_windows(parts[start : start + size]) for start in range(0, len(parts), size)]
        if len(encoded) == 1 and len(parts) == len(ids):
            return encoded[0]
        of_windows = zip(*encoded, strict=True)
        states, emissions = (windows.stitch([row for part in side for row in part]) for side in of_windows)
        return states, emissions

    def _encode_windows(self, parts: Sequence[Array]) -> tuple[Array, Array]:
        special = SpecialTokens(self.tokenizer.cls_id, self.tokenizer.sep_id, self.tokenizer.pad_id)
        ids, lengths = special.pad(parts)
        length = min(self.max_tokens + 2, -(-ids.shape[1] // _LENGTH_STEP) * _LENGTH_STEP)
        padding = ((0, 0), (0, length - ids.shape[1]))
        return self.model.encode(np.pad(ids, padding, constant_values=special.pad_id), lengths)

    def _prediction(self, extraction: Extraction, review: Tokens) -> Prediction:
        spans = predicted_spans(extraction, review.offsets, self.names)
        pairs = predicted_pairs(extraction, review.offsets, self.names, self._min_probs)
        return Prediction(tuple(spans.items()), tuple(pairs.items()), {}, 0.0, len(review.input_ids))

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the text with its spans, and its triplets."""
        return display_opinions(record)
