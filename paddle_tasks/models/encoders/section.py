"""The keys of a configuration's `model` section that every task with an encoder has; imports no Paddle."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from paddle_tasks.config import LayerCount, Section, Size


class EncoderSection(Section):
    """The encoder, and the sizes of an encoder trained from scratch (a pretrained encoder has its own).

    ``encoder`` is a from-scratch kind (`rnn`, `gru`, `lstm`, `bilstm`, `textcnn`, `transformer`, `bert`,
    `ernie`), ``builtin/NAME``, a PaddleNLP name such as ``bert-base-chinese``, or a local folder in PaddleNLP or
    Hugging Face layout. Sizes that the chosen kind does not have are ignored.
    """

    encoder: str
    hidden_size: Size = 256  # bilstm: both directions together; textcnn: feature maps per kernel size
    embedding_size: Size = 128  # rnn, gru, lstm, bilstm, textcnn; the others embed in hidden_size
    n_layers: LayerCount = 1  # all except textcnn
    n_heads: Size = 4  # transformer, bert, ernie
    intermediate_size: Size | None = None  # transformer, bert, ernie; None: four times hidden_size
    activation: Literal["relu", "gelu"] = "relu"  # transformer: between its two linear maps
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"  # transformer
    kernel_sizes: Annotated[tuple[Size, ...], Field(min_length=1, max_length=100)] = (2, 3, 4)  # textcnn; in tokens
    max_positions: Size = 512  # transformer, bert, ernie; tokens
    dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.1
