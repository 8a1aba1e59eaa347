"""Small encoder-decoders and batches of random ids for their tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle

from paddle_tasks.models.seq2seq.base import EncoderDecoder, Source, Target, Vocabulary
from paddle_tasks.models.seq2seq.recurrent import RecurrentModel, RecurrentSizes
from paddle_tasks.models.seq2seq.transformer import TransformerModel, TransformerSizes

N_OUTPUTS, START, PAD = 55, 55, 56
VOCABULARY = Vocabulary(57, N_OUTPUTS)
KINDS = ("transformer", "none", "additive", "multiplicative", "lstm")
ATTENTIVE = tuple(kind for kind in KINDS if kind != "none")


def build(kind: str, vocabulary: Vocabulary = VOCABULARY, dropout: float = 0.0) -> EncoderDecoder:
    """Return a model of a kind whose biases are not zero."""
    paddle.seed(1)
    if kind == "transformer":
        model: EncoderDecoder = TransformerModel(vocabulary, TransformerSizes(32, 2, 2, 4, 48), dropout)
    else:
        cell, attention = ("lstm", "additive") if kind == "lstm" else ("gru", kind)
        model = RecurrentModel(vocabulary, RecurrentSizes(16, 20, 2, 2, cell, attention), dropout)
    generator = np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.set_value(parameter.numpy() + 0.1 * generator.standard_normal(parameter.shape).astype(np.float32))
    model.eval()
    return model


def rows(n: int = 4, seed: int = 2) -> tuple[list[list[int]], list[list[int]]]:
    """Return sources and targets of different lengths."""
    generator = np.random.default_rng(seed)
    return tuple([generator.integers(0, N_OUTPUTS, generator.integers(1, 12)).tolist() for _ in range(n)] for _ in "st")


def pad(lists: Sequence[Sequence[int]], length: int | None = None) -> paddle.Tensor:
    """Return lists of ids as a padded tensor."""
    width = length or max(map(len, lists))
    return paddle.to_tensor(np.array([[*ids, *[PAD] * (width - len(ids))] for ids in lists], np.int64))


def source_of(sources: Sequence[Sequence[int]], length: int | None = None) -> Source:
    """Return sources as a batch."""
    return Source(pad(sources, length), paddle.to_tensor([len(ids) for ids in sources]))


def arrays_of(sources: Sequence[Sequence[int]], length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return padded sources and their lengths as arrays."""
    return tuple(tensor.numpy() for tensor in source_of(sources, length))


def target_of(targets: Sequence[Sequence[int]], length: int | None = None) -> Target:
    """Return targets as a batch; they end with id 1."""
    inputs = pad([[START, *ids] for ids in targets], length)
    positions = [row * inputs.shape[1] + n for row, ids in enumerate(targets) for n in range(len(ids) + 1)]
    following = [token for ids in targets for token in (*ids, 1)]
    lengths = [len(ids) + 1 for ids in targets]
    return Target(inputs, *(paddle.to_tensor(np.array(values, np.int64)) for values in (lengths, positions, following)))
