"""The values of an encoder's config.json that its Layer is built from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from paddle_tasks.config import CountOrZero, LayerCount, Section, Size, validate
from paddle_tasks.errors import CheckpointError, ConfigError

Dropout = Annotated[float, Field(ge=0.0, le=1.0)]


class EncoderValues(Section):
    """The values with their limits; a file may leave any of them out, and holds many more."""

    vocab_size: Annotated[int, Field(gt=0, le=10_000_000)] = 1
    hidden_size: Size = 1
    embedding_size: Size = 1
    num_hidden_layers: LayerCount = 1
    num_hidden_groups: LayerCount = 1
    inner_group_num: LayerCount = 1
    num_attention_heads: Size = 1
    intermediate_size: Size = 1
    max_position_embeddings: Annotated[int, Field(gt=0, le=10_000_000)] = 1
    type_vocab_size: Size = 1
    task_type_vocab_size: Size = 1
    hidden_act: str = ""
    pool_act: str = ""
    hidden_dropout_prob: Dropout = 0.0
    attention_probs_dropout_prob: Dropout = 0.0
    initializer_range: Annotated[float, Field(ge=0.0, le=1e3)] = 0.0
    layer_norm_eps: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    pad_token_id: CountOrZero | None = None
    use_task_id: bool = False
    task_id: CountOrZero = 0


def check_values(config: Mapping[str, Any], path: Path) -> None:
    """Check the values of a config.json.

    Raises:
        CheckpointError: a value has another type, or is beyond what anything can hold; the message has a line for each.
    """
    known = {key: value for key, value in config.items() if key in EncoderValues.model_fields}
    try:
        validate(known, EncoderValues, str(path))
    except ConfigError as error:
        raise CheckpointError(str(error)) from None
