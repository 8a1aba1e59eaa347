"""The configuration of the task novel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paddle_tasks.config import Count, CountOrZero, Size
from paddle_tasks.data.corpus.novels import NovelData
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.language import _
from paddle_tasks.models.encoders.base import check_heads
from paddle_tasks.models.encoders.section import EncoderSection
from paddle_tasks.training.settings import EvaluationSection, RunSection

Architecture = Literal["gpt", "bert-fc", "bert-lstm"]
SCRATCH = "transformer"
"""The encoder of a causal Transformer with random weights."""
PROMPTS = (
    "话说宝玉",
    "却说孔明",
    "“居然有人在自己不知情的时候靠近了，还好没有被人偷袭。”凌风庆幸自己没有被偷袭",
)
DECODING = GenerationSection(do_sample=True, top_p=0.95)
"""How texts are continued without other options: the texts vary and repeat about as much as those of the authors."""
N_CONTINUATIONS = 100
"""Passages of each kind that are continued; the n-grams and the models that they are compared with have as many."""


class NovelTaskData(NovelData):
    """The ``data`` section: chapters, and what a model reads of them.

    Attributes:
        window: the characters that a model reads at most before the one that it predicts.
        stride: of the window models, the distance between two targets of an epoch; null is a window.
        mask_at_end: of the window models, what stands after the characters of a window: ``none`` is only [SEP];
            ``fixed`` is a [MASK] in the place of the next character; ``varying`` shortens each window of training at
            random and fills the rest with [MASK], too.
    """

    window: Annotated[Size, Field(ge=2)] = 256
    stride: Count | None = None
    mask_at_end: Literal["none", "fixed", "varying"] = "none"


class NovelModel(EncoderSection):
    """The ``model`` section.

    Attributes:
        architecture: ``gpt`` is a causal Transformer; ``bert-fc`` and ``bert-lstm`` are an encoder over a window with
            two fully connected layers, or with an LSTM over its states.
        encoder: the pretrained model whose weights are the start; for a ``gpt`` also ``transformer``, random weights.
        n_frequent: the frequent entries of a softmax in two levels, which saves time; null is a single softmax over the
            vocabulary.
        attention: of a ``bert-lstm``, whether its last state attends to all of its states.
        hidden_size: of a ``gpt`` from random weights its states, of the others the first fully connected layer or the
            LSTM.
    """

    architecture: Architecture
    encoder: str = SCRATCH
    n_frequent: Count | None = None
    attention: bool = False


class NovelEvaluation(EvaluationSection):
    """The ``evaluation`` section.

    Attributes:
        stride: of a ``gpt``, the characters that a window scores after the first one of a chapter, each from at least
            ``data.window`` minus as many; null is half a window.
        mixture_order: score the mixture with n-grams of up to this length too, with the weight that is best on dev;
            null is off.
        prompts: texts that are continued at each evaluation, for VisualDL.
        prompt_length: the characters of each continuation.
        n_continuations: when test is scored, continue so many passages of it and of train as ``generation`` says, and
            measure variety, repetition and copies; 0 is off.
        precision: of the scores of characters; ``bfloat16`` saves half the time of the window models, which encode a
            window for each character, where a device multiplies it faster. Other devices compute in float32.
    """

    metric: str = "loss"
    stride: Count | None = None
    mixture_order: Annotated[int, Field(ge=1, le=8)] | None = None
    prompts: tuple[str, ...] = PROMPTS
    prompt_length: Count = 60
    n_continuations: CountOrZero = N_CONTINUATIONS
    precision: Literal["float32", "bfloat16"] = "float32"


class NovelConfig(RunSection):
    """The whole configuration; ``generation`` is how `predict` continues a text if it is not told otherwise."""

    data: NovelTaskData
    model: NovelModel
    generation: GenerationSection = DECODING
    evaluation: NovelEvaluation = NovelEvaluation()


def check_config(config: NovelConfig) -> None:
    """Check what the configuration alone can show to be wrong.

    Raises:
        ConfigError: settings do not fit together.
    """
    data, model, stride = config.data, config.model, config.evaluation.stride
    is_causal = model.architecture == "gpt"
    if is_causal and (data.stride is not None or data.mask_at_end != "none"):
        name = "stride" if data.stride is not None else "mask_at_end"
        message = _("data.{name}: a gpt predicts every character of a window; leave it out")
        raise ConfigError(message.format(name=name))
    if is_causal and model.encoder == SCRATCH:
        check_heads(model)
    if not is_causal and stride is not None:
        message = _("evaluation.stride: only a gpt has it, found architecture {found}")
        raise ConfigError(message.format(found=model.architecture))
    if not is_causal and model.encoder == SCRATCH:
        message = _(
            "model.encoder: {architecture} reads windows with a pretrained encoder, such as builtin/ernie-mini-zh, "
            "found transformer"
        )
        raise ConfigError(message.format(architecture=model.architecture))
    if stride is not None and stride > data.window:
        message = _("evaluation.stride: {stride} is more than data.window, {window}")
        raise ConfigError(message.format(stride=stride, window=data.window))
    if model.attention and model.architecture != "bert-lstm":
        message = _("model.attention: only a bert-lstm has it, found architecture {found}")
        raise ConfigError(message.format(found=model.architecture))
