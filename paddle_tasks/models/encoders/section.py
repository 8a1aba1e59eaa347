"""The part of `model:` in a configuration that every task shares; imports no Paddle."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from paddle_tasks.config import Section


class EncoderSection(Section):
    """Which encoder, and the sizes of one that is trained from scratch (a pretrained one brings its own).

    ``encoder`` is a from-scratch kind (`rnn`, `gru`, `lstm`, `bilstm`, `textcnn`, `transformer`, `bert`,
    `ernie`), ``builtin/NAME``, a PaddleNLP name such as ``bert-base-chinese``, or a local folder in PaddleNLP or
    Hugging Face layout. Sizes that the chosen kind does not have are not looked at.
    """

    encoder: str
    hidden_size: PositiveInt = 256  # bilstm: both directions together; textcnn: feature maps of each kernel size
    embedding_size: PositiveInt = 128  # not transformer, bert and ernie, whose embeddings have the hidden size
    n_layers: PositiveInt = 1  # all but textcnn
    n_heads: PositiveInt = 4  # transformer, bert, ernie
    intermediate_size: PositiveInt | None = None  # transformer, bert, ernie; None: four times hidden_size
    activation: Literal["relu", "gelu"] = "relu"  # transformer; between its two linear maps
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"  # transformer
    kernel_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2, 3, 4)  # textcnn; in tokens
    max_positions: PositiveInt = 512  # transformer, bert, ernie; tokens
    dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.1
