"""Rows of one label for one text or pair, as a task reads them: splits, labels, features and batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

from paddlenlp.datasets import MapDataset

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.batches import Batch, LengthGroupedBatchSampler, iterate_batches
from paddle_tasks.data.batching.packed import PackedFeatures
from paddle_tasks.data.batching.token_cache import cached_encodings
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_split, describe_truncation, find_suspicious
from paddle_tasks.data.tables.splits import LabelledText, Split, ordered_labels
from paddle_tasks.tasks.classification.data import SINGLE_TEXT, LabelledData, LabelledDataCheck, RowFormat
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.tasks.encoder import N_SPECIAL_TOKENS, EncoderTask, learn_tokenizer
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.protocol import DataCheck
from paddle_tasks.training.ranks import Ranks

C = TypeVar("C", bound=ClassificationConfig)


class LabelledRowsTask(EncoderTask[C]):
    """The part of a classifying task that reads rows and makes batches of them.

    Attributes:
        FORMAT: what a row holds.
        data: the splits and the labels.
    """

    FIELDS: ClassVar[tuple[str, ...]] = SINGLE_TEXT.fields
    DATA_CHECK: ClassVar[DataCheck] = LabelledDataCheck(SINGLE_TEXT)
    FORMAT: ClassVar[RowFormat] = SINGLE_TEXT

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self.data = LabelledData(config.data, config.seed, self.FORMAT)
        self.splits = self.data.splits

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the logits."""
        return self.data.labels

    # ---- splits

    def read_splits(self) -> None:
        """Read the splits and their labels."""
        self.data.read()

    def describe_data(self) -> Sequence[str]:
        """Return two lines about each split: its rows and lengths, and its labels with their counts."""
        return [line for split in self.splits.values() for line in describe_split(split, self.data.label_names)]

    def remarks(self) -> Sequence[str]:
        """Return what is suspicious about the splits, and how much of the train texts is cut off."""
        cut = "" if self.max_text_tokens is None else self._describe_truncation(self.max_text_tokens)
        return [*super().remarks(), *find_suspicious(self.splits), *([f"data.train: {cut}"] if cut else [])]

    def _describe_truncation(self, max_tokens: int) -> str:
        # Only rows that fill the model's input can be longer than it; they are tokenized again.
        lengths, examples = list(map(int, self.train_lengths)), self.splits["train"].examples
        full = [row for row, length in enumerate(lengths) if length >= self.config.training.max_length]
        if not full:
            return ""
        for row, length in zip(full, self.input_lengths([examples[row].text for row in full]), strict=True):
            lengths[row] = length
        return describe_truncation(lengths, max_tokens + N_SPECIAL_TOKENS)

    def load_split(self, name: SplitName, source: str | None = None) -> Split[LabelledText]:
        """Read the configuration's labelled texts, or those of another file, and keep them as that split."""
        return self.data.load_split(name, source)

    def read_answers(self, source: str) -> Split[LabelledText]:
        """Read the right answers of a file, as the split test; labels that are not known yet are those of the file."""
        split = self.load_split("test", source)
        self.data.labels = self.data.labels or self.config.data.labels or ordered_labels(split)
        return split

    def use_layout(self, layout: Section) -> None:
        """Read files as ``layout`` says from now on, whose labels must be among those of the model."""
        super().use_layout(layout)
        self.data.use_section(self.config.data)

    def learn_tokenizer(self) -> Tokenizer:
        """Return a tokenizer with a vocabulary learnt from the texts of train."""
        texts = (example.text for example in self.splits["train"].examples)
        return learn_tokenizer(self.config.data.vocabulary, texts)

    def prepare(self) -> None:
        """Encode train."""
        self.train_dataset = self.split_features(self.splits["train"])

    # ---- features and batches

    def dataset(self, examples: Sequence[LabelledText]) -> MapDataset:
        """Return the features of examples, computed once."""
        return MapDataset(list(examples)).map(self._encode_examples, batched=True)

    def split_features(self, split: Split[LabelledText]) -> MapDataset:
        """Return the features of a split, computed once for all evaluations."""
        return self.features.of(split, self._encode_examples)

    def _encode_examples(self, examples: Sequence[LabelledText]) -> PackedFeatures:
        return PackedFeatures(self.encode([example.text for example in examples]), self.data.label_indices(examples))

    def encode(self, texts: Sequence[str]) -> PackedIds:
        """Return what the model reads of each text."""
        return cached_encodings(self.tokenizer, texts, max_length=self.config.training.max_length)

    @property
    def train_lengths(self) -> Array:
        """The number of tokens of each train row <int64>[rows]."""
        return packed_features(self.train_dataset).lengths

    def collate(self, dataset: MapDataset, rows: Sequence[int]) -> Batch:
        """Return the rows with these indices as one batch."""
        (batch,) = self.collate_groups(dataset, [rows])
        return batch

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[Batch]:
        """Yield a batch for each group of train rows."""
        del epoch
        yield from self.collate_groups(self.train_dataset, groups)

    def collate_groups(self, dataset: MapDataset, groups: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Yield a batch for each group of rows."""
        yield from iterate_batches(packed_features(dataset), groups, self.tokenizer.pad_id)

    def batches_by_length(self, dataset: MapDataset, ranks: Ranks = Ranks()) -> Iterator[Batch]:  # noqa: B008
        """Yield the batches of an evaluation, of several ranks those of each; the batches are those of one process."""
        # A generator, so that nothing is sorted if the vectors of the data set are cached.
        yield from self.collate_groups(dataset, ranks.shard(self.group_by_length(packed_features(dataset).lengths)))

    def group_by_length(self, lengths: Array) -> Sequence[Sequence[int]]:
        """Return the rows of each batch of an evaluation for the lengths of all rows <int64>[rows]."""
        size = self.config.evaluation.batch_size
        return LengthGroupedBatchSampler(lengths, size, max_tokens=self.token_limit(size, None)).batches()


def packed_features(dataset: MapDataset) -> PackedFeatures:
    """Return the features of all rows of a data set."""
    features: PackedFeatures = dataset.new_data  # what the one function given to `map` has returned
    return features
