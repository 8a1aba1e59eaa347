"""Masked language models for tests: one with known logits, and a small real one."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder, build_model
from paddle_tasks.models.masked_lm import MaskedLanguageModel
from paddle_tasks.text.tokenizer import Tokenizer


class TableEncoder(nn.Layer):
    """A token's state is its row of a table."""

    def __init__(self, table: np.ndarray, max_length: int | None) -> None:
        super().__init__()
        self.table, self.max_length = paddle.to_tensor(table), max_length

    def forward(self, input_ids, token_type_ids, lengths):
        states = paddle.gather(self.table, input_ids.reshape([-1])).reshape([*input_ids.shape, -1])
        return states, states[:, 0]


class TableModel(nn.Layer):
    """The logits at a position are the sum of two rows of tables, for the tokens on its left and on its right."""

    def __init__(self, n: int, seed: int = 1, max_length: int | None = None, scale: float = 1.0) -> None:
        super().__init__()
        numbers = np.random.default_rng(seed)
        self.left, self.right = (scale * numbers.normal(size=(n, n)).astype(np.float32) for _ in range(2))
        self.encoder = TableEncoder(numbers.normal(size=(n, 8)).astype(np.float32) + 1, max_length)
        self.rows: list[list[int]] = []

    def forward(self, input_ids, token_type_ids, lengths, positions):
        ids, where = input_ids.numpy(), positions.numpy()
        self.rows += [row[:length] for row, length in zip(ids.tolist(), lengths.numpy(), strict=True)]
        rows, places = np.divmod(where, ids.shape[1])
        return paddle.to_tensor(self.logits(ids[rows, places - 1], ids[rows, places + 1]))

    def logits(self, left, right):
        return self.left[left] + self.right[right]


def real_model(tokenizer: Tokenizer, **sizes: int) -> MaskedLanguageModel:
    paddle.seed(3)
    fields = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    small = {"intermediate_size": 32, "max_position_embeddings": 32, "initializer_range": 0.5, "type_vocab_size": 2}
    return MaskedLanguageModel(PretrainedEncoder(build_model("ernie", {**fields, **small, **sizes})))
