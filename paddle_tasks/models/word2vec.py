"""word2vec: skip-gram and CBOW with negative sampling or a full softmax (Mikolov et al. 2013).

Sources: https://arxiv.org/abs/1301.3781 and https://arxiv.org/abs/1310.4546; noise words that are shared by the words
of a block: Ji et al. 2016, https://arxiv.org/abs/1604.04661.
"""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

Architecture = Literal["skip_gram", "cbow"]


class Word2Vec(nn.Layer):  # type: ignore[misc]
    """Two vectors of each word: as a word, which is what one uses afterwards, and as a context.

    Args:
        n_words: the size of the vocabulary.
        size: the size of a vector.
        architecture: ``skip_gram`` predicts each context from a word, ``cbow`` a word from the mean of its contexts.
        full_softmax: whether predictions are over the whole vocabulary, with dense gradients of the output vectors.
    """

    def __init__(self, n_words: int, size: int, architecture: Architecture, *, full_softmax: bool = False) -> None:
        super().__init__()
        start = nn.initializer.Uniform(-0.5 / size, 0.5 / size)  # and zeros, as in word2vec.c
        self.words = nn.Embedding(n_words, size, sparse=True, weight_attr=paddle.ParamAttr(initializer=start))
        zeros = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.outputs = nn.Embedding(n_words, size, sparse=not full_softmax, weight_attr=zeros)
        self.architecture, self.full_softmax = architecture, full_softmax

    def forward(self, centres: Tensor, contexts: Tensor, is_pair: Tensor, noise: Tensor, n_negatives: float) -> Tensor:
        """Return the summed loss <float32>[] of blocks.

        Args:
            centres: <int64>[blocks, size].
            contexts: <int64>[blocks, places].
            is_pair: <float32>[blocks, size, places], 1 where a context belongs to a word.
            noise: <int64>[blocks, shared]; unused with a full softmax.
            n_negatives: how many negatives each prediction counts.
        """
        n_pairs = is_pair.sum(axis=2, keepdim=True)
        if self.architecture == "skip_gram":
            states, targets, weights = self.words(centres), contexts, is_pair
            repeats = n_pairs
        else:
            means = is_pair / paddle.clip(n_pairs, min=1.0)
            states, targets = paddle.matmul(means, self.words(contexts)), centres
            repeats = (n_pairs > 0).astype("float32")
            weights = paddle.eye(centres.shape[1]) * repeats
        if self.full_softmax:
            return self._softmax_loss(states, targets, weights, repeats)
        return self._sampled_loss(states, paddle.concat([targets, noise], axis=1), weights, repeats, n_negatives)

    def _sampled_loss(
        self, states: Tensor, outputs: Tensor, weights: Tensor, repeats: Tensor, n_negatives: float
    ) -> Tensor:
        """Return the loss of all pairs and of the noise words, each of which counts for several negatives."""
        scores = paddle.matmul(states, self.outputs(outputs), transpose_y=True)
        n_targets = weights.shape[2]
        n_shared = outputs.shape[1] - n_targets
        near, far = paddle.split(scores, [n_targets, n_shared], axis=2)
        positive = (functional.softplus(-near) * weights).sum()
        return positive + (functional.softplus(far) * repeats).sum() * (n_negatives / n_shared)

    def _softmax_loss(self, states: Tensor, targets: Tensor, weights: Tensor, repeats: Tensor) -> Tensor:
        logits = paddle.matmul(states, self.outputs.weight, transpose_y=True)  # [blocks, size, n_words]
        near = paddle.matmul(states, self.outputs(targets), transpose_y=True)
        return (paddle.logsumexp(logits, axis=2, keepdim=True) * repeats).sum() - (near * weights).sum()
