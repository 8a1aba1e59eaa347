"""The parts of BERT, ERNIE and similar encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddle_tasks.language import _
from paddle_tasks.models.parameters.part import CourseAnswer, Part

# Patterns of names in PaddleNLP's Layers; those of ALBERT's encoder come second.
_ATTENTION = r"^encoder\..*(self_attn|\.attention\.(?!layer_norm))"
_FEED_FORWARD = r"^encoder\..*(\.linear[12](?=\.)|\.ffn)"
_NORMS = r"^encoder\..*(\.norm[12]\.|layer_norm)"
_WEIGHT, _BIAS = r".*\.weight$", r".*\.bias$"
_BASE = (768, 12, 3072)
"""Width, layers and inner width of BERT base, for which the course's notes count."""
_COURSE_WORDS = 30_522
"""The English vocabulary, with which they count bert-base-chinese too."""


def encoder_parts(model_type: str, config: Mapping[str, Any], *, has_pooler: bool) -> Part:
    """Return the parts of an encoder.

    Args:
        model_type: a key of `paddle_tasks.models.encoders.architectures.ARCHITECTURES`.
        config: every size of its configuration, by the names of PaddleNLP.
        has_pooler: whether it has a pooler.
    """
    is_albert = model_type == "albert"
    inner_size = config.get("embedding_size") if model_type in {"albert", "electra"} else None
    parts = [_embeddings(model_type, config, inner_size or config["hidden_size"])]
    if inner_size and (is_albert or inner_size != config["hidden_size"]):
        parts.append(_linear(_("projection"), inner_size, config["hidden_size"], r"embedding_hidden_mapping|_project"))
    parts.append(_layers(model_type, config))
    if has_pooler:
        parts.append(_linear(_("pooler"), config["hidden_size"], config["hidden_size"], r"^pooler\."))
    return Part(_("all parameters"), parts=tuple(parts))


def _embeddings(model_type: str, config: Mapping[str, Any], size: int) -> Part:
    tables = [
        (_("words"), config["vocab_size"], "word_embeddings"),
        (_("positions"), config["max_position_embeddings"], "position_embeddings"),
        (_("segments"), config["type_vocab_size"], "token_type_embeddings"),
    ]
    if config.get("use_task_id"):
        tables.append((_("task types"), config["task_type_vocab_size"], "task_type_embeddings"))
    parts = [Part(name, f"{rows} × {size}", rows * size, rf"^embeddings\.{key}") for name, rows, key in tables]
    norm = Part(_("layer norm"), f"2 × {size}", 2 * size, r"^embeddings\.layer_norm")
    return Part(_("embeddings"), parts=(*parts, norm), course=_course_embeddings(model_type, config))


def _course_embeddings(model_type: str, config: Mapping[str, Any]) -> CourseAnswer | None:
    """Return the course's count of the tables of BERT base: of the English one, also for the Chinese one."""
    if model_type != "bert" or not _is_base(config) or config["type_vocab_size"] != 2:
        return None
    reason = _("the course counts the layer norm elsewhere")
    if config["vocab_size"] != _COURSE_WORDS:
        message = _(
            "the course counts the English vocabulary of {english:,} entries, and so arrives at 110 million; this one "
            "has {own:,}"
        )
        reason = message.format(english=_COURSE_WORDS, own=config["vocab_size"])
    return CourseAnswer((_COURSE_WORDS + 512 + 2) * _BASE[0], reason)


def _is_base(config: Mapping[str, Any]) -> bool:
    return (config["hidden_size"], config["num_hidden_layers"], config["intermediate_size"]) == _BASE


def _linear(name: str, n_inputs: int, n_outputs: int, pattern: str) -> Part:
    formula, product = f"{n_inputs} × {n_outputs} + {n_outputs}", n_inputs * n_outputs
    return Part(name, formula, product + n_outputs, pattern, products=product if "pooler" not in pattern else 0)


def _layers(model_type: str, config: Mapping[str, Any]) -> Part:
    """Return the Transformer layers; those of ALBERT share weights, so that the weights are fewer than the uses."""
    size, inner, n_uses = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    is_albert = model_type == "albert"
    n = config["num_hidden_groups"] * config["inner_group_num"] if is_albert else n_uses
    is_base = model_type == "bert" and _is_base(config)
    repeats = n_uses * (config["inner_group_num"] if is_albert else 1)
    attention = _matrices(_("attention"), (n, repeats), (4, size, size), 4 * size, _ATTENTION, is_base)
    feed = _matrices(_("feed-forward"), (n, repeats), (2, size, inner), size + inner, _FEED_FORWARD, is_base)
    norms = Part(_("layer norms"), f"{n} × 2 × 2 × {size}", n * 4 * size, _NORMS)
    return Part(_("{count} layers").format(count=n), parts=(attention, feed, norms))


def _matrices(
    name: str, counts: tuple[int, int], shape: tuple[int, int, int], n_biases: int, pattern: str, is_base: bool
) -> Part:
    """Return matrices and biases of all layers.

    Args:
        name: the name of the part.
        counts: how many layers have weights of their own, and how many are computed.
        shape: the number of matrices of a layer, their rows and their columns.
        n_biases: the biases of a layer.
        pattern: of the names of its parameters.
        is_base: whether the course counted it.
    """
    n, n_uses = counts
    many, rows, columns = shape
    each = many * rows * columns
    reason = _("the course counts the weights and leaves out the biases")
    course = CourseAnswer(n * each, reason) if is_base else None
    weights = Part(
        _("weights"), f"{n} × {many} × {rows} × {columns}", n * each, pattern + _WEIGHT, products=n_uses * each
    )
    biases = Part(_("biases"), f"{n} × {n_biases}", n * n_biases, pattern + _BIAS)
    return Part(name, parts=(weights, biases), course=course)
