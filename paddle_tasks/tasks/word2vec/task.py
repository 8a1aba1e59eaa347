"""word2vec: vectors of words, learnt from which words occur near which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn

from paddle_tasks import config as configuration
from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.word_blocks import BlockBuilder, WordBlocks
from paddle_tasks.data.corpus.analogies import Analogy, AnalogySection, load_analogies
from paddle_tasks.data.corpus.checks import DocumentDataCheck, as_texts, check_documents
from paddle_tasks.data.corpus.corpora import load_documents, with_file
from paddle_tasks.data.corpus.documents import Document
from paddle_tasks.data.corpus.word_streams import WordRows, cut_lines
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import Split, require_good
from paddle_tasks.errors import ConfigError, DataError, did_you_mean, join_alternatives, join_names
from paddle_tasks.files import expand_user
from paddle_tasks.language import _
from paddle_tasks.metrics.analogies import unit_vectors
from paddle_tasks.models.word2vec import Word2Vec
from paddle_tasks.tasks.base import BaseTask
from paddle_tasks.tasks.deduplication import check_count
from paddle_tasks.tasks.word2vec import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.tasks.word2vec.neighbours import Neighbours, display_neighbours
from paddle_tasks.tasks.word2vec.record_view import AnalogyView
from paddle_tasks.tasks.word2vec.scoring import ScoredAnalogies, frequent_vectors, score_answers
from paddle_tasks.tasks.word2vec.section import Word2VecConfig, check_config, check_vocabulary, config_of_file
from paddle_tasks.text.subwords import WordParts
from paddle_tasks.text.vector_files import FORMATS, read_vectors, write_vectors
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import DataCheck, Evaluation, Record
from paddle_tasks.training.record_view import RecordView


class Word2VecTask(BaseTask[Word2VecConfig]):
    """Vectors of words; train has documents, dev and test have analogy questions."""

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    METRICS: ClassVar[tuple[str, ...]] = (
        "accuracy",
        "accuracy_answered",
        "multiplied_accuracy",
        "multiplied_accuracy_answered",
        "answered",
    )
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    TABLE_METRICS: ClassVar[tuple[str, ...]] = TABLE_METRICS
    DATA_CHECK: ClassVar[DataCheck] = DocumentDataCheck()
    RECORD_VIEW: ClassVar[RecordView] = AnalogyView()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("top_k", "analogy")
    Config: ClassVar[type[Word2VecConfig]] = Word2VecConfig

    vocabulary: dict[str, int]
    """The count of each word in train, the most frequent words first."""
    _layout: Section | None = None

    # ---- data

    def read(self) -> None:
        """Read documents and questions, and number the words of train; write nothing."""
        check_config(self.config)
        super().read()

    def load_split(self, name: SplitName, source: str | None = None) -> Split[Any]:
        """Read the documents of train, or the questions of another split, and keep them as that split."""
        data = self.config.data
        if name == "train":
            documents = data.documents
            if source is not None:
                documents = with_file(documents, name, source, self._layout)
            split: Split[Any] = load_documents(documents, name, self.config.seed)
        else:
            own = getattr(data, name) or ()
            sources = own if source is None else (AnalogySection(path=source),)
            split = load_analogies(sources, expand_user(data.folder if source is None else "."), name)
        self.splits[name] = require_good(split, data.on_bad_row)
        return split

    def check_data(self) -> Mapping[str, Any]:
        """Return the data report of train; questions are no documents."""
        return check_documents({"train": as_texts(self.load_split("train"))})

    def use_layout(self, layout: Section) -> None:
        """Read another train file with these settings in place of those of the run's files."""
        self._layout = layout

    def describe_data(self) -> Sequence[str]:
        """Return a line about each split, and the size of the vocabulary."""
        data, n_words = self.config.data, len(self.train_dataset.ids)
        lines = [
            describe_rows(split, join_names([source.path for source in getattr(data, split.name)], 3))
            for split in self.splits.values()
        ]
        message = _("vocabulary: {count:,} words that train has at least {times} times; {total:,} words of text")
        return [*lines, message.format(count=len(self.vocabulary), times=data.min_count, total=n_words)]

    def prepare(self) -> None:
        """Learn the vocabulary, and number the words of train."""
        lines = self._cut(self.splits["train"].examples)
        self.vocabulary, self.train_dataset = WordRows.number(lines, self.config.data.min_count)
        check_vocabulary(self.config, len(self.vocabulary))
        if not len(self.train_dataset):
            raise DataError(_("data.train: no line has two words of the vocabulary; lower data.min_count"))

    def _cut(self, documents: Sequence[Document]) -> Iterator[list[str]]:
        return cut_lines([line for document in documents for line in document.lines], self.config.data.unit)

    @property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.vocabulary)}

    def dataset(self, examples: Sequence[Document]) -> WordRows:
        """Return the numbered words of documents."""
        return WordRows.encode(self._cut(examples), self._ids)

    # ---- batches

    @cached_property
    def _builder(self) -> BlockBuilder:
        data, model = self.config.data, self.config.model
        return BlockBuilder(
            counts=np.array(list(self.vocabulary.values()), np.int64),
            window=data.window,
            threshold=data.subsample,
            n_shared=model.n_shared,
            exponent=model.noise_exponent,
        )

    def collate(self, dataset: WordRows, rows: Sequence[int]) -> WordBlocks:
        """Return the rows with these indices as one batch, with random choices that are always the same."""
        return self._builder.build(dataset, rows, np.random.default_rng(self.config.seed))

    @cached_property
    def _expected_lengths(self) -> Array:
        return self._builder.expected_lengths(self.train_dataset)

    @property
    def n_batches(self) -> int:
        """The number of train batches in an epoch."""
        return max(1, int(np.ceil(self._expected_lengths.sum() / self.config.training.batch_size)))

    def train_batches(self, epoch: int, start: int) -> Iterator[WordBlocks]:
        """Yield the train batches of an epoch from batch ``start`` on."""
        if self.ranks.size > 1:
            raise ConfigError(_("word2vec: trains in one process, found {count}").format(count=self.ranks.size))
        order, ends = self._order(epoch)
        for batch in range(start, self.n_batches):
            rows = order[ends[batch] : ends[batch + 1]].tolist()
            yield self._builder.build(self.train_dataset, rows, np.random.default_rng([self.config.seed, epoch, batch]))

    def _order(self, epoch: int) -> tuple[Array, Array]:
        """Return the rows of an epoch in their order, and where in it each batch begins, and the last one ends.

        Batches are of about the same size.
        """
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.train_dataset))
        lengths = self._expected_lengths[order]
        batch_of_row = (np.cumsum(lengths) - lengths) * (self.n_batches / lengths.sum()) // 1
        return order, np.searchsorted(batch_of_row, np.arange(self.n_batches + 1))

    # ---- model and scores

    def build_model(self) -> nn.Layer:
        """Return the model that training starts from."""
        section = self.config.model
        model = Word2Vec(
            len(self.vocabulary),
            section.size,
            section.architecture,
            full_softmax=section.loss == "full_softmax",
            max_predictions=section.max_predictions,
            parts=WordParts.of(list(self.vocabulary), section.subwords) if section.subwords else None,
        )
        if not section.contexts:
            model.drop_contexts()
        return model

    def loss(self, model: nn.Layer, batch: WordBlocks) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] and the number of predictions."""
        loss = model(batch.centres, batch.contexts, batch.is_pair, batch.noise, self.config.model.n_negatives)
        counts = batch.n_contexts
        n_predictions = counts.sum() if self.config.model.architecture == "skip_gram" else np.count_nonzero(counts)
        return loss, int(n_predictions)

    def evaluate(self, model: nn.Layer, split: Split[Analogy], check_interrupt: Callable[[], None]) -> Evaluation:
        """Answer the questions of a split by addition and by multiplication."""
        check_interrupt()
        vectors = model.vectors()
        scored = ScoredAnalogies.solve(split.examples, list(self.vocabulary), unit_vectors(vectors))
        panels = partial(frequent_vectors, self.vocabulary, vectors)
        return Evaluation(scored.metrics(), scored.records(), errors=scored.errors(), vectors=panels)

    def score_records(self, split: Split[Analogy], records: Sequence[Record]) -> dict[str, Any]:
        """Return the metrics of the answers of records."""
        check_count(len(split.examples), records, _("questions of {path}").format(path=split.path))
        return score_answers(split.examples, records)

    # ---- predictions

    def predict(
        self, model: nn.Layer, texts: Sequence[str], *, top_k: int | None = None, analogy: bool | None = None
    ) -> list[dict[str, Any]]:
        """Return the nearest words of each word.

        Args:
            model: the model.
            texts: words; with ``analogy`` three words each, with spaces between them.
            top_k: the number of nearest words; 10 by default.
            analogy: whether to look for the word that is to the third as the second is to the first.
        """
        units = unit_vectors(model.vectors())
        neighbours = Neighbours(list(self.vocabulary), units, top_k or 10, model.unknown_vector)
        return [neighbours.of_analogy(text) if analogy else neighbours.of_word(text) for text in texts]

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the word or question with its answers."""
        return display_neighbours(record)

    # ---- the model folder

    def write_model_file(self, model: nn.Layer, path: Path, form: str) -> None:
        """Write the vectors in word2vec's text or binary format."""
        if form not in FORMATS:
            message = _("--format {form}: expected {known}{near}")
            near = did_you_mean(form, FORMATS)
            raise ConfigError(message.format(form=form, known=join_alternatives(["float16", *FORMATS]), near=near))
        write_vectors(path, list(self.vocabulary), model.vectors(), FORMATS[form])

    @classmethod
    def read_model_file(cls, path: Path) -> tuple[Any, nn.Layer]:
        """Return the task and model of a file in word2vec's text or binary format; counts of words are unknown: 0."""
        words, vectors = read_vectors(path)
        task = cls(configuration.validate(config_of_file(path, vectors.shape[1]), cls.Config, str(path)))
        task.vocabulary = dict.fromkeys(words, 0)
        model = task.build_model()
        model.words.weight.set_value(vectors)
        return task, model

    def settings(self) -> dict[str, Any]:
        """Return the vocabulary with its counts."""
        return {"words": self.vocabulary}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore the vocabulary."""
        self.vocabulary = dict(settings["words"])

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings that a model card names, besides those of the optimiser."""
        data, model = config["data"], config["model"]
        return {
            _("architecture"): model["architecture"],
            _("vector size"): model["size"],
            _("window"): data["window"],
            _("words a batch"): config["training"]["batch_size"],
        }
