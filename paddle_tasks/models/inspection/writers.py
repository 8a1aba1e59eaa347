"""What models that write compute: a causal Transformer, and encoder-decoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from paddle_tasks.arrays import Array
from paddle_tasks.language import _
from paddle_tasks.models.causal_lm import CausalLanguageModel
from paddle_tasks.models.encoders.attention_map import attention_weights
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.inspection.outputs import (
    Check,
    Findings,
    Output,
    attentions,
    hidden_states,
    largest_difference,
    rows_sum_to_one,
)
from paddle_tasks.models.paddle_free.causal_lm import CausalWriter, Shape
from paddle_tasks.models.seq2seq.base import EncoderDecoder, Memory, Source, Target
from paddle_tasks.models.seq2seq.transformer import TransformerModel


@without_gradients
def inspect_causal(model: CausalLanguageModel, ids: Array) -> Findings:
    """Return what a causal Transformer computes for a text; dropout must be off.

    Args:
        model: the model.
        ids: <int64>[length], the start entry and the text.
    """
    inputs: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _layer, given: inputs.append(given[0])) for layer in model.layers]
    try:
        last = model(paddle.to_tensor(ids[None]))
    finally:
        for hook in hooks:
            hook.remove()
    pairs = zip(model.layers, inputs, strict=True)
    maps = np.stack([attention_weights(layer, given, causal=True) for layer, given in pairs])
    states = np.stack([*(given[0].numpy() for given in inputs), last[0].numpy()])
    log_probs = model.output.log_probs(last[0], model.words.weight).numpy()
    keys, values, written = _cached(model, ids)
    rating = _("the log-probability of each entry as the next one, at each position")
    cache = _("the {name} of the text so far (past_key_values), so that the next character costs one position only")
    outputs = (
        hidden_states(states),
        Output("log_probs", _("length, entries"), log_probs, rating),
        attentions(maps),
        Output("past_keys", _("layers, heads, length, size"), keys, cache.format(name="keys")),
        Output("past_values", _("layers, heads, length, size"), values, cache.format(name="values")),
    )
    above = float(np.triu(maps, k=1).max(initial=0))
    checks = (
        rows_sum_to_one(maps),
        Check(_("no position attends to a later one"), above),
        Check(_("written one by one with the cache, the last rating is the same"), _last(written, log_probs)),
    )
    return Findings(outputs, checks, (_("cross_attentions: none, since there is no source to attend to"),))


def _cached(model: CausalLanguageModel, ids: Array) -> tuple[Array, Array, Array]:
    """Return keys and values <float32>[layers, heads, length, size] and the last log-probabilities, one by one."""
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    shape = Shape(model.sizes.n_heads, model.output.n_frequent, model.sizes.pre_norm)
    writer = CausalWriter(arrays, shape, int(ids[0]))
    state, log_probs = writer.start([[]])
    for token in ids[1:].tolist():
        state, log_probs = writer.advance(state, [token])
    keys, values = (np.stack([array[0, :, : len(ids)] for array in arrays]) for arrays in (state.keys, state.values))
    return keys, values, log_probs[0]


def _last(written: Array, log_probs: Array) -> float:
    """Return the difference between probabilities: those of entries that are never chosen have huge logarithms."""
    return largest_difference(np.exp(written), np.exp(log_probs[-1]))


@without_gradients
def inspect_translator(model: EncoderDecoder, source_ids: Array, input_ids: Array) -> Findings:
    """Return what an encoder-decoder computes for a source and a target; dropout must be off.

    Args:
        model: the model.
        source_ids: <int64>[source length].
        input_ids: <int64>[length], the start entry and the target.
    """
    source = Source(paddle.to_tensor(source_ids[None]), paddle.to_tensor([len(source_ids)]))
    positions = paddle.arange(len(input_ids))
    inputs = paddle.to_tensor(input_ids[None])
    target = Target(inputs, paddle.to_tensor([len(input_ids)]), positions, positions)
    memory = model.encode(source)
    states = model.decode(memory, target)
    log_probs = model.output.log_probs(states[0], model.words.weight).numpy()
    read = _("the states of the source, read once; the decoder attends to all of them")
    before = _("the state before each next entry, which the output layer reads")
    outputs = [
        Output("encoder_states", _("source length, width"), memory.states[0].numpy(), read),
        Output("decoder_states", _("length, width"), states[0].numpy(), before),
        Output("log_probs", _("length, entries"), log_probs, _("the log-probability of each entry as the next one")),
    ]
    if isinstance(model, TransformerModel):
        outputs += list(_decoder_outputs(model, memory, inputs))
    elif model.has_attention:
        outputs.append(_crossed(model.attention(source, target).numpy()[None]))
    if memory.last is not None:
        last = _("the last states of the encoder, from which the decoder starts")
        outputs.append(Output("encoder_last", _("width"), memory.last[0].numpy(), last))
    checks = tuple(rows_sum_to_one(output.array) for output in outputs if output.name.endswith("attentions"))
    return Findings(tuple(outputs), checks)


def _crossed(array: Array) -> Output:
    purpose = _("how much each position of the target takes from each position of the source")
    return Output("cross_attentions", _("layers, heads, length, source length"), array, purpose)


def _decoder_outputs(model: TransformerModel, memory: Memory, input_ids: Tensor) -> Iterator[Output]:
    """Yield the attentions and the cache of a Transformer's decoder."""
    found: dict[str, list[Array]] = {"cross": [], "own": [], "keys": [], "values": []}
    for layer, states in _decoder_inputs(model, memory, input_ids):
        own = layer.attention
        _queries, keys, values = own.project(states)
        rows = zip(found.values(), (layer.weights(states, memory), own.weights(states), keys, values), strict=True)
        for arrays, tensor in rows:
            arrays.append(tensor[0].numpy())
    cross, weights, keys, values = (np.stack(arrays) for arrays in found.values())
    yield _crossed(cross)
    yield attentions(weights)
    cache = _("the {name} of the target so far (past_key_values), so that each step computes one position only")
    for name, array in (("keys", keys), ("values", values)):
        axes = _("layers, heads, length, size")
        yield Output(f"past_{name}", axes, array, cache.format(name=name))


def _decoder_inputs(model: TransformerModel, memory: Memory, input_ids: Tensor) -> Iterator[tuple[Any, Tensor]]:
    """Yield each layer of the decoder with its inputs."""
    states = model.embed(input_ids)
    for layer in model.decoder:
        yield layer, states
        states = layer(states, memory)
