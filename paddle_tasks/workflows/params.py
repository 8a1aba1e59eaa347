"""Count the parameters of a model by part, by formula and on the real Layer, and estimate what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle import nn

from paddle_tasks.errors import CheckpointError, ConfigError, did_you_mean
from paddle_tasks.files import expand_user, is_dir, is_file, read_json_object
from paddle_tasks.language import _, join
from paddle_tasks.models.encoders.architectures import ARCHITECTURES, classes
from paddle_tasks.models.encoders.paddlenlp import build_outline
from paddle_tasks.models.parameters.cost import LayerSizes, compute_cost
from paddle_tasks.models.parameters.encoders import encoder_parts
from paddle_tasks.models.parameters.layers import find_sizes, layer_parts
from paddle_tasks.models.parameters.networks import GATES, NetworkSizes, recurrent_parts, transformer_parts
from paddle_tasks.models.parameters.published import PUBLISHED
from paddle_tasks.models.pretrained import hub
from paddle_tasks.models.pretrained.loading import builtin_names, read_config
from paddle_tasks.models.pretrained.names import ASSETS, BUILTIN
from paddle_tasks.workflows.parameter_report import ParameterReport
from paddle_tasks.workflows.task_layers import build_layer, find_trained, is_configuration, refuse_settings

NETWORKS = (*GATES, "transformer")
_DEFAULT_SIZES: dict[str, dict[str, int]] = {
    **{name: {"inputs": 300, "hidden": 128, "layers": 1, "bidirectional": False} for name in GATES},
    "transformer": {"hidden": 512, "layers": 6, "heads": 8, "inner": 0},
}
_RECURRENT = {"rnn": nn.SimpleRNN, "gru": nn.GRU, "lstm": nn.LSTM}
_CONFIG_TYPE = "model_type"


def params(  # noqa: PLR0913 - the sizes of a network
    model: str | Path,
    settings: Sequence[str] = (),
    *,
    inputs: int | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    bidirectional: bool = False,
    heads: int | None = None,
    inner: int | None = None,
    length: int = 128,
) -> ParameterReport:
    """Count the parameters of a model.

    Nothing is downloaded, and for the names of encoders no weights are read. A configuration is built as `train` builds
    it, which reads its data: the sizes of vocabulary and output layer depend on it.

    >>> from paddle_tasks import params
    >>> params("bert-base-chinese").measured
    102267648

    Args:
        model: a published name, ``builtin/NAME``, a configuration file, a run or model folder, a config.json, ``rnn``,
            ``gru``, ``lstm`` or ``transformer``. The sizes below are those of the last four.
        settings: KEY=VALUE that replace those of a configuration file.
        inputs: size of an input vector of a recurrent network; 300 by default.
        hidden: size of a state; 128 for a recurrent network, and 512 for a Transformer.
        layers: number of layers; 1 for a recurrent network, and 6 each in encoder and decoder of a Transformer.
        bidirectional: whether a recurrent network also reads backwards.
        heads: heads of attention of a Transformer; 8 by default.
        inner: inner width of a Transformer's feed-forward parts; four times ``hidden`` by default.
        length: the length of a text in tokens, for the estimates.

    Raises:
        ConfigError: there is no such model, or its sizes do not fit together.
        CheckpointError: a config.json cannot be read, or is not that of a supported encoder.
    """
    name = str(model)
    sizes = {"inputs": inputs, "hidden": hidden, "layers": layers, "bidirectional": bidirectional or None}
    given = {key: size for key, size in (sizes | {"heads": heads, "inner": inner}).items() if size is not None}
    _check_positive(length, *given.values())
    if name in NETWORKS:
        refuse_settings(name, settings)
        return _count_network(name, _network_sizes(name, given), length)
    report = _count_named(name, settings, length)  # which says first that there is no such model
    _refuse_sizes(name, given)
    return report


def _count_named(name: str, settings: Sequence[str], length: int) -> ParameterReport:
    """Count the parameters of a configuration, a run or model folder, or a published encoder."""
    if is_configuration(name):
        return _count_layer(name, build_layer(name, settings), length)
    refuse_settings(name, settings)
    trained = None if name in PUBLISHED else find_trained(name)
    return _count_layer(name, trained.model, length) if trained else _count_encoder(name, length)


def _count_layer(name: str, layer: nn.Layer, length: int) -> ParameterReport:
    parts, counted = layer_parts(layer), _sizes_of(lambda: layer)
    return ParameterReport(name, parts, counted, compute_cost(parts, len(counted), find_sizes(layer), length))


def _check_positive(*sizes: int) -> None:
    if min(sizes) < 1:
        raise ConfigError(_("params: sizes are at least 1, found {found}").format(found=min(sizes)))


def _refuse_sizes(name: str, given: Mapping[str, int]) -> None:
    """Refuse sizes that a model does not have, or has of its own."""
    others = [size for size in given if size not in _DEFAULT_SIZES.get(name, ())]
    if others and name in NETWORKS:
        message = _("{model}: has no {others}; its sizes are {known}")
        raise ConfigError(message.format(model=name, others=join(others), known=join(list(_DEFAULT_SIZES[name]))))
    if others:
        message = _("{model}: has its own sizes, so not with {options}; they are for {networks}")
        raise ConfigError(message.format(model=name, options=join(others), networks=join(NETWORKS)))


def _network_sizes(name: str, given: Mapping[str, int]) -> NetworkSizes:
    _refuse_sizes(name, given)
    sizes = {"inputs": 1, "bidirectional": False, "heads": 1, "inner": 0, **_DEFAULT_SIZES[name], **given}
    return NetworkSizes(
        sizes["inputs"],
        sizes["hidden"],
        sizes["layers"],
        bool(sizes["bidirectional"]),
        sizes["heads"],
        sizes["inner"] or 4 * sizes["hidden"],
    )


def _count_network(name: str, sizes: NetworkSizes, length: int) -> ParameterReport:
    if name == "transformer":
        if sizes.n_hidden % sizes.n_heads:
            message = _("params: hidden size {size} is no multiple of {heads} heads")
            raise ConfigError(message.format(size=sizes.n_hidden, heads=sizes.n_heads))
        parts = transformer_parts(sizes)
        n, layer = sizes.n_layers, LayerSizes(2 * sizes.n_layers, sizes.n_hidden, sizes.n_inner, sizes.n_heads)
        counted = _sizes_of(lambda: nn.Transformer(sizes.n_hidden, sizes.n_heads, n, n, sizes.n_inner))
    else:
        parts, layer = recurrent_parts(name, sizes), LayerSizes()
        size = (sizes.n_inputs, sizes.n_hidden, sizes.n_layers)
        direction = "bidirect" if sizes.bidirectional else "forward"
        counted = _sizes_of(lambda: _RECURRENT[name](*size, direction=direction))
    return ParameterReport(name, parts, counted, compute_cost(parts, len(counted), layer, length))


def _sizes_of(build: Callable[[], nn.Layer]) -> dict[str, int]:
    """Return the size of each parameter of a Layer."""
    layer = build()
    return {name: int(parameter.size) for name, parameter in layer.named_parameters()}


def _count_encoder(name: str, length: int) -> ParameterReport:
    published = PUBLISHED.get(name)
    model_type, fields = (published.model_type, published.fields) if published else _configuration(name)
    kind, config = ARCHITECTURES[model_type], classes(model_type)[1](**fields)
    known = {key: getattr(config, key) for key in kind.fields if hasattr(config, key)}
    parts = encoder_parts(model_type, known, has_pooler=kind.has_pooler)
    counted = _sizes_of(lambda: build_outline(model_type, fields))
    layers = LayerSizes(
        config.num_hidden_layers, config.hidden_size, config.intermediate_size, config.num_attention_heads
    )
    cost = compute_cost(parts, len(counted), layers, length)
    quoted = {"source": published.source, "quoted": published.quoted} if published else {}
    return ParameterReport(name, parts, counted, cost, **quoted)


def _configuration(name: str) -> tuple[str, dict[str, Any]]:
    """Return the kind and the sizes of a model that is not among the published ones.

    Raises:
        ConfigError: there is no such model.
        CheckpointError: its kind is not supported.
    """
    path = ASSETS / name.removeprefix(BUILTIN) if name in builtin_names() else expand_user(name)
    if is_dir(path):
        config = read_config(path)
    elif is_file(path) and path.suffix == ".json":
        config = read_json_object(path, CheckpointError)
    elif name in hub.names():
        config = hub.configuration(name)
    else:
        known = [*NETWORKS, *PUBLISHED, *builtin_names()]
        message = _("{name}: no such model{near} (known: {known}, a PaddleNLP name, a model folder or its config.json)")
        near = did_you_mean(name, [*known, *hub.names()])
        raise ConfigError(message.format(name=name, near=near, known=join(known)))
    return _checked_fields(name, config)


def _checked_fields(name: str, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    model_type = str(config.get(_CONFIG_TYPE))
    if model_type not in ARCHITECTURES:
        message = _("{name}: its configuration is of a {kind} model, expected one of {known}")
        raise CheckpointError(message.format(name=name, kind=model_type, known=join(list(ARCHITECTURES))))
    kind = ARCHITECTURES[model_type]
    fields = {key: config[key] for key in kind.fields if key in config}
    # Hugging Face omits other defaults than PaddleNLP.
    return model_type, {**kind.torch_defaults, **fields} if "transformers_version" in config else fields
