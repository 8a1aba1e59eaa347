"""The part of `model:` in a configuration that every task shares; imports no Paddle."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt

from paddle_tasks.config import Section


class EncoderSection(Section):
    """Which encoder, and the sizes of one that is trained from scratch (a pretrained one brings its own).

    ``encoder`` is a from-scratch kind (`bilstm`, `textcnn`, `bert`), ``builtin/NAME``, a PaddleNLP name such as
    ``bert-base-chinese``, or a local folder in PaddleNLP or Hugging Face layout. Sizes that the chosen kind does
    not have are not looked at.
    """

    encoder: str
    hidden_size: PositiveInt = 256  # bilstm: both directions together; textcnn: feature maps of each kernel size
    embedding_size: PositiveInt = 128  # bilstm, textcnn
    n_layers: PositiveInt = 1  # bilstm, bert
    n_heads: PositiveInt = 4  # bert
    intermediate_size: PositiveInt | None = None  # bert; None: four times hidden_size
    kernel_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2, 3, 4)  # textcnn; in tokens
    max_positions: PositiveInt = 512  # bert; tokens
    dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.1
