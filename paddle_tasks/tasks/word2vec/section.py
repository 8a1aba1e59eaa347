"""The configuration of the task word2vec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from paddle_tasks.config import Count, Section, Size
from paddle_tasks.data.corpus.analogies import AnalogySection
from paddle_tasks.data.corpus.corpora import Corpora, DocumentData
from paddle_tasks.data.corpus.documents import CorpusSection
from paddle_tasks.data.corpus.word_streams import Unit
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.language import _
from paddle_tasks.models.word2vec import Architecture
from paddle_tasks.training.settings import EvaluationSection, Fraction, OptimizerSection, RunSection, TrainingSection

MAX_SOFTMAX_WORDS = 20_000
"""The vocabulary that a full softmax may have; each batch has a score for every word in every place."""
Questions = Annotated[tuple[AnalogySection, ...], Field(min_length=1)]


class Word2VecData(Section):
    """The ``data`` section: documents to train on, and analogy questions for dev and test.

    Attributes:
        folder: relative paths start from here.
        train: the documents.
        dev: the questions whose scores choose settings and the best model.
        test: other questions.
        held_out: texts that are dropped from train, also those that are nearly the same.
        held_out_similarity: the Jaccard index of character 5-grams from which texts are nearly the same.
        unit: jieba's words, or characters.
        min_count: rarer words are left out.
        window: contexts on either side of a word at most; the number varies at random from 1 on.
        subsample: a word with a larger share of the text than this is left out at random; 0 is off.
    """

    folder: str = "."
    train: Corpora
    dev: Questions
    test: Questions | None = None
    held_out: tuple[CorpusSection, ...] = ()
    held_out_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    on_bad_row: Literal["stop", "skip"] = "stop"
    unit: Unit = "word"
    min_count: Count = 5
    window: Size = 5
    subsample: NonNegativeFloat = 1e-4

    def has(self, name: SplitName) -> bool:
        """Return whether the configuration has this split."""
        return getattr(self, name) is not None

    @property
    def documents(self) -> DocumentData:
        """The documents of train, in the form of other tasks over documents."""
        shared = ("folder", "train", "held_out", "held_out_similarity", "on_bad_row")
        values = {name: getattr(self, name) for name in shared}
        return DocumentData(**values, dev=self.train)


class Word2VecModel(Section):
    """The ``model`` section.

    Attributes:
        architecture: ``skip_gram`` predicts each context from a word, ``cbow`` a word from the mean of its contexts.
        loss: ``negative_sampling``, or ``full_softmax`` over a small vocabulary.
        size: of a vector.
        n_negatives: random words against each prediction.
        n_shared: random words that a block of 64 words draws; weighted so that each prediction counts ``n_negatives``.
        max_predictions: how many predictions of one word count in full in a step; null for all of them.
        noise_exponent: of the counts, for the probabilities of random words.
        subwords: character n-grams of up to this length are parts of a word; 0 for none.
        contexts: whether the model has the vectors of contexts; imported models have none, and are not trained.
    """

    architecture: Architecture = "skip_gram"
    loss: Literal["negative_sampling", "full_softmax"] = "negative_sampling"
    size: Size = 100
    n_negatives: Size = 5
    n_shared: Size = 256
    max_predictions: PositiveFloat | None = 192.0
    noise_exponent: Annotated[float, Field(ge=0.0, le=1.0)] = 0.75
    subwords: Annotated[int, Field(ge=0, le=8)] = 0
    contexts: bool = True


class Word2VecOptimizer(OptimizerSection):
    """Gradient descent as in word2vec: the learning rate is that of a single prediction, and falls linearly."""

    kind: Literal["adamw", "sgd"] = "sgd"
    gradient: Literal["mean", "sum"] = "sum"
    learning_rate: PositiveFloat = 0.025
    weight_decay: NonNegativeFloat = 0.0
    warmup_fraction: Fraction = 0.0
    max_gradient_norm: PositiveFloat | None = None


class Word2VecTraining(TrainingSection):
    """``batch_size`` is the number of words in a batch, on average; rows are lines of the documents."""

    epochs: Count = 5
    batch_size: Count = 1024


class Word2VecConfig(RunSection):
    """The whole configuration."""

    data: Word2VecData
    model: Word2VecModel = Word2VecModel()
    optimizer: Word2VecOptimizer = Word2VecOptimizer()
    training: Word2VecTraining = Word2VecTraining()
    evaluation: EvaluationSection = EvaluationSection()


def check_config(config: Word2VecConfig) -> None:
    """Check what the configuration alone can show to be wrong.

    Raises:
        ConfigError: settings do not fit together.
    """
    optimizer, training = config.optimizer, config.training
    if optimizer.kind != "sgd" or optimizer.weight_decay:
        message = _("optimizer: sparse gradients need kind sgd and weight_decay 0, found {kind} and {decay}")
        raise ConfigError(message.format(kind=optimizer.kind, decay=optimizer.weight_decay))
    if training.fgm_epsilon:
        raise ConfigError(_("training.fgm_epsilon: not for word2vec, whose words have no input but their vectors"))
    if not config.model.contexts:
        raise ConfigError(_("model.contexts: training needs true; vectors without contexts are those of import"))
    if config.model.subwords and config.data.unit == "character":
        message = _("model.subwords: {length} needs data.unit: word, since a character has no parts")
        raise ConfigError(message.format(length=config.model.subwords))


def check_vocabulary(config: Word2VecConfig, n_words: int) -> None:
    """Check that the vocabulary is large enough to train on, and small enough for a full softmax.

    Raises:
        DataError: fewer than two words are frequent enough.
        ConfigError: it is too large.
    """
    if n_words < 2:
        message = _("data.train: {count} words occur at least {times} times (data.min_count), expected at least 2")
        raise DataError(message.format(count=n_words, times=config.data.min_count))
    if config.model.loss == "full_softmax" and n_words > MAX_SOFTMAX_WORDS:
        message = _(
            "model.loss: full_softmax is for at most {limit:,} words, found {count:,}; raise data.min_count, or use "
            "negative_sampling"
        )
        raise ConfigError(message.format(limit=MAX_SOFTMAX_WORDS, count=n_words))


def config_of_file(path: Path, size: int) -> dict[str, Any]:
    """Return the configuration of vectors that another program has trained, as a tree.

    Args:
        path: the file of the vectors, which stands for the documents.
        size: the size of a vector.
    """
    data = {"train": [{"path": path.name}], "dev": [{"path": "builtin/word2vec"}]}
    return {"task": "word2vec", "run_dir": path.stem, "data": data, "model": {"size": size, "contexts": False}}
