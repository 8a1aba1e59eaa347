"""Translating: an encoder-decoder over characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.batching.parallel_batches import EncodedPairs, PairBatchSampler, ParallelBatch, parallel_batch
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.parallel.pairs import FIELDS, Pair
from paddle_tasks.data.parallel.splits import load_pairs
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import RecordError
from paddle_tasks.generation.decoding import TextStream
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.saving import load_state
from paddle_tasks.models.seq2seq.base import EncoderDecoder
from paddle_tasks.models.seq2seq.forcing import mix_inputs
from paddle_tasks.models.seq2seq.writers import source_translator
from paddle_tasks.tasks.deduplication import check_count
from paddle_tasks.tasks.keyword_options import keyword_options
from paddle_tasks.tasks.translate import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.tasks.translate.baseline import TwinBaseline
from paddle_tasks.tasks.translate.checks import PairDataCheck
from paddle_tasks.tasks.translate.drawing import TrainingDraws
from paddle_tasks.tasks.translate.exported import ExportedTranslator
from paddle_tasks.tasks.translate.exporting import ExportableTranslations
from paddle_tasks.tasks.translate.models import build, tensors
from paddle_tasks.tasks.translate.panels import ATTENTION, attention_panels, sample_texts
from paddle_tasks.tasks.translate.record_view import TranslationView
from paddle_tasks.tasks.translate.scoring import Part, TranslationScores
from paddle_tasks.tasks.translate.section import TranslateConfig, check_config
from paddle_tasks.tasks.translate.start import StartModel
from paddle_tasks.tasks.translate.text_scores import score_texts
from paddle_tasks.tasks.translate.translating import (
    TRANSLATING_OPTIONS,
    Translator,
    decoding_options,
    display_translations,
)
from paddle_tasks.tasks.translate.vocabulary import encode_pairs, learn_vocabulary, special_ids
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import Baseline, DataCheck, Evaluation, Record, RecordFormat
from paddle_tasks.training.record_view import RecordView


class TranslateTask(ExportableTranslations):
    """An encoder-decoder over the characters of pairs."""

    FIELDS: ClassVar[tuple[str, ...]] = FIELDS
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = FIELDS[:1]
    METRICS: ClassVar[tuple[str, ...]] = ("loss", "perplexity", "accuracy", "bleu", "chrf", "exact_match")
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    TABLE_METRICS: ClassVar[tuple[str, ...]] = TABLE_METRICS
    LOWER_IS_BETTER: ClassVar[frozenset[str]] = frozenset({"loss", "perplexity"})
    DATA_CHECK: ClassVar[DataCheck] = PairDataCheck()
    BASELINE: ClassVar[Baseline | None] = TwinBaseline()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain", *TRANSLATING_OPTIONS)
    RECORD_VIEW: ClassVar[RecordView] = TranslationView()
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"explain": ATTENTION}
    Config: ClassVar[type[TranslateConfig]] = TranslateConfig

    vocabulary: CharacterVocabulary
    _start: StartModel | None = None  # a model folder that is loaded needs none

    # ---- data

    def read(self) -> None:
        """Read the pairs of the splits and learn the vocabulary of train; write nothing."""
        check_config(self.config)
        self._start = StartModel.find(self.config)
        super().read()

    def read_file(self, name: SplitName, source: Any) -> Split[Pair]:
        """Return the pairs of a file and its bad rows."""
        return load_pairs(self.config.data, name, source)

    def describe_data(self) -> Sequence[str]:
        """Return a line about each split, and about the vocabulary."""
        lines = [describe_rows(split) for split in self.splits.values()]
        if self._start:
            message = _("vocabulary: the {count:,} characters of {start}, whose weights training starts from")
        else:
            message = _(
                "vocabulary: {count:,} characters that both sides of train together have at least {times} times"
            )
        count, times = len(self.vocabulary.characters) - 1, self.config.data.vocabulary.min_count
        return [*lines, message.format(count=count, times=times, start=self.config.model.start)]

    def remarks(self) -> Sequence[str]:
        """Return the remarks of the splits, and how many train pairs are too long."""
        n_long = len(self.splits["train"].examples) - len(self._train_pairs) if "train" in self.splits else 0
        message = _("train: {count:,} pairs are left out, since a side has more than {limit} characters")
        own = [message.format(count=n_long, limit=self.config.data.max_length)] if n_long else []
        return [*super().remarks(), *own, *self._books_of_the_start()]

    def _books_of_the_start(self) -> Iterator[str]:
        """Yield a remark if the model that training starts from may have read the books that are held out."""
        held_out = self.config.data.held_out_books
        if self._start and held_out and self._start.config.data.held_out_books != held_out:
            message = _("model.start: {start} may have read the books that data.held_out_books holds out of train")
            yield message.format(start=self.config.model.start)

    def prepare(self) -> None:
        """Learn the vocabulary, or take that of the start, and encode train."""
        if self._start:
            self.vocabulary = self._start.vocabulary
        else:
            self.vocabulary = learn_vocabulary(self._train_pairs, self.config.data.vocabulary.min_count)
        self.train_dataset = self.dataset(self._train_pairs)

    @property
    def other_inputs(self) -> Mapping[str, str]:
        """The digest of the weights that training starts from."""
        return {"model.start": self._start.digest} if self._start else {}

    @cached_property
    def _train_pairs(self) -> Sequence[Pair]:
        return self.config.data.usable(self.splits["train"].examples)

    def dataset(self, examples: Sequence[Pair]) -> EncodedPairs:
        """Return pairs as ids, in their order."""
        return encode_pairs(self.vocabulary, examples)

    def collate(self, dataset: EncodedPairs, rows: Sequence[int]) -> ParallelBatch:
        """Return the rows with these indices as one batch."""
        return parallel_batch(dataset, rows, special_ids(self.vocabulary))

    @cached_property
    def train_sampler(self) -> Any:
        """Decides which train pairs make a batch."""
        sides = self.train_dataset.sources.lengths, self.train_dataset.targets.lengths + 1
        training = self.config.training
        return PairBatchSampler(*sides, training.batch_size, self.config.seed, training.max_tokens_per_batch)

    def train_batches(self, epoch: int, start: int) -> Iterator[ParallelBatch]:
        """Yield this rank's share of the train batches of an epoch from batch ``start`` on."""
        self.train_sampler.set_epoch(epoch)
        draws = TrainingDraws(self.config, len(self.train_dataset), self.n_batches, epoch)
        for number, rows in enumerate(self.train_sampler.batches()[start:], start=start):
            own, special = self.ranks.shard(rows), special_ids(self.vocabulary)
            yield draws.forced(parallel_batch(self.train_dataset, own, special, draws.unmarked(own)), number)

    # ---- model and scores

    def build_model(self) -> EncoderDecoder:
        """Return the model that training starts from."""
        model = build(self.config.model, self.vocabulary)
        if self._start:
            load_state(model, self._start.folder)
        return model

    def loss(self, model: nn.Layer, batch: ParallelBatch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] and the number of targets."""
        source, target = tensors(batch)
        if batch.is_forced is not None:
            target = mix_inputs(model, source, target, batch.is_forced)
        return model.loss(source, target, self.config.training.label_smoothing), len(batch.targets)

    def evaluate(self, model: nn.Layer, split: Split[Pair], check_interrupt: Callable[[], None]) -> Evaluation:
        """Rate the references of a split and translate its sources; of dev with ``evaluation.num_beams``."""
        model.eval()
        beams = None if split.name == "test" else self.config.evaluation.num_beams
        translator, options = self._translator(model), self._options({"num_beams": beams})
        pairs: Sequence[Pair] = split.examples
        parts = self._gather(list(self._rate(model, self.dataset(pairs), check_interrupt)))
        own = self.ranks.shard(range(len(pairs)))
        found = translator.translate([pairs[row].source for row in own], options, check_interrupt)
        outputs = self._gather([(row, outputs[0]) for row, outputs in zip(own, found, strict=True)])
        scores = TranslationScores(pairs, parts, [output for _, output in outputs], self._known_pairs(split))
        records = scores.records()
        samples = translator.records(self.config.evaluation.examples, options)
        return Evaluation(
            scores.metrics(),
            records,
            texts=sample_texts(records, samples),
            samples=samples,
            panels=lambda: attention_panels(translator, records),
        )

    def _rate(self, model: nn.Layer, dataset: EncodedPairs, check_interrupt: Callable[[], None]) -> Iterator[Part]:
        """Yield the losses of this rank's share of references."""
        sampler = LengthGroupedBatchSampler(dataset.targets.lengths, self.config.evaluation.batch_size)
        for rows in self.ranks.shard(sampler.batches()):
            check_interrupt()
            batch = self.collate(dataset, rows)
            with paddle.no_grad():
                scores = model.score(*tensors(batch))
            ends = np.cumsum(batch.input_lengths)[:-1]
            hits = (scores.predicted == batch.targets) & (batch.targets != self.vocabulary.unknown_id)
            sides = zip(rows, np.split(scores.losses, ends), np.split(hits, ends), strict=True)
            yield from ((row, losses, int(right.sum())) for row, losses, right in sides)

    def _gather(self, own: list[Any]) -> list[Any]:
        """Return what all ranks have for their rows, in the order of the rows."""
        gathered = [part for parts in self.ranks.gather_objects(own) for part in parts]
        return sorted(gathered, key=lambda part: part[0])

    def score_records(self, split: Split[Pair], records: Sequence[Record]) -> dict[str, Any]:
        """Return the metrics of the translations of records, those of `predict` too."""
        check_count(len(split.examples), records, _("pairs of {path}").format(path=split.path))
        outputs = [_translation(row, record) for row, record in enumerate(records)]
        return score_texts(split.examples, outputs, self._known_pairs(split))

    def _known_pairs(self, split: Split[Pair]) -> Sequence[Pair]:
        """Return the pairs of train, if they have been read and ``split`` is another one."""
        return self.splits["train"].examples if "train" in self.splits and split.name != "train" else ()

    # ---- predictions

    @keyword_options(*TRANSLATING_OPTIONS)
    def predict(
        self, model: nn.Layer, texts: Sequence[str], *, explain: bool | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Translate texts.

        Args:
            model: the model.
            texts: the texts.
            explain: add the attention of each translation; see `Translator.records`.
            options: any of `paddle_tasks.generation.section.GenerationSection`. What is None or missing is as the
                configuration has it.
        """
        return self._translator(model).records(texts, self._options(options), explain=bool(explain))

    def stream(self, model: nn.Layer, text: str, **options: Any) -> TextStream:
        """Return an iterator over the characters that translate a text; the arguments are those of `predict`."""
        return self._translator(model).stream(text, self._options({"num_beams": 1, **options}))

    def _options(self, given: Mapping[str, Any]) -> GenerationSection:
        return decoding_options(self.config.generation, given)

    def _translator(self, model: nn.Layer) -> Translator:
        if isinstance(model, ExportedTranslator):
            return Translator(model.translator, self.vocabulary)
        return Translator(source_translator(model, self.vocabulary.start_id), self.vocabulary)

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the text with each of its translations."""
        return display_translations(record)

    # ---- the model folder

    def settings(self) -> dict[str, Any]:
        """Return the characters of the vocabulary."""
        return {"characters": "".join(self.vocabulary.characters)}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore the vocabulary."""
        self.vocabulary = CharacterVocabulary(list(settings["characters"]))


def _translation(row: int, record: Record) -> str:
    outputs = record.get("outputs")
    text = record.get("predicted") if not outputs else outputs[0].get("text")
    if not isinstance(text, str):
        message = _("expected a translation under 'predicted' or 'outputs', found {found!r}")
        raise RecordError(row, message.format(found=text))
    return text
