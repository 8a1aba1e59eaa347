"""A linear model over the n-grams that two texts share and those that only one of them has."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from paddle_tasks.models.encoders.base import real_positions
from paddle_tasks.models.pair_hashing import HASH_BASE, HASH_PRIME, KIND_STEP, N_BUCKETS


class NgramEvidence(nn.Layer):  # type: ignore[misc]
    """A linear model over the tokens and bigrams of a pair of texts.

    Its features are the n-grams that both texts have, the n-grams that only one text has, and the substitutions: one
    n-gram that only the first text has, with one that only the second text has. 开 against 关 says more than either
    alone. Features are hashed (Weinberger et al. 2009, https://arxiv.org/abs/0902.2206), and the values of a row have
    norm 1. The weights are fitted as a convex problem, not trained by steps: rare features need its penalty, whereas
    Adam moves them as far as frequent ones.
    """

    def __init__(self) -> None:
        super().__init__()
        zeros = nn.initializer.Constant(0.0)
        self.weight = self.create_parameter([N_BUCKETS, 1], default_initializer=zeros)
        self.bias = self.create_parameter([1], is_bias=True)
        for parameter in self.parameters():
            parameter.stop_gradient = True

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logit <float32>[batch, 1] of the second class.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length], 0 in the first text and 1 in the second.
            lengths: <int64>[batch].
        """
        buckets, values = self.features(input_ids, token_type_ids, lengths)
        weights = nn.functional.embedding(buckets, self.weight).squeeze(-1)
        return (weights * values).sum(axis=1, keepdim=True) + self.bias

    def features(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return buckets <int64>[batch, n_features] and values <float32>[batch, n_features]; 0: not a feature."""
        real = real_positions(lengths, input_ids.shape[1])
        bigrams = input_ids[:, :-1] * HASH_BASE + input_ids[:, 1:]
        in_one_text = real[:, 1:] & (token_type_ids[:, :-1] == token_type_ids[:, 1:])
        features = [*_features(0, input_ids, token_type_ids, real)]
        features += _features(2, bigrams, token_type_ids[:, 1:], in_one_text)
        buckets, values = (paddle.concat(list(parts), axis=1) for parts in zip(*features, strict=True))
        return buckets, values / values.sum(axis=1, keepdim=True).sqrt().clip(min=1.0)


def _features(kind: int, grams: Tensor, types: Tensor, real: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return the buckets and values (1 or 0) of n-grams <int64>[batch, n], and those of their substitutions."""
    across = real.unsqueeze(1) & real.unsqueeze(2) & (types.unsqueeze(1) != types.unsqueeze(2))
    shared = (across & (grams.unsqueeze(1) == grams.unsqueeze(2))).any(axis=2)
    single = _bucket(grams * 2 + shared.astype("int64"), kind), real.astype("float32")
    lone = real & ~shared
    is_substitution = (lone & (types == 0)).unsqueeze(2) & (lone & (types == 1)).unsqueeze(1)
    low = paddle.minimum(grams.unsqueeze(1), grams.unsqueeze(2))  # sorted, so that the order of the texts is irrelevant
    high = paddle.maximum(grams.unsqueeze(1), grams.unsqueeze(2))
    substitutions = _bucket(low % HASH_PRIME * HASH_BASE + high, kind + 1)
    return single, (substitutions.flatten(1), is_substitution.astype("float32").flatten(1))


def _bucket(keys: Tensor, kind: int) -> Tensor:
    return (keys % HASH_PRIME * HASH_BASE + kind * KIND_STEP) % HASH_PRIME % N_BUCKETS
