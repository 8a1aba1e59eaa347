"""Pretraining: BERT's masked language model with next sentences, and ERNIE's over whole words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional
from paddlenlp.datasets import MapDataset
from pydantic import Field, NonNegativeFloat

from paddle_tasks import config as configuration
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.batching.masked_batches import NO_PAIR, NO_WORD, MaskedBatch, MaskedBatches
from paddle_tasks.data.batching.token_cache import encoded, word_meanings, word_starts
from paddle_tasks.data.corpus.corpora import Documents, PretrainingData, load_documents
from paddle_tasks.data.corpus.documents import CorpusSection, Document
from paddle_tasks.data.corpus.passages import (
    CLOSING,
    SENTENCE_ENDS,
    Flags,
    Ids,
    Ints,
    Passages,
    cut,
    sentence_starts,
    tokens_of,
)
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.files import write_json
from paddle_tasks.metrics.masked_lm import MaskedLMMetrics
from paddle_tasks.models.encoders.base import check_heads
from paddle_tasks.models.encoders.build import KINDS, EncoderSection, build_encoder
from paddle_tasks.models.encoders.informed_start import start_informed, word_width
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.masked_lm import MaskedLanguageModel, load_masked_lm
from paddle_tasks.models.pretrained.loading import resolve, tokenizer_folder
from paddle_tasks.models.pretrained.saving import load_state, save_pretrained
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.panels import attention
from paddle_tasks.tasks.pretrain.panels import filled_panels, filled_samples, token_vectors
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.word_vectors import WordVectors, word_vectors
from paddle_tasks.text.wordpieces import count_words, learn_word_pieces
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.settings import LossSection, RunSection

SCRATCH = ("bert", "ernie")
# Scores are of the same hidden tokens whatever a run's own masking, so that runs compare.
_SCORED = Masking(rate=0.15, mask_prob=1.0, random_prob=0.0)
_EVALUATION_SEED = 0


class PretrainingModel(EncoderSection):
    """The ``model`` section: ``bert`` or ``ernie`` from scratch, or the name or folder of a model to go on from.

    ``dropout`` is what the model will have when it is fine-tuned, ``pretraining_dropout`` what it has until then:
    a small model that sees each text a few times learns more without. ``informed_start`` begins from counts of which
    tokens stand near which (`paddle_tasks.models.encoders.informed_start`), and not at random.
    ``becomes`` takes the weights of a BERT for an ERNIE or the other way round: they are built alike.
    ``word_vectors`` is the weight of a second loss at every token, hidden or not: 1 less the cosine between the first
    half of its state and the static vector of jieba's word that it belongs to (`paddle_tasks.text.word_vectors`).
    """

    pretraining_dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.0
    informed_start: bool = True
    becomes: Literal["bert", "ernie"] | None = None
    word_vectors: NonNegativeFloat = 0.0


class PretrainingConfig(RunSection):
    """The whole configuration."""

    data: PretrainingData
    model: PretrainingModel


class Task:
    """A masked language model over the documents of the configuration."""

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    taught_by = ""
    METRICS: ClassVar[tuple[str, ...]] = ("loss", "perplexity", "accuracy", "word_accuracy")
    Config: ClassVar[type[PretrainingConfig]] = PretrainingConfig

    tokenizer: Tokenizer

    def __init__(self, config: PretrainingConfig) -> None:
        self.config = config
        self.splits: dict[SplitName, Documents] = {}
        self.ranks = Ranks()
        self._datasets: dict[tuple[str, bool, bool, bool], MapDataset] = {}

    # ---- data

    @staticmethod
    def parser(labels: Sequence[str] | None) -> Callable[[Row], Document]:  # noqa: ARG004
        """Return what turns a row with the field ``text`` into a document."""
        return _parse

    def read(self) -> None:
        """Read documents and vocabulary; write nothing."""
        self._check_settings()
        encoder = self.config.model.encoder
        source = None if encoder in SCRATCH else resolve(encoder)
        train = self.load_split("train")
        for name in ("dev", "test"):
            if self.config.data.has(name):
                self.load_split(name)
        self.tokenizer = Tokenizer.load(tokenizer_folder(source)) if source else self._learn(train)
        self._train_passages()

    def _check_settings(self) -> None:
        encoder, training = self.config.model.encoder, self.config.training
        if encoder in KINDS and encoder not in SCRATCH:
            raise ConfigError(f"model.encoder: {encoder!r} is not pretrained; from scratch are {', '.join(SCRATCH)}")
        if self._room(pairs=self.config.data.next_sentence) < 1:
            raise ConfigError(f"training.max_length: {training.max_length} leaves no room beside the special tokens")
        if training.loss != LossSection():
            raise ConfigError("training.loss: is for classifiers; pretraining has the cross-entropy alone")
        if encoder in SCRATCH:
            self._check_sizes()

    def _check_sizes(self) -> None:
        model, longest = self.config.model, self.config.training.max_length
        check_heads(model)
        if longest > model.max_positions:
            raise ConfigError(f"training.max_length: {longest} is more than model.max_positions, {model.max_positions}")
        if model.informed_start and (model.n_heads < 2 or model.hidden_size // model.n_heads % 2):
            raise ConfigError(
                f"model.informed_start: needs 2 heads or more of an even width, found {model.n_heads} of "
                f"{model.hidden_size // model.n_heads}; change them, or set it to false"
            )

    def _room(self, *, pairs: bool) -> int:
        """Return the tokens of a passage beside [CLS] and [SEP], and the second [SEP] of a pair."""
        return self.config.training.max_length - 2 - pairs

    def load_split(self, name: SplitName, source: str | None = None) -> Documents:
        """Read the documents of a split, or those of another file, and keep them as that split.

        Raises:
            DataError: they cannot be used.
        """
        data = self.config.data
        if source is not None:
            data = data.model_copy(update={name: (self._other(name, source),), "folder": "."})
        split = load_documents(data, name, self.config.seed)
        require_good(split, data.on_bad_row)
        self.splits[name] = split
        return split

    def _other(self, name: SplitName, path: str) -> CorpusSection:
        """Return a file as a source by itself, in the layout of the run's first source with the same ending."""
        data = self.config.data
        sources = (*data.sources(name), *data.sources("dev"), *data.sources("train"))
        alike = (source for source in sources if Path(source.path).suffix == Path(path).suffix)
        layout = next(alike, CorpusSection(path=path))
        return layout.model_copy(update={"path": path, "chapters": None, "times": 1.0})

    def _learn(self, train: Documents) -> Tokenizer:
        section = self.config.data.vocabulary
        texts = (line for document in train.examples for line in document.lines)
        return Tokenizer(learn_word_pieces(count_words(texts), size=section.size, min_count=section.min_count))

    def _train_passages(self) -> Passages:
        data, meant = self.config.data, self.config.model.word_vectors > 0
        words = data.masking.unit == "word"
        return self._passages(self.splits["train"], pairs=data.next_sentence, words=words, meant=meant)

    def _passages(self, split: Documents, *, pairs: bool = False, words: bool = False, meant: bool = False) -> Passages:
        key = (split.sha256, pairs, words, meant)
        if key not in self._datasets:
            make = partial(self._cut, pairs=pairs, words=words, meant=meant)
            self._datasets[key] = MapDataset(list(split.examples)).map(make, batched=True)
        passages: Passages = self._datasets[key].new_data
        return passages

    def _cut(self, documents: Sequence[Document], *, pairs: bool, words: bool, meant: bool) -> Passages:
        lines = [line for document in documents for line in document.lines]
        packed = encoded(self.tokenizer, lines, max_length=max(3, 2 + max(map(len, lines), default=0)))
        ids, counts = tokens_of(packed)
        line_starts = np.cumsum(counts) - counts
        owner = np.repeat(np.arange(len(documents)), [len(document.lines) for document in documents])
        of_document = np.bincount(owner, weights=counts, minlength=len(documents)).astype(np.int64)
        starts, ends, numbers = cut(of_document, self._room(pairs=pairs))
        entries = np.array(self.tokenizer.vocabulary)
        characters = np.ones(len(ids), bool)
        by_word = word_starts(self.tokenizer, lines, ids, counts) if words or meant else characters
        return Passages(
            ids=ids,
            unit_starts=by_word if words else characters,
            sentences=sentence_starts(ids, line_starts, np.isin(entries, SENTENCE_ENDS), np.isin(entries, CLOSING)),
            starts=starts,
            ends=ends,
            documents=numbers,
            pairs=pairs,
            words=self._meanings(ids, by_word, counts) if meant else None,
        )

    def _meanings(self, ids: Ids, starts: Flags, counts: Ints) -> WordVectors:
        lines = np.repeat(np.arange(len(counts)), counts)
        size = self.config.model.hidden_size // 2
        return word_meanings(ids, starts, lines, len(self.tokenizer), size=size, seed=self.config.seed)

    # ---- batches

    @cached_property
    def _batches(self) -> MaskedBatches:
        return MaskedBatches(self._train_passages(), self.tokenizer, self.config.data.masking.masking, self.config.seed)

    @cached_property
    def _sampler(self) -> LengthGroupedBatchSampler:
        section = self.config.training
        lengths = self._batches.passages.lengths
        return LengthGroupedBatchSampler(lengths, section.batch_size, self.config.seed, section.max_tokens_per_batch)

    @property
    def n_batches(self) -> int:
        """Train batches in an epoch."""
        return len(self._sampler)

    def batches_of(self, epoch: int, start: int) -> Iterator[MaskedBatch]:
        """Yield this rank's share of the train batches of an epoch from batch ``start`` on."""
        self._sampler.set_epoch(epoch)
        yield from self._batches.batches([self.ranks.shard(rows) for rows in self._sampler.batches()[start:]], epoch)

    # ---- model, loss and scores

    def build_model(self) -> nn.Layer:
        """Return the masked language model that training starts from."""
        section, next_sentence = self.config.model, self.config.data.next_sentence
        if section.encoder in SCRATCH:
            encoder = build_encoder(section, len(self.tokenizer), self.tokenizer.pad_id)
            if section.informed_start:
                self._inform(encoder)
            model = MaskedLanguageModel(encoder, next_sentence=next_sentence)
        else:
            model = load_masked_lm(section.encoder, next_sentence=next_sentence, model_type=section.becomes)
        longest, most = self.config.training.max_length, model.encoder.max_length
        if most is not None and longest > most:
            raise ConfigError(f"training.max_length: {longest} is more than the {most} of {section.encoder}")
        if section.word_vectors and section.hidden_size != model.encoder.width:
            raise ConfigError(
                f"model.hidden_size: {section.hidden_size} is not the {model.encoder.width} of {section.encoder}, "
                "from which model.word_vectors takes the size of its vectors"
            )
        model.set_dropout(section.pretraining_dropout)
        return model

    def _inform(self, encoder: PretrainedEncoder) -> None:
        tokens, rows = self._batches.passages.by_row()
        size = word_width(encoder)
        start_informed(encoder, word_vectors(tokens, rows, len(self.tokenizer), size=size, seed=self.config.seed))

    def loss(self, model: nn.Layer, batch: MaskedBatch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] and the number of hidden tokens.

        A pair's loss counts as often as its row has hidden tokens: the sum over rows then gives, divided by the
        number of hidden tokens, the masked language model's mean loss plus a weighted mean of the pairs'.
        """
        *inputs, hidden = batch.inputs
        known = paddle.to_tensor(np.flatnonzero(batch.words != NO_WORD))
        states, vectors = model.encoder.states_at(*inputs, paddle.concat([hidden, known]))
        states, of_known = paddle.split(states, [len(batch.targets), len(known)])
        logits, follows = model.named(states), model.told(vectors)
        loss = functional.cross_entropy(logits, paddle.to_tensor(batch.targets), reduction="sum")
        if len(known):
            meant = paddle.to_tensor(batch.words[batch.words != NO_WORD])
            loss = loss + self.config.model.word_vectors * self._distance(of_known, meant)
        if follows is not None:
            of_pairs = functional.cross_entropy(
                follows, paddle.to_tensor(batch.pairs), reduction="none", ignore_index=NO_PAIR
            )
            loss = loss + (of_pairs.flatten() * paddle.to_tensor(batch.n_hidden.astype(np.float32))).sum()
        return loss, len(batch.targets)

    @cached_property
    def _vectors(self) -> paddle.Tensor:
        meant = self._train_passages().words
        assert meant is not None  # no batch holds words otherwise
        return paddle.to_tensor(meant.vectors)

    def _distance(self, states: paddle.Tensor, words: paddle.Tensor) -> paddle.Tensor:
        """Return the sum over words of 1 less the cosine between the first half of a state and the word's vector."""
        vectors = paddle.gather(self._vectors, words)
        found = states[:, : vectors.shape[1]]
        return (1 - functional.cosine_similarity(found, vectors, axis=1)).sum()

    def evaluate(self, model: nn.Layer, split: Documents, check_interrupt: Callable[[], None]) -> Evaluation:
        """Name 15 % hidden characters, then 15 % of characters hidden as whole words, then tell following sentences."""
        model.eval()
        with self.ranks.raise_together(), paddle.no_grad():
            by_character = self._named(model, self._passages(split), check_interrupt)
            by_word = self._named(model, self._passages(split, words=True), check_interrupt)
            right, n_pairs = self._told(model, split, check_interrupt) if model.next_sentence else (0, 0)
        by_character, by_word = by_character.over(self.ranks), by_word.over(self.ranks)
        right, n_pairs = self.ranks.gather_numbers([right, n_pairs]).sum(axis=0)
        metrics = {**by_character.result(), "word_accuracy": by_word.result()["accuracy"]}
        if n_pairs:
            metrics["next_sentence_accuracy"] = float(right / n_pairs)
        records = by_character.records(self.tokenizer.vocabulary)
        return Evaluation(
            metrics,
            records,
            texts=filled_samples(records),
            panels=partial(filled_panels, records),
            vectors=partial(self._shown_vectors, model, split, records),
        )

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def _shown_vectors(self, model: nn.Layer, split: Documents, records: Sequence[Mapping[str, Any]]) -> Panels:
        """Return the vectors of the words that were hidden most often, and the attention in the first row."""
        model.eval()
        batch = next(iter(self._scored(self._passages(split), lambda: None)))
        shown = attention(model.encoder, lambda: model(*batch.inputs), self.tokenizer.vocabulary)
        return replace(token_vectors(model, records, self.tokenizer.vocabulary), images=shown)

    def _named(self, model: nn.Layer, passages: Passages, check_interrupt: Callable[[], None]) -> MaskedLMMetrics:
        metrics = MaskedLMMetrics()
        for batch in self._scored(passages, check_interrupt):
            logits = model(*batch.inputs)
            losses = functional.cross_entropy(logits, paddle.to_tensor(batch.targets), reduction="none").flatten()
            rows = np.array(batch.rows)[batch.places[:, 0]]
            metrics.update(rows, batch.targets, logits.argmax(axis=-1).numpy(), losses.numpy())
        return metrics

    def _told(self, model: nn.Layer, split: Documents, check_interrupt: Callable[[], None]) -> tuple[int, int]:
        """Return how many pairs are told right, and how many there are."""
        right = total = 0
        for batch in self._scored(self._passages(split, pairs=True), check_interrupt):
            _, follows = model.both(*batch.inputs)
            is_pair = batch.pairs != NO_PAIR
            right += int((follows.argmax(axis=-1).numpy() == batch.pairs)[is_pair].sum())
            total += int(is_pair.sum())
        return right, total

    def _scored(self, passages: Passages, check_interrupt: Callable[[], None]) -> Iterator[MaskedBatch]:
        sampler = LengthGroupedBatchSampler(passages.lengths, self.config.evaluation.batch_size)
        batches = MaskedBatches(passages, self.tokenizer, _SCORED, _EVALUATION_SEED)
        for batch in batches.batches(self.ranks.shard(sampler.batches()), 0):
            check_interrupt()
            yield batch

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer and settings; PaddleNLP's BertForPretraining and ErnieForPretraining read them."""
        save_pretrained(model, folder)
        self.tokenizer.save(folder)
        write_json(folder / SETTINGS, {"config": self.config.model_dump(mode="json")})

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Put saved weights back."""
        load_state(model, folder)

    @classmethod
    def load(cls, folder: Path) -> tuple[Task, nn.Layer]:
        """Return the task and its model from a folder that `save_model` wrote; no train data is needed."""
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        task = cls(configuration.validate(settings["config"], cls.Config, str(folder / SETTINGS)))
        task.tokenizer = Tokenizer.load(folder)
        return task, load_masked_lm(str(folder), next_sentence=task.config.data.next_sentence)


def _parse(row: Row) -> Document:
    text = row.fields["text"].strip()
    if not text:
        raise DataError("empty text")
    return Document((text,), row.where)
