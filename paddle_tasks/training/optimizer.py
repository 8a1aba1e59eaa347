"""AdamW with weight decay groups, gradient descent, the learning rate schedule, freezing, and gradient scaling."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Container, Iterable, Sequence

import paddle
from paddle import nn

from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.language import _
from paddle_tasks.models.gradients import gradient_entries, without_gradients
from paddle_tasks.training.settings import OptimizerSection


def learning_rate(settings: OptimizerSection, step: int, total_steps: int) -> float:
    """Return the learning rate of a step, counted from 0.

    It rises linearly during the warm-up; then it falls to 0, linearly or as a cosine, or stays constant. With
    ``learning_rate=8``, ``warmup_fraction=0.2`` and the linear schedule, 10 steps have the rates 4, 8, 8, 7, 6, 5, 4,
    3, 2, 1.
    """
    warmup_steps = math.ceil(settings.warmup_fraction * total_steps)
    if step < warmup_steps:
        return settings.learning_rate * ((step + 1) / warmup_steps)
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    factor = 1 - progress if settings.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return settings.learning_rate * factor


def freeze(model: nn.Layer, patterns: Sequence[str]) -> int:
    """Freeze every parameter whose structured name matches a shell pattern, such as ``encoder.*``.

    Returns:
        The number of frozen weights (scalars, not tensors).

    Raises:
        ConfigError: a pattern matches nothing, or every parameter would be frozen.
    """
    parameters = dict(model.named_parameters())
    frozen = {name for pattern in patterns for name in _matching(parameters, pattern, "training.freeze")}
    if all(parameter.stop_gradient or name in frozen for name, parameter in parameters.items()):
        raise ConfigError(_("training.freeze: every parameter is frozen, so there is nothing to train"))
    for name in frozen:
        parameters[name].stop_gradient = True
    return sum(math.prod(parameters[name].shape) for name in frozen)


def _matching(names: Iterable[str], pattern: str, key: str) -> list[str]:
    """Return the names that match a shell pattern; ``key`` is the pattern's configuration key, for the message."""
    names = list(names)
    matching = fnmatch.filter(names, pattern)
    if not matching:
        near = did_you_mean(pattern, [*names, *_patterns_of_layers(names)])
        raise ConfigError(
            _("{key}: {pattern!r} matches no parameter{near} (the first parameter is {first})").format(
                key=key, pattern=pattern, near=near, first=names[0]
            )
        )
    return matching


def _patterns_of_layers(names: Iterable[str]) -> list[str]:
    """Return a pattern for each layer that has some of the parameters: ``a.b.weight`` gives ``a.*`` and ``a.b.*``."""
    parts = [name.split(".") for name in names]
    layers = {".".join(own[:depth]) for own in parts for depth in range(1, len(own))}
    return sorted(f"{layer}.*" for layer in layers)


def decayed_parameters(model: nn.Layer) -> set[str]:
    """Return the generated names of the parameters with weight decay: all except biases and layer normalisation.

    Source: the recipe of BERT (Devlin et al. 2019, github.com/google-research/bert, optimization.py).
    """
    norms = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, nn.LayerNorm)]
    exempt = {parameter.name for layer in norms for parameter in layer.parameters(include_sublayers=False)}
    return {
        parameter.name
        for name, parameter in model.named_parameters()
        if parameter.name not in exempt and "bias" not in name.rsplit(".", 1)[-1]
    }


_LAYER = re.compile(r"\.layers\.(\d+)\.")
# Names of parameters below the first layer, in PaddleNLP's encoders (ELECTRA projects its embeddings) and in ours.
_EMBEDDING = re.compile(r"\.(embeddings?|embeddings_project|positions)\.")


def layer_rate_factors(model: nn.Layer, layer_decay: float) -> dict[str, float]:
    """Return the factor of each parameter's learning rate, by structured name.

    The factor is 1 for the head and is multiplied by ``layer_decay`` for each layer further down, to the embeddings.
    Two layers and ``layer_decay=0.5`` give: head and pooler 1, layer 2 0.5, layer 1 0.25, embeddings 0.125.

    Source: Howard & Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.2, with the same decay for each layer.

    Raises:
        ConfigError: ``layer_decay`` is below 1 and the model has no Transformer layers.
    """
    layers = {name: int(match[1]) for name, _ in model.named_parameters() if (match := _LAYER.search(name))}
    if layer_decay < 1 and not layers:
        raise ConfigError(_("optimizer.layer_decay: this encoder has no Transformer layers; leave layer_decay at 1"))
    n_layers = max(layers.values(), default=0) + 1
    # Heights: embeddings 0, layers from 1 on, everything else (pooler, head) above them.
    heights = {name: 0 if _EMBEDDING.search(name) else n_layers + 1 for name, _ in model.named_parameters()}
    heights |= {name: index + 1 for name, index in layers.items()}
    return {name: layer_decay ** (n_layers + 1 - height) for name, height in heights.items()}


def pattern_rate_factors(model: nn.Layer, settings: OptimizerSection) -> dict[str, float]:
    """Return the learning rate factors that ``learning_rates`` gives to parameters, by structured name.

    Where patterns overlap, the last one counts.

    Raises:
        ConfigError: a pattern matches nothing.
    """
    names = [name for name, _ in model.named_parameters()]
    return {
        name: rate / settings.learning_rate
        for pattern, rate in settings.learning_rates.items()
        for name in _matching(names, pattern, "optimizer.learning_rates")
    }


def group_rate_factors(model: nn.Layer, settings: OptimizerSection) -> dict[str, float]:
    """Return the learning rate factor of each group of parameters; empty if all parameters have the same rate.

    Each pattern of ``learning_rates`` is a group. With ``layer_decay``, the other parameters form the groups
    ``embeddings``, ``layer_1``, ``layer_2``, … and ``head``; without it, one group ``others``.
    """
    by_pattern = pattern_rate_factors(model, settings)
    by_layer = layer_rate_factors(model, settings.layer_decay)
    others = {name: factor for name, factor in by_layer.items() if name not in by_pattern}
    if len(set(others.values())) > 1:
        groups = {_layer_group(name): factor for name, factor in others.items()}
    else:
        groups = {"others": 1.0} if others else {}
    patterns = {pattern: rate / settings.learning_rate for pattern, rate in settings.learning_rates.items()}
    return {**groups, **patterns} if len(groups) + len(patterns) > 1 else {}


def _layer_group(name: str) -> str:
    layer = _LAYER.search(name)
    if layer:
        return f"layer_{int(layer[1]) + 1}"
    return "embeddings" if _EMBEDDING.search(name) else "head"


def build_optimizer(model: nn.Layer, settings: OptimizerSection) -> paddle.optimizer.Optimizer:
    """Return the optimiser of the trainable parameters; the caller sets the learning rate before each step."""
    decayed = decayed_parameters(model)
    factors = {**layer_rate_factors(model, settings.layer_decay), **pattern_rate_factors(model, settings)}
    for name, parameter in model.named_parameters():
        parameter.optimize_attr = {"learning_rate": factors[name]}  # AdamW's lr_ratio does not work on a CPU
    trained = [parameter for parameter in model.parameters() if not parameter.stop_gradient]
    if settings.kind == "sgd":
        return _build_sgd(trained, settings, decayed)
    return paddle.optimizer.AdamW(
        learning_rate=settings.learning_rate,
        beta1=settings.beta1,
        beta2=settings.beta2,
        epsilon=settings.epsilon,
        parameters=trained,
        weight_decay=settings.weight_decay,
        apply_decay_param_fun=decayed.__contains__,
        multi_precision=True,
    )


def _build_sgd(
    trained: Sequence[paddle.Tensor], settings: OptimizerSection, decayed: Container[str]
) -> paddle.optimizer.SGD:
    for parameter in trained:  # Paddle's SGD has no function that tells which parameters decay
        is_decayed = settings.weight_decay and parameter.name in decayed
        parameter.regularizer = paddle.regularizer.L2Decay(settings.weight_decay) if is_decayed else None
    return paddle.optimizer.SGD(settings.learning_rate, parameters=trained, multi_precision=True)


@without_gradients
def scale_gradients(parameters: Iterable[paddle.Tensor], count: float, max_norm: float | None) -> float:
    """Divide summed gradients by ``count`` and clip them to a global norm, in one pass.

    Nothing is scaled if a gradient is not finite.

    Args:
        parameters: those without a gradient are ignored. Of a sparse gradient, rows with the same index are not added
            up for the norm.
        count: number of summands of the loss.
        max_norm: maximum global norm of the mean gradient; None for no clipping.

    Returns:
        The global norm of the mean gradient before clipping; not finite if a gradient is not.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return 0.0  # the loss of this step did not depend on any weight
    squares = [paddle.sum(paddle.square(gradient_entries(gradient).astype("float32"))) for gradient in gradients]
    norm = math.sqrt(float(paddle.add_n(squares))) / count
    if not math.isfinite(norm):
        return norm
    factor = 1.0 if max_norm is None or norm <= max_norm else max_norm / norm
    if factor != count:
        for gradient in gradients:
            gradient.scale_(factor / count)
    return norm
