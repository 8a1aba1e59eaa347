"""AdamW with its decay groups, the learning rate as a function of the step, freezing, and gradient scaling."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterable, Sequence

import paddle
from paddle import nn

from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.training.settings import OptimizerSection


def learning_rate(settings: OptimizerSection, step: int, total_steps: int) -> float:
    """Return the learning rate of a step, counted from 0: a linear warm-up, then linear or cosine down to 0."""
    warmup_steps = math.ceil(settings.warmup_fraction * total_steps)
    if step < warmup_steps:
        return settings.learning_rate * ((step + 1) / warmup_steps)
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    factor = 1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return settings.learning_rate * factor


def freeze(model: nn.Layer, patterns: Sequence[str]) -> int:
    """Stop the gradients of every parameter whose structured name matches a shell pattern, such as ``encoder.*``.

    Returns:
        The number of weights (not of tensors) that stay as they are.

    Raises:
        ConfigError: a pattern matches nothing, or nothing is left to train.
    """
    parameters = dict(model.named_parameters())
    frozen = {name for pattern in patterns for name in _matching(parameters, pattern, "training.freeze")}
    if all(parameter.stop_gradient or name in frozen for name, parameter in parameters.items()):
        raise ConfigError("training.freeze: every parameter is frozen, nothing is left to train")
    for name in frozen:
        parameters[name].stop_gradient = True
    return sum(math.prod(parameters[name].shape) for name in frozen)


def _matching(names: Iterable[str], pattern: str, key: str) -> list[str]:
    """Return the names that match a pattern which stands under a key of the configuration."""
    names = list(names)
    found = fnmatch.filter(names, pattern)
    if not found:
        hint = did_you_mean(pattern, names)
        raise ConfigError(f"{key}: {pattern!r} matches no parameter{hint} (first: {names[0]})")
    return found


def decays(model: nn.Layer) -> set[str]:
    """Return Paddle's names of the parameters that weight decay applies to: all but biases and normalisation.

    Source: the recipe of BERT (Devlin et al. 2019, github.com/google-research/bert, optimization.py).
    """
    norms = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, nn.LayerNorm)]
    exempt = {parameter.name for layer in norms for parameter in layer.parameters(include_sublayers=False)}
    named = model.named_parameters()
    return {p.name for name, p in named if p.name not in exempt and "bias" not in name.rsplit(".", 1)[-1]}


_LAYER = re.compile(r"\.layers\.(\d+)\.")
# As PaddleNLP's encoders (ELECTRA projects its embeddings) and ours name what lies below the first layer.
_EMBEDDING = re.compile(r"\.(embeddings?|embeddings_project|positions)\.")


def rate_ratios(model: nn.Layer, layer_decay: float) -> dict[str, float]:
    """Return what each parameter's learning rate is multiplied with, by its structured name.

    The head has the whole rate, the layer below it ``layer_decay`` of it, and so on down to the embeddings. Source:
    Howard & Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.2, with the decay of each layer fixed.

    Raises:
        ConfigError: the model has no layers to tell apart.
    """
    layers = {name: int(found[1]) for name, _ in model.named_parameters() if (found := _LAYER.search(name))}
    if layer_decay < 1 and not layers:
        raise ConfigError("optimizer.layer_decay: this encoder has no Transformer layers to tell apart; leave it at 1")
    top = max(layers.values(), default=0) + 1
    # What is neither in a layer nor an embedding (pooler, head) stands above them.
    depths = {name: 0 if _EMBEDDING.search(name) else top + 1 for name, _ in model.named_parameters()}
    depths |= {name: place + 1 for name, place in layers.items()}
    return {name: layer_decay ** (top + 1 - depth) for name, depth in depths.items()}


def own_ratios(model: nn.Layer, settings: OptimizerSection) -> dict[str, float]:
    """Return `rate_ratios` of the parameters that ``learning_rates`` names, by their structured names.

    Raises:
        ConfigError: a pattern matches nothing.
    """
    names = [name for name, _ in model.named_parameters()]
    return {
        name: rate / settings.learning_rate
        for pattern, rate in settings.learning_rates.items()
        for name in _matching(names, pattern, "optimizer.learning_rates")
    }


def rate_groups(model: nn.Layer, settings: OptimizerSection) -> dict[str, float]:
    """Return what the learning rate is multiplied with in each group that has a rate of its own; empty when none has.

    The groups are the patterns of ``learning_rates``; of the rest with ``layer_decay``: ``embeddings``, the encoder's
    layers from ``layer_1`` on, and ``head``; without it they are ``others``.
    """
    own = own_ratios(model, settings)
    rest = {name: ratio for name, ratio in rate_ratios(model, settings.layer_decay).items() if name not in own}
    ratios = sorted(set(rest.values()), reverse=True)
    groups = (
        {_group(name): ratio for name, ratio in rest.items()}
        if len(ratios) > 1
        else dict.fromkeys(["others"] * bool(rest), 1.0)
    )
    chosen = {pattern: rate / settings.learning_rate for pattern, rate in settings.learning_rates.items()}
    return {**groups, **chosen} if len(groups) + len(chosen) > 1 else {}


def _group(name: str) -> str:
    layer = _LAYER.search(name)
    if layer:
        return f"layer_{int(layer[1]) + 1}"
    return "embeddings" if _EMBEDDING.search(name) else "head"


def build_optimizer(model: nn.Layer, settings: OptimizerSection) -> paddle.optimizer.AdamW:
    """Return AdamW over the parameters that are not frozen; the learning rate is set before each step."""
    decayed = decays(model)
    ratios = {**rate_ratios(model, settings.layer_decay), **own_ratios(model, settings)}
    for name, parameter in model.named_parameters():
        parameter.optimize_attr = {"learning_rate": ratios[name]}  # AdamW's own lr_ratio is refused on a CPU
    return paddle.optimizer.AdamW(
        learning_rate=settings.learning_rate,
        beta1=settings.beta1,
        beta2=settings.beta2,
        epsilon=settings.epsilon,
        parameters=[parameter for parameter in model.parameters() if not parameter.stop_gradient],
        weight_decay=settings.weight_decay,
        apply_decay_param_fun=decayed.__contains__,
        multi_precision=True,
    )


@paddle.no_grad()  # type: ignore[untyped-decorator]
def scale_gradients(parameters: Iterable[paddle.Tensor], count: float, max_norm: float | None) -> float:
    """Divide summed gradients by ``count`` and clip them to a global norm, in one pass.

    Returns:
        The global norm of the mean gradient before clipping; not finite when a gradient is not.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return 0.0  # nothing in the step had to do with a weight
    squares = [paddle.sum(paddle.square(gradient.astype("float32"))) for gradient in gradients]
    norm = math.sqrt(float(paddle.add_n(squares))) / count
    if not math.isfinite(norm):
        return norm
    factor = 1.0 if max_norm is None or norm <= max_norm else max_norm / norm
    for gradient in gradients:
        gradient.scale_(factor / count)
    return norm
