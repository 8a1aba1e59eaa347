"""Opinion extraction: which aspects and opinion words stand in a review, which belong together, and how it is meant."""

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
from paddlenlp.datasets import MapDataset
from pydantic import Field, NonNegativeInt, PositiveInt

from paddle_tasks import config as configuration
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Known, OpinionExample, OpinionSplit
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.data.opinion.section import OpinionDataSection
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.checks import leaked_rows
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import write_json
from paddle_tasks.models.encoders.build import SCRATCH, Encoder, EncoderSection, build_encoder
from paddle_tasks.models.opinion import OpinionTagger, TagHead
from paddle_tasks.models.pooling import pool
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.models.pretrained.saving import load_encoder, load_state, save_pretrained
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.opinion.choice import ALL, WIDEST, Choice, best_choice
from paddle_tasks.tasks.opinion.panels import OpinionPanels, described_rows
from paddle_tasks.tasks.opinion.reading import Finding, Reader
from paddle_tasks.tasks.opinion.rows import Framing, Names, OpinionBatch, Review, Row, collate, reviews_of
from paddle_tasks.tasks.opinion.scores import SPAN_SCORES, TRIPLET_SCORES, Scored, answer
from paddle_tasks.tasks.panels import attention, described, readable_row, shown_rows
from paddle_tasks.tasks.vocabulary import learn_tokenizer
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.settings import EvaluationSection, LossSection, RunSection

_N_SPECIAL = 2  # [CLS] and [SEP]


class OpinionData(OpinionDataSection):
    """The ``data`` section, and how texts become tokens and windows.

    ``by_character`` makes a token of every visible character, so that any span has its own; else they are the
    encoder's word pieces, and a span inside one cannot be told. A text of more than `training.max_length` tokens is
    read in windows of that length, each of which begins with the last ``window_overlap`` tokens of the one before.
    """

    by_character: bool = True
    window_overlap: NonNegativeInt = 32


class OpinionModel(EncoderSection):
    """The ``model`` section: an encoder, what tags its states, and what pairs the spans.

    ``head`` is ``linear``, ``crf`` or ``bilstm_crf``. ``decoding`` is ``marginals`` (spans from that probability on, at
    least 0.1, that gives dev the best F1, and so triplets; 0.5 and 0.25 before dev is scored) or ``viterbi`` (those of
    the best path). With ``overlaps`` the former takes spans that overlap, too; null does so where dev has such and
    a better F1 of spans by it. ``pairs`` learns aspect, opinion and polarity together where the data has them, with a
    head of ``pair_size`` units whose loss is multiplied with ``pair_loss_weight``.
    """

    head: TagHead = "crf"
    decoding: Literal["marginals", "viterbi"] = "marginals"
    overlaps: bool | None = None
    pairs: bool = True
    pair_size: PositiveInt = 128
    pair_loss_weight: Annotated[float, Field(gt=0.0)] = 1.0


class OpinionEvaluation(EvaluationSection):
    """When to score the dev split, and which of its metrics chooses the best model."""

    metric: str = "f1"


class OpinionConfig(RunSection):
    """The whole configuration."""

    data: OpinionData
    model: OpinionModel
    evaluation: OpinionEvaluation = OpinionEvaluation()


class Task:
    """Spans, and where they are annotated pairs with polarities, by `OpinionTagger`.

    Attributes:
        tokenizer: turns texts into tokens.
        names: the labels in the order of the tags, and the polarities; without these no pairs are learnt.
        choice: what is taken of that which a review may have.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    taught_by = ""
    METRICS: ClassVar[tuple[str, ...]] = (*SPAN_SCORES, *TRIPLET_SCORES, "loss")
    Config: ClassVar[type[OpinionConfig]] = OpinionConfig

    tokenizer: Tokenizer
    _rows: Sequence[Row]

    def __init__(self, config: OpinionConfig) -> None:
        self.config = config
        self.splits: dict[SplitName, OpinionSplit] = {}
        self.names = Names()
        self.ranks = Ranks()
        self.choice = Choice(overlaps=bool(config.model.overlaps)) if self._sums_paths else ALL
        self._chooses = False  # a model that was loaded keeps its choice
        self._datasets: dict[str, MapDataset] = {}

    @property
    def _sums_paths(self) -> bool:
        return self.config.model.decoding == "marginals"

    # ---- data

    def read(self) -> None:
        """Read and check data, labels, vocabulary and the encoder's name; write nothing."""
        self._check_settings()
        encoder, data = self.config.model.encoder, self.config.data
        source = None if encoder in SCRATCH else resolve(encoder)
        train = self.load_split("train")
        # A fold is of the same file, so it names labels too: a rare one may stand in no other.
        self.names = self._names(train, *([self.load_split("dev")] if data.folds else []))
        for name in ("dev", "test"):
            if data.has(name) and name not in self.splits:
                self.load_split(name)
        self._check_metric()
        self._chooses = self._sums_paths
        if source is None:
            self.tokenizer = learn_tokenizer(data.vocabulary, train.examples)
        else:
            self.tokenizer = Tokenizer.load(tokenizer_folder(source))
        self._rows = [part for review in self._reviews(train) for part in review.row.parts(self._room)]

    def _check_settings(self) -> None:
        training, data = self.config.training, self.config.data
        if training.loss != LossSection():
            raise ConfigError("training.loss: is for classifiers; tags and pairs have losses of their own")
        if self.config.model.overlaps and not self._sums_paths:
            raise ConfigError("model.overlaps: the best path has none, so model.decoding=viterbi finds none")
        if self._room < 1:
            raise ConfigError(f"training.max_length: {training.max_length} leaves no room beside [CLS] and [SEP]")
        if data.window_overlap >= self._room:
            raise ConfigError(
                f"data.window_overlap: {data.window_overlap} is not less than the {self._room} tokens of a window, "
                "which are training.max_length without [CLS] and [SEP]"
            )

    @property
    def _room(self) -> int:
        """Most tokens of a window beside [CLS] and [SEP]."""
        return self.config.training.max_length - _N_SPECIAL

    def _names(self, *splits: OpinionSplit) -> Names:
        data = self.config.data
        labels = set(data.labels or ()) or {label for split in splits for label in split.labels}
        if not labels:
            raise ConfigError(f"data.train: no span in {splits[0].path}; expected one label or more to learn")
        # The tagger knows aspects and opinions by their numbers.
        first = [label for label in (ASPECT, OPINION) if label in labels]
        others = [label for label in data.labels or sorted(labels) if label not in first]
        return Names((*first, *others), self._polarities(labels, splits))

    def _polarities(self, labels: set[str], splits: Sequence[OpinionSplit]) -> tuple[str, ...]:
        """Return the polarities of the pairs that are learnt; none where there are no pairs."""
        data = self.config.data
        found = data.polarities or tuple(sorted({name for split in splits for name in split.polarities}))
        if not self.config.model.pairs or not any(split.polarities for split in splits):
            return ()
        if not {ASPECT, OPINION} <= labels:
            raise ConfigError(
                f"model.pairs: are of the labels {ASPECT} and {OPINION}, found {', '.join(sorted(labels))}; "
                "model.pairs=false learns the spans alone"
            )
        return found

    def _check_metric(self) -> None:
        metric = self.config.evaluation.metric
        if metric in TRIPLET_SCORES and not self.names.polarities:
            why = "data.train has none" if self.config.model.pairs else "model.pairs is false"
            raise ConfigError(f"evaluation.metric: {metric} needs pairs, and {why}; f1 is that of spans")

    def load_split(self, name: SplitName, source: str | None = None) -> OpinionSplit:
        """Read the configuration's reviews, or those of another file, and keep them as that split.

        Raises:
            DataError: they cannot be used.
        """
        data = self.config.data
        place = data.source(name, self.config.seed) if source is None else source
        known = Known(self.names.labels or data.labels, data.polarities or self.names.polarities or None)
        split = load_opinions(name, place, data.layout, known)
        require_good(split, data.on_bad_row)
        self.splits[name] = split
        return split

    # ---- features and batches

    def _reviews(self, split: OpinionSplit) -> Sequence[Review]:
        """Return the features of a split, computed once for all evaluations."""
        if split.sha256 not in self._datasets:
            self._datasets[split.sha256] = MapDataset(list(split.examples)).map(self._encoded, batched=True)
        found: Sequence[Review] = self._datasets[split.sha256].new_data
        return found

    def _encoded(self, examples: Sequence[OpinionExample]) -> list[Review]:
        by_character = self.config.data.by_character
        tokens = self.tokenizer.tokens([example.text for example in examples], by_character=by_character)
        return reviews_of(examples, tokens, self.names)

    @cached_property
    def _framing(self) -> Framing:
        return Framing(self.tokenizer.cls_id, self.tokenizer.sep_id, self.tokenizer.pad_id)

    @cached_property
    def _sampler(self) -> LengthGroupedBatchSampler:
        section = self.config.training
        lengths = [len(row) + _N_SPECIAL for row in self._rows]
        return LengthGroupedBatchSampler(lengths, section.batch_size, self.config.seed, section.max_tokens_per_batch)

    @property
    def n_batches(self) -> int:
        """Train batches in an epoch."""
        return len(self._sampler)

    def batches_of(self, epoch: int, start: int) -> Iterator[OpinionBatch]:
        """Yield this rank's share of the train batches of an epoch from batch ``start`` on."""
        self._sampler.set_epoch(epoch)
        for places in self._sampler.batches()[start:]:
            own = self.ranks.shard(places)
            yield collate([self._rows[place] for place in own], own, self._framing)

    # ---- model, loss and scores

    def build_model(self) -> nn.Layer:
        """Return the Layer over its encoder, pretrained or from scratch."""
        section = self.config.model
        if section.encoder in SCRATCH:
            return self._over(build_encoder(section, len(self.tokenizer), self.tokenizer.pad_id))
        return self._over(load_pretrained(section.encoder))

    def _over(self, encoder: Encoder) -> OpinionTagger:
        section, longest = self.config.model, self.config.training.max_length
        if encoder.max_length is not None and longest > encoder.max_length:
            raise ConfigError(
                f"training.max_length: {longest} is more than the {encoder.max_length} of {section.encoder}"
            )
        return OpinionTagger(
            encoder,
            n_labels=len(self.names.labels),
            head=section.head,
            dropout=section.dropout,
            n_polarities=len(self.names.polarities),
            pair_size=section.pair_size,
        )

    def loss(self, model: nn.Layer, batch: OpinionBatch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] of a batch and the number of tokens that have a tag.

        It is minus the log-likelihood of tags and pairs, these weighted.
        """
        tags, pairs = model.losses(batch.input_ids, batch.token_type_ids, batch.lengths, batch.gold)
        return (tags + self.config.model.pair_loss_weight * pairs).sum(), batch.n_tagged

    def evaluate(self, model: nn.Layer, split: OpinionSplit, check_interrupt: Callable[[], None]) -> Evaluation:
        """Score what is found in a split, each span and each triplet as a whole.

        Where the split shares texts with train, F1 has a twin over the other rows. In training dev chooses from which
        probability on something is found.
        """
        possible = self._findings(model, self._reviews(split), check_interrupt, WIDEST)
        if self._chooses and split.name == "dev":
            self.choice = best_choice(split.examples, possible, overlaps=self.config.model.overlaps)
        scored = Scored(split.examples, [self.choice.of(finding) for finding in possible], self.names)
        metrics = {**scored.metrics(), **self._thresholds()}
        known = self.splits["train"].examples if "train" in self.splits and split.name != "train" else []
        leaked = leaked_rows(known, split.examples)
        if leaked.any() and not leaked.all():
            clean = scored.among(~leaked).metrics()
            twins = [name for name in ("f1", "macro_f1", "triplet_f1") if name in clean]
            metrics.update({f"{name}_deduplicated": clean[name] for name in twins})
        return Evaluation(
            metrics,
            list(scored.records()),
            list(scored.errors()),
            scored.highlighted(),
            OpinionPanels(split.examples, scored.findings, self.names, model).panels,
            partial(self._shown_vectors, model, split, scored.findings),
        )

    def _thresholds(self) -> dict[str, float]:
        if not self._sums_paths:
            return {}
        of_pairs = {"triplet_threshold": self.choice.triplets} if self.names.polarities else {}
        return {"threshold": self.choice.spans, **of_pairs, "overlaps": float(self.choice.overlaps)}

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def _shown_vectors(self, model: nn.Layer, split: OpinionSplit, findings: Sequence[Finding]) -> Panels:
        """Return the mean state of some reviews' tokens, the first window's, and the attention in one of them."""
        model.eval()
        chosen, size = shown_rows(len(split.examples)), self.config.evaluation.batch_size
        reviews = [self._reviews(split)[row] for row in chosen]
        read = [self._first_states(model, reviews[start:][:size]) for start in range(0, len(reviews), size)]
        vectors = [pool("mean", states, states[:, 0], lengths) for states, lengths in read]
        examples, found = ([part[row] for row in chosen] for part in (split.examples, findings))
        short = reviews[readable_row(np.array([len(review.row) + _N_SPECIAL for review in reviews]))]
        shown = attention(model.encoder, lambda: self._first_states(model, [short]), self.tokenizer.vocabulary)
        return replace(described(paddle.concat(vectors), described_rows(examples, found)), images=shown)

    def _first_states(self, model: nn.Layer, reviews: Sequence[Review]) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return the states <float>[reviews, length, width] of the first window of each, and the lengths."""
        padded, ends = self._framing.padded([review.row.ids[: self._room] for review in reviews])
        input_ids, lengths = paddle.to_tensor(padded), paddle.to_tensor(ends)
        return model.states(input_ids, paddle.zeros_like(input_ids), lengths), lengths

    def _findings(
        self, model: nn.Layer, reviews: Sequence[Review], check_interrupt: Callable[[], None], choice: Choice
    ) -> list[Finding]:
        """Return what is found in each review; of several ranks each reads its own batches."""
        model.eval()
        reader, size = self._reader(choice), self.config.evaluation.batch_size
        lengths = [len(review.row) + _N_SPECIAL for review in reviews]
        batches = LengthGroupedBatchSampler(lengths, size, max_tokens=size * self.config.training.max_length).batches()
        own: dict[int, Finding] = {}
        with self.ranks.raise_together():
            for places in self.ranks.shard(batches):
                check_interrupt()
                own.update(zip(places, reader.read(model, [reviews[place] for place in places]), strict=True))
        whole = {place: finding for found in self.ranks.gather_objects(own) for place, finding in found.items()}
        return [whole[place] for place in range(len(reviews))]

    def _reader(self, choice: Choice) -> Reader:
        return Reader(
            names=self.names,
            framing=self._framing,
            room=self._room,
            overlap=self.config.data.window_overlap,
            at_once=self.config.evaluation.batch_size,
            pair_weight=self.config.model.pair_loss_weight,
            least=choice.least if self._sums_paths else None,
        )

    def predict(self, model: nn.Layer, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Return ``{"input", "spans", "triplets"}`` for each text; without ``triplets`` where no pairs were learnt.

        A span is ``{"start", "end", "text", "label", "prob"}``, and a triplet ``{"aspect", "opinion", "polarity",
        "prob"}`` with the places of the two, of which the aspect is None when it is meant and not written.
        """
        if not texts:
            return []
        reviews = self._encoded([OpinionExample(text, (), None, "") for text in texts])
        findings = map(self.choice.of, self._findings(model, reviews, lambda: None, self.choice))
        return [answer(text, finding, self.names) for text, finding in zip(texts, findings, strict=True)]

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer, labels, polarities, thresholds and settings."""
        save_pretrained(model, folder)
        self.tokenizer.save(folder)
        names = {name: list(values) for name, values in vars(self.names).items()}
        settings = {"choice": vars(self.choice), "config": self.config.model_dump(mode="json")}
        write_json(folder / SETTINGS, {**names, **settings})

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Put saved weights and thresholds back."""
        load_state(model, folder)
        self.choice = Choice.of_settings(_settings(folder))

    @classmethod
    def load(cls, folder: Path) -> tuple[Task, nn.Layer]:
        """Return the task and its model from a folder that `save_model` wrote; no train data is needed."""
        settings = _settings(folder)
        task = cls(configuration.validate(settings["config"], cls.Config, str(folder / SETTINGS)))
        task.names = Names(tuple(settings["labels"]), tuple(settings["polarities"]))
        task.choice = Choice.of_settings(settings)
        task.tokenizer = Tokenizer.load(folder)
        model = task._over(load_encoder(folder))
        load_state(model, folder)
        return task, model


def _settings(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return found
