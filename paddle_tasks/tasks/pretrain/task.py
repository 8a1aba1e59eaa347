"""Pretraining: BERT's masked language model with next-sentence prediction, and ERNIE's over whole words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.batching.masked_batches import NO_PAIR, NO_WORD, MaskedBatch, MaskedBatchBuilder
from paddle_tasks.data.corpus.checks import DocumentDataCheck, as_texts, check_documents
from paddle_tasks.data.corpus.corpora import DocumentSplit, load_documents, with_file
from paddle_tasks.data.corpus.documents import Document
from paddle_tasks.data.corpus.passages import Passages
from paddle_tasks.data.corpus.teacher import TeacherVectors, load_teacher
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.errors import ConfigError, RecordError, join_names
from paddle_tasks.generation.fill_mask import FillMask
from paddle_tasks.language import _
from paddle_tasks.metrics.masked_lm import MaskedLMMetrics
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.build import build_encoder
from paddle_tasks.models.encoders.informed_start import start_informed, word_width
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.masked_lm import MaskedLanguageModel, load_masked_lm
from paddle_tasks.tasks.deduplication import check_count
from paddle_tasks.tasks.encoder import EncoderTask
from paddle_tasks.tasks.panels import attention_image
from paddle_tasks.tasks.pretrain import SUMMARY_METRICS
from paddle_tasks.tasks.pretrain.losses import (
    distances,
    mean_states,
    relation_errors,
    rows_of_one_text,
    states_at,
    tokens_of,
)
from paddle_tasks.tasks.pretrain.panels import row_histograms, sample_texts, token_vectors
from paddle_tasks.tasks.pretrain.passages import PassageBuilder, PassageForm
from paddle_tasks.tasks.pretrain.record_view import HiddenTokenView
from paddle_tasks.tasks.pretrain.section import SCRATCH, PretrainingConfig, check_config
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.word_vectors import learn_vectors
from paddle_tasks.text.wordpieces import count_words, learn_word_pieces
from paddle_tasks.training.display import Line
from paddle_tasks.training.display_fillings import display_fillings
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import DataCheck, Evaluation, Record
from paddle_tasks.training.record_view import RecordView

# The same tokens are hidden in every evaluation, whatever a run's own masking, so that runs can be compared.
_EVALUATION_MASKING = Masking(rate=0.15, mask_prob=1.0, random_prob=0.0)
_EVALUATION_SEED = 0


class PretrainTask(EncoderTask[PretrainingConfig]):
    """A masked language model over documents."""

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    METRICS: ClassVar[tuple[str, ...]] = ("loss", "perplexity", "accuracy", "word_accuracy")
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    LOWER_IS_BETTER: ClassVar[frozenset[str]] = frozenset({"loss", "perplexity"})
    DATA_CHECK: ClassVar[DataCheck] = DocumentDataCheck()
    RECORD_VIEW: ClassVar[RecordView] = HiddenTokenView()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("top_k",)
    Config: ClassVar[type[PretrainingConfig]] = PretrainingConfig

    _layout: Section | None = None

    # ---- data

    def check_settings(self) -> None:
        """Check what the configuration alone can show to be wrong."""
        check_config(self.config)

    def read_splits(self) -> None:
        """Read the documents of the splits."""
        self.load_split("train")
        for name in ("dev", "test"):
            if self.config.data.has(name):
                self.load_split(name)

    def describe_data(self) -> Sequence[str]:
        """Return a line about each split: its documents, the names of its sources, and its lines."""
        return [
            describe_rows(split, join_names([source.path for source in self.config.data.sources(split.name)], 3))
            for split in self.splits.values()
        ]

    def load_split(self, name: SplitName, source: str | None = None) -> DocumentSplit:
        """Read the documents of a split, or those of another file, and keep them as that split."""
        data = self.config.data
        if source is None and self._layout is not None:
            raise ConfigError(_("data: settings are for another file; the run's own files have theirs in config.yaml"))
        if source is not None:
            data = with_file(data, name, source, self._layout)
        split = load_documents(data, name, self.config.seed)
        require_good(split, data.on_bad_row)
        self.splits[name] = split
        return split

    def check_data(self) -> Mapping[str, Any]:
        """Return the data report of the documents, without lines that are held out."""
        names: tuple[SplitName, ...] = ("train", "dev", "test")
        splits = {name: self.load_split(name) for name in names if self.config.data.has(name)}
        return check_documents({name: as_texts(split) for name, split in splits.items()})

    def use_layout(self, layout: Section) -> None:
        """Read other files than the run's own with these settings in place of those of the run's files."""
        self._layout = layout

    def learn_tokenizer(self) -> Tokenizer:
        """Return a tokenizer with a vocabulary of word pieces learnt from train."""
        section = self.config.data.vocabulary
        texts = (line for document in self.splits["train"].examples for line in document.lines)
        return Tokenizer(learn_word_pieces(count_words(texts), size=section.size, min_count=section.min_count))

    def prepare(self) -> None:
        """Cut train into passages, and find those that a teacher has vectors for."""
        self.train_passages()
        self.teacher  # noqa: B018 - a missing file is reported before training starts

    # ---- passages and batches

    def dataset(self, examples: Sequence[Document]) -> Passages:
        """Return the passages of documents."""
        return PassageBuilder(self.tokenizer, self.config).build(examples, PassageForm())

    def train_passages(self) -> Passages:
        """Return the rows of train."""
        data, has_vectors = self.config.data, self.config.model.word_vectors > 0
        form = PassageForm(pairs=data.next_sentence, words=data.masking.unit == "word", vectors=has_vectors)
        return self._passages(self.splits["train"], form)

    def _passages(self, split: DocumentSplit, form: PassageForm = PassageForm()) -> Passages:  # noqa: B008
        builder = PassageBuilder(self.tokenizer, self.config)
        passages: Passages = self.features.of(split, partial(builder.build, form=form), form).new_data
        return passages

    @property
    def train_lengths(self) -> Array:
        """The number of tokens of each train row <int64>[rows]."""
        return self._train_batches.passages.lengths

    @cached_property
    def _train_batches(self) -> MaskedBatchBuilder:
        masking = self.config.data.masking.masking
        return MaskedBatchBuilder(self.train_passages(), self.tokenizer, masking, self.config.seed)

    def collate(self, dataset: Passages, rows: Sequence[int]) -> MaskedBatch:
        """Return the passages with these indices as one batch, masked as in an evaluation."""
        return self._evaluation_batches(dataset).build(rows, 0)

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[MaskedBatch]:
        """Yield a batch for each group of train rows; what is hidden depends on the epoch."""
        yield from self._train_batches.iterate(groups, epoch)

    def _evaluation_batches(self, passages: Passages) -> MaskedBatchBuilder:
        return MaskedBatchBuilder(passages, self.tokenizer, _EVALUATION_MASKING, _EVALUATION_SEED)

    # ---- model

    def new_model(self) -> nn.Layer:
        """Return the masked language model that training starts from."""
        section = self.config.model
        if section.encoder in SCRATCH:
            encoder = build_encoder(section, len(self.tokenizer), self.tokenizer.pad_id)
            if section.informed_start:
                self._start_informed(encoder)
            model = self.build_layer(encoder)
        else:
            next_sentence = self.config.data.next_sentence
            model = load_masked_lm(section.encoder, next_sentence=next_sentence, model_type=section.becomes)
        self.check_max_length(model.encoder)
        self._check_vector_size(model.encoder)
        model.set_dropout(section.pretraining_dropout)
        if self.teacher is not None:
            model.add_teacher(self.teacher.size)
        return model

    def build_layer(self, encoder: Encoder) -> nn.Layer:
        """Return the Layer over an encoder."""
        return MaskedLanguageModel(encoder, next_sentence=self.config.data.next_sentence)

    def _check_vector_size(self, encoder: Encoder) -> None:
        section = self.config.model
        if section.word_vectors and section.hidden_size != encoder.width:
            raise ConfigError(
                _(
                    "model.hidden_size: {size} is not the {width} of {encoder}; model.word_vectors takes the size of "
                    "its vectors from it"
                ).format(size=section.hidden_size, width=encoder.width, encoder=section.encoder)
            )

    def _start_informed(self, encoder: PretrainedEncoder) -> None:
        tokens, rows = self._train_batches.passages.tokens_by_row()
        size = word_width(encoder)
        start_informed(encoder, learn_vectors(tokens, rows, len(self.tokenizer), size=size, seed=self.config.seed))

    # ---- loss

    def loss(self, model: nn.Layer, batch: MaskedBatch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] and the number of hidden tokens.

        The losses of a row as a whole count as often as it has hidden tokens. Divided by the number of hidden tokens,
        the sum over rows is the mean loss of the masked language model plus a weighted mean of the rows' losses.
        """
        in_words = np.flatnonzero(batch.words != NO_WORD)
        taught, targets = self.taught_rows(batch)
        groups = (batch.flat_positions, in_words, tokens_of(batch, taught))
        (states, word_states, taught_states), vectors = states_at(model.encoder, batch, groups)
        logits, nsp_logits = model.mlm_logits(states), model.nsp_logits(vectors)
        loss = functional.cross_entropy(logits, paddle.to_tensor(batch.targets), reduction="sum")
        n_hidden = paddle.to_tensor(batch.n_targets.astype(np.float32))
        if len(in_words):
            words = paddle.to_tensor(batch.words[batch.words != NO_WORD])
            loss = loss + self.config.model.word_vectors * self._word_distances(word_states, words)
        if len(taught):
            means = mean_states(taught_states, batch.lengths[taught])
            losses = self._teacher_losses(model, means, paddle.to_tensor(targets))
            loss = loss + (losses * paddle.gather(n_hidden, paddle.to_tensor(taught))).sum()
        if nsp_logits is not None:
            pair_losses = functional.cross_entropy(
                nsp_logits, paddle.to_tensor(batch.pairs), reduction="none", ignore_index=NO_PAIR
            )
            loss = loss + (pair_losses.flatten() * n_hidden).sum()
        return loss, len(batch.targets)

    @cached_property
    def _word_vectors(self) -> paddle.Tensor:
        words = self.train_passages().words
        assert words is not None  # otherwise no batch holds words
        return paddle.to_tensor(words.vectors)

    def _word_distances(self, states: paddle.Tensor, words: paddle.Tensor) -> paddle.Tensor:
        """Return the sum over tokens of 1 minus the cosine between half of the state and the vector of the word."""
        vectors = paddle.gather(self._word_vectors, words)
        return distances(states[:, : vectors.shape[1]], vectors).sum()

    @cached_property
    def teacher(self) -> TeacherVectors | None:
        """The teacher's vectors of train's rows; None without a teacher."""
        data = self.config.data
        if data.teacher is None:
            return None
        return load_teacher(
            data.teacher, data.folder, self.train_passages(), self.tokenizer.vocabulary, self.config.seed
        )

    def taught_rows(self, batch: MaskedBatch) -> tuple[Array, Array]:
        """Return the rows of a batch that have a vector of the teacher, <int64>[n], and these <float32>[n, size]."""
        rows = rows_of_one_text(batch)
        if self.teacher is None:
            return rows[:0], np.zeros((0, 0), np.float32)
        places, vectors = self.teacher.of([batch.rows[row] for row in rows])
        return rows[places], vectors

    def _teacher_losses(self, model: nn.Layer, means: paddle.Tensor, targets: paddle.Tensor) -> paddle.Tensor:
        section = self.config.model
        losses = section.teacher * distances(model.training_only.teacher(means), targets)
        return losses + section.teacher_relations * relation_errors(means, targets)

    # ---- scores

    def evaluate(self, model: nn.Layer, split: DocumentSplit, check_interrupt: Callable[[], None]) -> Evaluation:
        """Predict 15 % hidden characters, then 15 % of the characters hidden as whole words, then next sentences."""
        model.eval()
        with self.ranks.raise_together(), paddle.no_grad():
            by_character = self._predict_hidden(model, self._passages(split), check_interrupt)
            by_word = self._predict_hidden(model, self._passages(split, PassageForm(words=True)), check_interrupt)
            n_right, n_pairs = self._count_right_pairs(model, split, check_interrupt) if model.next_sentence else (0, 0)
        by_character, by_word = by_character.gather(self.ranks), by_word.gather(self.ranks)
        n_right, n_pairs = self.ranks.gather_numbers([n_right, n_pairs]).sum(axis=0)
        metrics = {**by_character.result(), "word_accuracy": by_word.result()["accuracy"]}
        if n_pairs:
            metrics["next_sentence_accuracy"] = float(n_right / n_pairs)
        records = by_character.records(self.tokenizer.vocabulary)
        return Evaluation(
            metrics,
            records,
            texts=sample_texts(records),
            panels=partial(row_histograms, records),
            vectors=partial(self._vector_panels, model, split, records),
        )

    @without_gradients
    def _vector_panels(self, model: nn.Layer, split: DocumentSplit, records: Sequence[Record]) -> Panels:
        """Return the vectors of the tokens that were hidden most often, and the attention in the first row."""
        model.eval()
        batch = next(iter(self._scored_batches(self._passages(split), lambda: None)))
        images = attention_image(model.encoder, lambda: model(*batch.inputs), self.tokenizer.vocabulary)
        return replace(token_vectors(model, records, self.tokenizer.vocabulary), images=images)

    def _predict_hidden(
        self, model: nn.Layer, passages: Passages, check_interrupt: Callable[[], None]
    ) -> MaskedLMMetrics:
        metrics = MaskedLMMetrics()
        for batch in self._scored_batches(passages, check_interrupt):
            logits = model(*batch.inputs)
            losses = functional.cross_entropy(logits, paddle.to_tensor(batch.targets), reduction="none").flatten()
            rows = np.array(batch.rows)[batch.positions[:, 0]]
            metrics.update(rows, batch.targets, logits.argmax(axis=-1).numpy(), losses.numpy())
        return metrics

    def _count_right_pairs(
        self, model: nn.Layer, split: DocumentSplit, check_interrupt: Callable[[], None]
    ) -> tuple[int, int]:
        """Return the number of pairs that are classified right, and the number of pairs."""
        n_right = n_pairs = 0
        for batch in self._scored_batches(self._passages(split, PassageForm(pairs=True)), check_interrupt):
            _, nsp_logits = model.forward_both(*batch.inputs)
            is_pair = batch.pairs != NO_PAIR
            n_right += int((nsp_logits.argmax(axis=-1).numpy() == batch.pairs)[is_pair].sum())
            n_pairs += int(is_pair.sum())
        return n_right, n_pairs

    def _scored_batches(self, passages: Passages, check_interrupt: Callable[[], None]) -> Iterator[MaskedBatch]:
        sampler = LengthGroupedBatchSampler(passages.lengths, self.config.evaluation.batch_size)
        for batch in self._evaluation_batches(passages).iterate(self.ranks.shard(sampler.batches()), 0):
            check_interrupt()
            yield batch

    def read_answers(self, source: str) -> DocumentSplit:
        """Read documents as the split test; which tokens are hidden depends on the vocabulary of a model."""
        if not hasattr(self, "tokenizer"):
            message = _("{task}: which tokens are hidden depends on the vocabulary of a model; name a run")
            raise ConfigError(message.format(task=self.config.task))
        return self.load_split("test", source)

    def score_records(self, split: DocumentSplit, records: Sequence[Record]) -> dict[str, Any]:
        """Return the accuracy of the tokens that records predict for the hidden tokens of each passage."""
        passages = self._passages(split)
        check_count(len(passages), records, _("passages of {path}").format(path=split.path))
        hidden = self._hidden_tokens(passages)
        hits = [hit for row, record in enumerate(records) for hit in _hits(row, hidden[row], record)]
        return {"accuracy": float(np.mean(hits))}

    def _hidden_tokens(self, passages: Passages) -> list[list[str]]:
        """Return the tokens that an evaluation hides in each passage."""
        rows = range(len(passages))
        batches = self._evaluation_batches(passages).iterate([[row] for row in rows], 0)
        return [[self.tokenizer.vocabulary[token] for token in batch.targets.tolist()] for batch in batches]

    # ---- predictions

    def predict(self, model: nn.Layer, texts: Sequence[str], *, top_k: int = 5) -> list[dict[str, Any]]:
        """Return what `paddle_tasks.generation.fill_mask.FillMask` does for each text, each with at least one [MASK].

        Args:
            model: the model.
            texts: the inputs.
            top_k: the number of candidates of each mask.
        """
        model.eval()
        return FillMask(model, self.tokenizer)(texts, top_k=top_k)

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the filled text, and the candidates of each mask."""
        return display_fillings(record)

    # ---- the model folder

    def load_model(self, folder: Path) -> nn.Layer:
        """Return the model of a folder that `save_model` wrote; BertForPretraining and ErnieForPretraining read it."""
        self.tokenizer = Tokenizer.load(folder)
        return load_masked_lm(str(folder), next_sentence=self.config.data.next_sentence)

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings of every encoder task, and how tokens are hidden."""
        return {**EncoderTask.card_settings(config), **config["data"].get("masking", {})}


def _hits(row: int, hidden: Sequence[str], record: Record) -> list[bool]:
    predicted = record.get("predicted")
    if not isinstance(predicted, list) or len(predicted) != len(hidden):
        message = _("expected {count} tokens under 'predicted', found {found!r}")
        raise RecordError(row, message.format(count=len(hidden), found=predicted))
    return [token == gold for token, gold in zip(predicted, hidden, strict=True)]
