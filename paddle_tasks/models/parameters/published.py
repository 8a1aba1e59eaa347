"""Published configurations of well-known encoders, and the numbers of parameters that were published for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """A published configuration.

    Attributes:
        model_type: a key of `paddle_tasks.models.encoders.architectures.ARCHITECTURES`.
        fields: the sizes, by the names of PaddleNLP.
        source: where the configuration was published.
        quoted: the number of parameters that was published, as it was written; empty if none is quoted.
    """

    model_type: str
    fields: dict[str, Any]
    source: str
    quoted: str = ""


_PAPER = "https://arxiv.org/abs/1810.04805"
_ERNIE_PAGE = "https://github.com/PaddlePaddle/PaddleNLP/tree/v2.8.0/model_zoo/ernie-3.0"


def _bert(vocabulary: int, size: int = 768, n_layers: int = 12, n_heads: int = 12) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": size,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "intermediate_size": 4 * size,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }


def _ernie(size: int, n_layers: int, n_task_types: int = 16) -> dict[str, Any]:
    sizes = {"max_position_embeddings": 2048, "type_vocab_size": 4, "task_type_vocab_size": n_task_types}
    return {**_bert(40000, size, n_layers), **sizes, "use_task_id": True}


PUBLISHED = {
    "bert-base-chinese": Published("bert", _bert(21128), "https://huggingface.co/google-bert/bert-base-chinese"),
    "bert-base-uncased": Published("bert", _bert(30522), _PAPER, "110M"),
    "bert-large-uncased": Published("bert", _bert(30522, 1024, 24, 16), _PAPER, "340M"),
    "bert-wwm-ext-chinese": Published("bert", _bert(21128), "https://arxiv.org/abs/1906.08101"),
    "ernie-3.0-base-zh": Published("ernie", _ernie(768, 12, 3), _ERNIE_PAGE),
    "ernie-3.0-medium-zh": Published("ernie", _ernie(768, 6), _ERNIE_PAGE),
    "ernie-3.0-mini-zh": Published("ernie", _ernie(384, 6), _ERNIE_PAGE),
    "ernie-3.0-micro-zh": Published("ernie", _ernie(384, 4), _ERNIE_PAGE),
    "ernie-3.0-nano-zh": Published("ernie", _ernie(312, 4), _ERNIE_PAGE),
}
