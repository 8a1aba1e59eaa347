"""The configuration of the task translate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from paddle_tasks.config import Count, LayerCount, Section, SequenceCount, Size
from paddle_tasks.data.parallel.section import Fraction, ParallelData
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.language import _
from paddle_tasks.training.settings import EvaluationSection, RunSection, TrainingSection

Attention = Literal["none", "additive", "multiplicative"]
EXAMPLES = ("学而时习之，不亦说乎？", "三人行，必有我师焉。", "青取之于蓝，而青于蓝。")
DECODING = GenerationSection(max_new_tokens=120, num_beams=4)
"""How texts are translated without other options."""


class TranslateModel(Section):
    """The ``model`` section.

    Attributes:
        architecture: ``rnn`` is a bidirectional recurrent encoder and a recurrent decoder; ``transformer`` the
            Transformer encoder-decoder with pre-norm layers.
        hidden_size: the width of a Transformer; of an rnn, each direction of the encoder, and the decoder.
        embedding_size: of an rnn, the width of the vectors of characters; those of a Transformer have its width.
        n_layers: of the encoder.
        n_decoder_layers: of the decoder.
        n_heads: of a Transformer, the attention heads.
        intermediate_size: of a Transformer, the width of the feed-forward parts; null is four times its width.
        activation: of a Transformer, between the two maps of the feed-forward parts.
        cell: of an rnn.
        attention: of an rnn, how its decoder attends to the states of the encoder; with ``none`` the last state is all
            that it knows of the source.
        n_frequent: the frequent entries of a softmax in two levels, which saves time; null is a single softmax over the
            vocabulary.
        dropout: the share of units that are dropped.
        start: a run, a model folder or ``builtin/translate`` whose weights and vocabulary training starts from; its
            sizes are those of this section. null are random weights and the vocabulary of train.
    """

    architecture: Literal["rnn", "transformer"]
    hidden_size: Size = 256
    embedding_size: Size = 256
    n_layers: LayerCount = 1
    n_decoder_layers: LayerCount = 1
    n_heads: Size = 4
    intermediate_size: Size | None = None
    activation: Literal["relu", "gelu"] = "relu"
    cell: Literal["gru", "lstm"] = "gru"
    attention: Attention = "additive"
    n_frequent: Count | None = None
    dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.1
    start: str | None = None


class TeacherForcing(Section):
    """The share of a decoder's inputs in training that are the target's; the others are the model's own predictions.

    It falls on a straight line over the training, from ``start`` to ``end``. Below 1 each step takes a second forward
    pass.
    """

    start: Fraction = 1.0
    end: Fraction = 1.0


class TranslateTraining(TrainingSection):
    """The ``training`` section.

    Attributes:
        max_tokens_per_batch: the maximum number of characters of a batch on either side, padding included; a longer
            pair is a batch of its own.
        label_smoothing: the share of each target that is spread evenly over the other characters.
        teacher_forcing: what the decoder reads.
    """

    max_tokens_per_batch: Count | None = None
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    teacher_forcing: TeacherForcing = TeacherForcing()


class TranslateEvaluation(EvaluationSection):
    """The ``evaluation`` section.

    Attributes:
        num_beams: the beams of the translations of dev; 1 is greedy. Test is translated as ``generation`` says.
        examples: texts that are translated at each evaluation, for VisualDL.
    """

    metric: str = "bleu"
    num_beams: SequenceCount = 1
    examples: tuple[str, ...] = EXAMPLES


class TranslateConfig(RunSection):
    """The whole configuration; ``generation`` is how `predict` translates a text if it is not told otherwise."""

    data: ParallelData
    model: TranslateModel
    generation: GenerationSection = DECODING
    training: TranslateTraining = TranslateTraining()
    evaluation: TranslateEvaluation = TranslateEvaluation()


def check_config(config: TranslateConfig) -> None:
    """Check what the configuration alone can show to be wrong.

    Raises:
        ConfigError: settings do not fit together.
    """
    model = config.model
    if model.architecture == "transformer":
        _refuse(model, ("embedding_size", "cell", "attention"), _("only an rnn has it, found architecture {found}"))
        if model.hidden_size % (2 * model.n_heads):
            message = _("model.hidden_size: {size} is no multiple of twice n_heads, {heads}")
            raise ConfigError(message.format(size=model.hidden_size, heads=2 * model.n_heads))
    else:
        others = ("n_heads", "intermediate_size", "activation")
        _refuse(model, others, _("only a transformer has it, found architecture {found}"))


def _refuse(model: TranslateModel, names: tuple[str, ...], reason: str) -> None:
    for name in names:
        if getattr(model, name) != type(model).model_fields[name].default:
            raise ConfigError(f"model.{name}: {reason.format(found=model.architecture)}")
