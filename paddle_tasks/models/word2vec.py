"""word2vec: skip-gram and CBOW with negative sampling or a full softmax (Mikolov et al. 2013).

Sources: https://arxiv.org/abs/1301.3781 and https://arxiv.org/abs/1310.4546; noise words that are shared by the words
of a block: Ji et al. 2016, https://arxiv.org/abs/1604.04661; words as the mean of their parts: Bojanowski et al. 2017,
https://arxiv.org/abs/1607.04606.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.linear import can_use_onednn
from paddle_tasks.models.cpu.negative_sampling import sampled_loss
from paddle_tasks.text.subwords import WordParts

Architecture = Literal["skip_gram", "cbow"]
_WORDS_AT_ONCE = 4096


class Word2Vec(nn.Layer):  # type: ignore[misc]
    """Two vectors of each word: as a word, which is what one uses afterwards, and as a context.

    Args:
        n_words: the size of the vocabulary.
        size: the size of a vector.
        architecture: ``skip_gram`` predicts each context from a word, ``cbow`` a word from the mean of its contexts.
        full_softmax: whether predictions are over the whole vocabulary, with dense gradients of the output vectors.
        max_predictions: how many predictions of one word count in full in a step. The gradients of a frequent word are
            nearly equal; the sum of hundreds of them overshoots, and the next step overshoots in turn.
        parts: the parts whose mean is the vector of a word; by default a word has no other part than itself.
    """

    def __init__(
        self,
        n_words: int,
        size: int,
        architecture: Architecture,
        *,
        full_softmax: bool = False,
        max_predictions: float | None = None,
        parts: WordParts | None = None,
    ) -> None:
        super().__init__()
        start = nn.initializer.Uniform(-0.5 / size, 0.5 / size)  # and zeros, as in word2vec.c
        n_parts = n_words + (len(parts.ngrams) if parts else 0)
        self.words = nn.Embedding(n_parts, size, sparse=True, weight_attr=paddle.ParamAttr(initializer=start))
        zeros = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.outputs = nn.Embedding(n_words, size, sparse=not full_softmax, weight_attr=zeros)
        self.architecture, self.full_softmax, self.max_predictions = architecture, full_softmax, max_predictions
        self.parts = parts

    def forward(self, centres: Array, contexts: Array, is_pair: Array, noise: Array, n_negatives: float) -> Tensor:
        """Return the summed loss <float32>[] of blocks.

        Args:
            centres: <int64>[blocks, size].
            contexts: <int64>[blocks, places].
            is_pair: <bool>[blocks, size, places], where a context belongs to a word.
            noise: <int64>[blocks, shared]; unused with a full softmax.
            n_negatives: how many negatives each prediction counts.
        """
        n_pairs = is_pair.sum(axis=2, keepdims=True, dtype=np.float32)
        n_answers = 1 if self.full_softmax else 1 + n_negatives  # those that a prediction rates
        if self.architecture == "skip_gram":
            states = self._look_up_words(centres, n_pairs[:, :, 0] * n_answers)
            targets, weights, repeats = contexts, is_pair.astype(np.float32), n_pairs
        else:
            means = is_pair / np.maximum(n_pairs, 1)
            rows = self._look_up_words(contexts, means.sum(axis=1) * n_answers)
            states, targets, repeats = paddle.matmul(paddle.to_tensor(means), rows), centres, np.sign(n_pairs)
            weights = np.eye(centres.shape[1], dtype=np.float32) * repeats
        if self.full_softmax:
            return self._softmax_loss(states, *map(paddle.to_tensor, (targets, weights, repeats)))
        return self._sampled_loss(states, targets, noise, weights, repeats * np.float32(n_negatives / noise.shape[1]))

    def drop_contexts(self) -> None:
        """Forget the vectors of contexts, which only training needs."""
        del self.outputs

    def vectors(self) -> Array:
        """Return the vectors of all words, <float32>[words, size]."""
        rows: Array = self.words.weight.detach().astype("float32").numpy()
        if self.parts is None:
            return rows
        blocks = np.array_split(np.arange(len(self.parts.offsets) - 1), max(1, len(rows) // _WORDS_AT_ONCE))
        return np.concatenate([_means(rows, *self.parts.select(words)) for words in blocks])

    def unknown_vector(self, word: str) -> Array | None:
        """Return the mean of the n-grams of a word outside of the vocabulary, <float32>[size]; None if it has none."""
        parts = self.parts.of_unknown(word) if self.parts else []
        if not parts:
            return None
        vector: Array = self.words.weight[parts].detach().astype("float32").numpy().mean(axis=0)
        return vector

    def _look_up_words(self, ids: Array, n_predictions: Array) -> Tensor:
        """Return the vectors of words as words; each part gets the whole gradient of its word, as in fastText."""
        if self.parts is None:
            return self._look_up(self.words, ids, n_predictions)
        words, places = np.unique(ids.ravel(), return_inverse=True)
        parts, lengths = self.parts.select(words)
        totals = np.bincount(places, n_predictions.ravel())
        of_part = np.repeat(np.arange(len(words)), lengths)
        rows = self._look_up(self.words, parts, totals[of_part])
        if not rows.stop_gradient:
            n_parts = paddle.to_tensor(lengths[of_part][:, None].astype(np.float32))
            rows.register_hook(lambda gradient: gradient * n_parts)  # the mean divides by it
        means = paddle.geometric.segment_mean(rows, paddle.to_tensor(of_part))
        return functional.embedding(paddle.to_tensor(places.reshape(ids.shape)), means)

    def _look_up(self, embedding: nn.Embedding, ids: Array, n_predictions: Array) -> Tensor:
        """Return the vectors of words; their gradients are limited as `max_predictions` says.

        Args:
            embedding: all vectors.
            ids: <int64>[...].
            n_predictions: [...], how many predictions each place takes part in.
        """
        rows = embedding(paddle.to_tensor(ids))
        if self.max_predictions is not None and not rows.stop_gradient:
            totals = np.bincount(ids.ravel(), n_predictions.ravel())
            scales = self.max_predictions / np.maximum(totals, self.max_predictions)
            scale = paddle.to_tensor(scales[ids][..., None].astype(np.float32))
            rows.register_hook(lambda gradient: gradient * scale)
        return rows

    def _sampled_loss(self, states: Tensor, targets: Array, noise: Array, near: Array, far: Array) -> Tensor:
        """Return the loss of all pairs and of the noise words, each of which counts for several negatives.

        Args:
            states: <float32>[blocks, size, width].
            targets: <int64>[blocks, places].
            noise: <int64>[blocks, shared].
            near: <float32>[blocks, size, places], the weight of each target.
            far: <float32>[blocks, size, 1], the weight of each noise word.
        """
        n_predictions = np.concatenate([near.sum(axis=1), far.sum(axis=1).repeat(noise.shape[1], axis=1)], axis=1)
        outputs = self._look_up(self.outputs, np.concatenate([targets, noise], axis=1), n_predictions)
        weights = paddle.to_tensor(near), paddle.to_tensor(far)
        if can_use_onednn(states):
            return sampled_loss(states, outputs, *weights)
        scores = paddle.matmul(states, outputs, transpose_y=True)
        right, wrong = paddle.split(scores, [near.shape[2], noise.shape[1]], axis=2)
        return (functional.softplus(-right) * weights[0]).sum() + (functional.softplus(wrong) * weights[1]).sum()

    def _softmax_loss(self, states: Tensor, targets: Tensor, weights: Tensor, repeats: Tensor) -> Tensor:
        logits = paddle.matmul(states, self.outputs.weight, transpose_y=True)  # [blocks, size, n_words]
        near = paddle.matmul(states, self.outputs(targets), transpose_y=True)
        return (paddle.logsumexp(logits, axis=2, keepdim=True) * repeats).sum() - (near * weights).sum()


def _means(rows: Array, parts: Array, lengths: Array) -> Array:
    """Return the mean of the parts of each word, <float32>[words, size]."""
    sums = np.add.reduceat(rows[parts], np.cumsum(lengths) - lengths)
    means: Array = sums / lengths[:, None].astype(np.float32)
    return means
