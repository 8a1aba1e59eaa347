"""The kinds of PaddleNLP's encoders that are supported; to add one, add an entry to `ARCHITECTURES`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
    "pad_token_id",
)
_BERT = (*_SIZES, "layer_norm_eps", "pool_act")


@dataclass(frozen=True)
class Architecture:
    """One kind of encoder. PaddleNLP's classes are given by name, because importing them takes seconds.

    Attributes:
        name: prefix of PaddleNLP's class names: `NAMEModel`, `NAMEConfig`.
        prefixes: prefixes of the encoder's tensor names in files with a head; PaddleNLP's comes first.
        tokenizers: names of the tokenizer classes that list where the vocabularies are published.
        fields: configuration fields that the encoder depends on.
        torch_defaults: Hugging Face's defaults for fields that a configuration omits, where PaddleNLP's differ.
        has_pooler: whether it has a pooler; without one the text vector is the first state.
        epsilon: epsilon of the layer normalisations, whatever the configuration says; None: the configuration's.
        skips_positions: whether positions start at the padding id + 1, as in RoBERTa.
    """

    name: str
    prefixes: tuple[str, ...]
    tokenizers: tuple[str, ...]
    fields: tuple[str, ...] = _BERT
    torch_defaults: Mapping[str, Any] = field(default_factory=dict)
    has_pooler: bool = True
    epsilon: float | None = None
    skips_positions: bool = False

    def max_length(self, config: Any) -> int:
        """Return the maximum length of a text in tokens, given PaddleNLP's configuration."""
        skipped = config.pad_token_id + 1 if self.skips_positions else 0
        return int(config.max_position_embeddings - skipped)


_GROUPS = ("embedding_size", "num_hidden_groups", "inner_group_num")
_TORCH_ALBERT = {
    "vocab_size": 30000,
    "hidden_size": 4096,
    "num_attention_heads": 64,
    "intermediate_size": 16384,
    "hidden_act": "gelu_new",
}
_TORCH_ELECTRA = {
    "vocab_size": 30522,
    "embedding_size": 128,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
}
ARCHITECTURES = {
    # Devlin et al., 2019, https://arxiv.org/abs/1810.04805
    "bert": Architecture("Bert", ("bert.",), ("BertTokenizer",), torch_defaults={"type_vocab_size": 2}),
    # Sun et al., 2019, https://arxiv.org/abs/1904.09223
    "ernie": Architecture(
        "Ernie",
        ("ernie.",),
        ("ErnieTokenizer",),
        fields=(*_BERT, "use_task_id", "task_id", "task_type_vocab_size"),
        torch_defaults={"type_vocab_size": 2},
    ),
    # Liu et al., 2019, https://arxiv.org/abs/1907.11692; Chinese: Cui et al., 2020, https://arxiv.org/abs/2004.13922
    "roberta": Architecture(
        "Roberta",
        ("roberta.",),
        ("RobertaChineseTokenizer", "RobertaBPETokenizer"),
        fields=(*_SIZES, "layer_norm_eps"),
        torch_defaults={"type_vocab_size": 2, "pad_token_id": 1, "vocab_size": 50265},
        skips_positions=True,
    ),
    # Lan et al., 2020, https://arxiv.org/abs/1909.11942
    "albert": Architecture(
        "Albert",
        ("transformer.", "albert."),
        ("AlbertChineseTokenizer", "AlbertEnglishTokenizer"),
        fields=(*_SIZES, "layer_norm_eps", *_GROUPS),
        torch_defaults=_TORCH_ALBERT,
    ),
    # Clark et al., 2020, https://arxiv.org/abs/2003.10555
    "electra": Architecture(
        "Electra",
        ("electra.",),
        ("ElectraTokenizer",),
        fields=(*_SIZES, "layer_norm_eps", "embedding_size"),
        torch_defaults=_TORCH_ELECTRA,
        has_pooler=False,
    ),
    # Tian et al., 2020, https://arxiv.org/abs/2005.05635; its epsilon cannot be configured in PaddleNLP
    "skep": Architecture("Skep", ("skep.",), ("SkepTokenizer",), fields=_SIZES, epsilon=1e-5),
}
PREFIXES = tuple(prefix for kind in ARCHITECTURES.values() for prefix in kind.prefixes)


def model_type_of(class_name: str) -> str | None:
    """Return the model type of a class name, `BertForSequenceClassification` -> `bert`; None if it is of no kind."""
    for model_type, kind in ARCHITECTURES.items():
        if re.fullmatch(rf"{kind.name}(Model|For[A-Z]\w*|Discriminator|Generator)", class_name):
            return model_type
    return None


def classes(model_type: str) -> tuple[Any, Any]:
    """Return PaddleNLP's Layer class and configuration class; the first call imports PaddleNLP."""
    from paddlenlp import transformers

    name = ARCHITECTURES[model_type].name
    return getattr(transformers, f"{name}Model"), getattr(transformers, f"{name}Config")


def tokenizers(model_type: str) -> Iterator[Any]:
    """Yield PaddleNLP's tokenizer classes, which list where the vocabularies are published."""
    from paddlenlp import transformers

    yield from (getattr(transformers, name) for name in ARCHITECTURES[model_type].tokenizers)
