"""Writing: a language model over characters that continues novels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import paddle
from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.batching.character_batches import CharacterBatch
from paddle_tasks.data.corpus.character_rows import EncodedTexts, Rows
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.checks import DocumentDataCheck, check_documents
from paddle_tasks.data.corpus.corpora import with_file
from paddle_tasks.data.corpus.novels import Chapter, ChapterSplit, load_chapters
from paddle_tasks.data.tables.catalogue import SplitName, source_name
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import LabelledText, Split, require_good
from paddle_tasks.errors import ConfigError, RecordError, join_names
from paddle_tasks.generation.decoding import TextStream
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.language import _
from paddle_tasks.metrics.next_character import text_accuracy
from paddle_tasks.models.pretrained.loading import resolve
from paddle_tasks.models.pretrained.saving import load_state, save_pretrained
from paddle_tasks.tasks.deduplication import check_count
from paddle_tasks.tasks.keyword_options import keyword_options
from paddle_tasks.tasks.novel import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.tasks.novel.baseline import NgramBaseline
from paddle_tasks.tasks.novel.continuing import (
    WRITING_OPTIONS,
    Continuer,
    display_outputs,
    sample_texts,
)
from paddle_tasks.tasks.novel.exporting import ExportableNovels
from paddle_tasks.tasks.novel.generated import GenerationCheck
from paddle_tasks.tasks.novel.mixing import best_weight, mixture_metrics
from paddle_tasks.tasks.novel.ngrams import FittedNgrams, NgramSection
from paddle_tasks.tasks.novel.readers import Reader
from paddle_tasks.tasks.novel.record_view import ChapterView
from paddle_tasks.tasks.novel.scoring import CharacterScores, Part
from paddle_tasks.tasks.novel.section import SCRATCH, NovelConfig, check_config
from paddle_tasks.tasks.novel.window_reader import make_reader
from paddle_tasks.training.display import Line
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.protocol import Baseline, DataCheck, Evaluation, Record
from paddle_tasks.training.record_view import RecordView


class NovelTask(ExportableNovels):
    """A language model over the characters of novels."""

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    METRICS: ClassVar[tuple[str, ...]] = ("loss", "perplexity", "accuracy")
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    TABLE_METRICS: ClassVar[tuple[str, ...]] = TABLE_METRICS
    LOWER_IS_BETTER: ClassVar[frozenset[str]] = frozenset({"loss", "perplexity"})
    DATA_CHECK: ClassVar[DataCheck] = DocumentDataCheck()
    RECORD_VIEW: ClassVar[RecordView] = ChapterView()
    BASELINE: ClassVar[Baseline | None] = NgramBaseline()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = WRITING_OPTIONS
    Config: ClassVar[type[NovelConfig]] = NovelConfig

    vocabulary: CharacterVocabulary
    _layout: Section | None = None
    _weight: float | None = None  # of the model in its mixture with the twin

    # ---- data

    def read(self) -> None:
        """Read the chapters of the splits and learn the vocabulary of train; write nothing."""
        check_config(self.config)
        if self.config.model.encoder != SCRATCH:
            resolve(self.config.model.encoder)  # a wrong name is found before the data is read
        super().read()

    def load_split(self, name: SplitName, source: str | None = None) -> ChapterSplit:
        """Read the chapters of a split, or another file, and keep them as that split."""
        data, compared = self.config.data, None
        if source is None and self._layout is not None:
            message = _("data: settings are for another file; the run's own files have theirs in config.yaml")
            raise ConfigError(message)
        if source is not None:
            data = with_file(data, name, source, self._layout)
        elif name != "train" and data.max_overlap is not None:
            compared = self._train_chapters()
        split = load_chapters(data, name, self.config.seed, compared)
        self.splits[name] = require_good(split, data.on_bad_row)
        return split

    def check_data(self) -> Mapping[str, Any]:
        """Return the data report of the chapters, as they are used: those that share text with train are left out."""
        names: tuple[SplitName, ...] = ("train", "dev", "test")
        splits = {name: self.load_split(name) for name in names if self.config.data.has(name)}
        return check_documents({name: _as_texts(split) for name, split in splits.items()})

    def _train_chapters(self) -> Sequence[Chapter]:
        if "train" in self.splits:
            chapters: Sequence[Chapter] = self.splits["train"].examples
            return chapters
        return load_chapters(self.config.data, "train", self.config.seed).examples

    def use_layout(self, layout: Section) -> None:
        """Read other files than the run's own with these settings in place of those of the run's files."""
        self._layout = layout

    def describe_data(self) -> Sequence[str]:
        """Return a line about each split, and how characters are counted."""
        data, n_kept = self.config.data, len(self.vocabulary.characters)
        lines = [describe_rows(split, self._origin(split.name)) for split in self.splits.values()]
        if data.spaces == "kept":
            counted = _("each line break and each run of white space counts as a character")
        else:
            counted = _("each line break counts as a character, other white space is dropped")
        message = _("vocabulary: {count:,} characters that train has at least {times} times; {counted}")
        return [*lines, message.format(count=n_kept, times=data.vocabulary.min_count, counted=counted)]

    def _origin(self, name: SplitName) -> str:
        data = self.config.data
        return join_names([source_name(source.path, data.folder) for source in data.sources(name)], 3)

    def prepare(self) -> None:
        """Learn the vocabulary and cut train into rows."""
        texts = (chapter.text for chapter in self.splits["train"].examples)
        self.vocabulary = CharacterVocabulary.learn(texts, self.config.data.vocabulary.min_count)
        self.train_dataset = self.reader.training_rows(self._encode(self.splits["train"].examples))

    def _encode(self, chapters: Sequence[Chapter]) -> EncodedTexts:
        return EncodedTexts.encode([chapter.text for chapter in chapters], self.vocabulary)

    @cached_property
    def reader(self) -> Reader:
        """How the model reads chapters."""
        return make_reader(self.config, self.vocabulary)

    def dataset(self, examples: Sequence[Chapter]) -> Rows:
        """Return rows that have every character of chapters once as a target."""
        return self.reader.scored_rows(self._encode(examples))

    @property
    def train_lengths(self) -> Array:
        """The number of entries of each train row <int64>[rows]."""
        lengths: Array = self.train_dataset.lengths
        return lengths

    def collate(self, dataset: Rows, rows: Sequence[int]) -> CharacterBatch:
        """Return the rows with these indices as one batch."""
        return self.reader.batch(dataset, rows)

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[CharacterBatch]:
        """Yield a batch for each group of train rows, which begin elsewhere in each epoch."""
        rows = self.reader.epoch(self.train_dataset, [self.config.seed, epoch])
        for chosen in groups:
            yield self.reader.batch(rows, chosen, training=True)

    def build_model(self) -> nn.Layer:
        """Return the model that training starts from."""
        return self.reader.build()

    def loss(self, model: nn.Layer, batch: CharacterBatch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] and the number of targets."""
        return self.reader.loss(model, batch), len(batch.targets)

    def evaluate(self, model: nn.Layer, split: ChapterSplit, check_interrupt: Callable[[], None]) -> Evaluation:
        """Predict every character of a split once, and continue texts: of test also those whose copies are counted."""
        scores = self.score_characters(model, split, check_interrupt)
        prompts, n_characters = self.config.evaluation.prompts, self.config.evaluation.prompt_length
        continued = self.predict(model, prompts, max_new_tokens=n_characters)
        metrics: dict[str, Any] = {**scores.metrics(), **self._mixture(model, split, scores, check_interrupt)}
        if split.name == "test" and self.config.evaluation.n_continuations:
            metrics["generated"] = self._score_continuations(model, split, check_interrupt)
        records = scores.records(split.examples, self.vocabulary)
        return Evaluation(metrics, records, texts=sample_texts(continued), samples=continued)

    def _score_continuations(
        self, model: nn.Layer, split: ChapterSplit, check_interrupt: Callable[[], None]
    ) -> dict[str, dict[str, float]]:
        train = self.splits["train"].examples if "train" in self.splits else ()  # a shipped model comes without
        check = GenerationCheck(train, self.config.evaluation.n_continuations, self.config.generation)
        return check.score(self._continuer(model), split.examples, check_interrupt)

    def _mixture(
        self, model: nn.Layer, split: ChapterSplit, scores: CharacterScores, check_interrupt: Callable[[], None]
    ) -> dict[str, float]:
        """Return the metrics of the mixture with the n-gram twin, whose weight is chosen on dev."""
        if self.config.evaluation.mixture_order is None:
            return {}
        twin = self._twin.score_characters(split)
        if split.name == "dev":
            self._weight = best_weight(scores, twin)
        elif self._weight is None:
            dev = self.splits.get("dev") or self.load_split("dev")
            own = self.score_characters(model, dev, check_interrupt)
            self._weight = best_weight(own, self._twin.score_characters(dev))
        return mixture_metrics(scores, twin, self._weight)

    @cached_property
    def _twin(self) -> FittedNgrams:
        section = NgramSection(order=self.config.evaluation.mixture_order or 1)
        return FittedNgrams(self._train_chapters(), self.config.data, section, lambda _text: None)

    def score_characters(
        self, model: nn.Layer, split: ChapterSplit, check_interrupt: Callable[[], None]
    ) -> CharacterScores:
        """Return the scores of every character; all ranks do it together, each its share."""
        model.eval()
        rows, precision = self.dataset(split.examples), Precision.prepare(self.config.evaluation.precision)
        with self.ranks.raise_together(), paddle.no_grad(), precision.autocast():
            own = list(self._score_batches(model, rows, check_interrupt))
        parts = [part for parts in self.ranks.gather_objects(own) for part in parts]
        n_unknown = len(self.vocabulary.unknown_types(chapter.text for chapter in split.examples))
        return CharacterScores.collect(rows.texts, parts, n_unknown)

    def _score_batches(self, model: nn.Layer, rows: Rows, check_interrupt: Callable[[], None]) -> Iterator[Part]:
        sampler = LengthGroupedBatchSampler(rows.lengths, self.config.evaluation.batch_size)
        for chosen in self.ranks.shard(sampler.batches()):
            check_interrupt()
            batch = self.reader.batch(rows, chosen)
            scores = self.reader.score(model, batch)
            yield batch.indices, scores.losses, scores.predicted

    def score_records(self, split: ChapterSplit, records: Sequence[Record]) -> dict[str, Any]:
        """Return the accuracy of the characters that records predict."""
        check_count(len(split.examples), records, _("chapters of {path}").format(path=split.path))
        gold = [chapter.text for chapter in split.examples]
        predicted = [_predicted(row, *pair) for row, pair in enumerate(zip(gold, records, strict=True))]
        return {"accuracy": text_accuracy(gold, predicted)}

    # ---- predictions

    @keyword_options(*WRITING_OPTIONS)
    def predict(self, model: nn.Layer, texts: Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Continue texts.

        Args:
            model: the model.
            texts: the beginnings; an empty one begins a chapter.
            options: any of `paddle_tasks.generation.section.GenerationSection`. What is None or missing is as the
                configuration has it.
        """
        return self._continuer(model).records(texts, self._options(options))

    def stream(self, model: nn.Layer, text: str, **options: Any) -> TextStream:
        """Return an iterator over the characters that continue a text; the arguments are those of `predict`."""
        return self._continuer(model).stream(text, self._options(options))

    def _options(self, given: Mapping[str, Any]) -> GenerationSection:
        return self.config.generation.replace(given)

    def _continuer(self, model: nn.Layer) -> Continuer:
        model.eval()
        return Continuer(self.reader.writer(model), self.vocabulary, self.config.data)

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the text with each of its continuations."""
        return display_outputs(record)

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write the weights, the configuration of an encoder, and the vocabulary beside the task's configuration."""
        if hasattr(model, "encoder"):
            save_pretrained(model, folder)
        super().save_model(model, folder)

    def load_model(self, folder: Path) -> nn.Layer:
        """Return the model of a folder that `save_model` wrote."""
        model = self.reader.build(folder)
        load_state(model, folder)
        return model

    def settings(self) -> dict[str, Any]:
        """Return the characters of the vocabulary."""
        return {"characters": "".join(self.vocabulary.characters)}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore the vocabulary."""
        self.vocabulary = CharacterVocabulary(list(settings["characters"]))


def _as_texts(split: ChapterSplit) -> Split[LabelledText]:
    texts = [LabelledText(chapter.text, "", chapter.where) for chapter in split.examples]
    return Split(split.name, split.path, split.sha256, texts, split.bad_rows)


def _predicted(row: int, gold: str, record: Record) -> str:
    predicted = record.get("predicted")
    if not isinstance(predicted, str) or len(predicted) != len(gold):
        message = _("expected {count} characters under 'predicted', found {found}")
        found = len(predicted) if isinstance(predicted, str) else repr(predicted)
        raise RecordError(row, message.format(count=len(gold), found=found))
    return predicted
