"""The options of decoding, as configurations and the command line give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, PositiveFloat, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from paddle_tasks.config import Count, CountOrZero, Section, Seed, SequenceCount, validate
from paddle_tasks.language import _

S = TypeVar("S", bound="GenerationSection")
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NonEmpty = Annotated[str, Field(min_length=1)]

SAMPLING_OPTIONS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""The options that only sampling reads, and the value with which each does nothing."""
BEAM_OPTIONS = {"length_penalty": 1.0, "early_stopping": False}
"""The options that only beam search reads, and their defaults."""


class GenerationSection(Section):
    """How a language model continues a text; names, formulas and order are those of transformers 5.23.

    ``no_repeat_window``, ``stop_at_sentence_end`` and ``seed`` are not from there, and bad words are texts, not ids.

    With ``do_sample`` each token is drawn at random. Without, it is the most probable one (greedy) or, with
    ``num_beams`` above 1, the beam search finds the most probable sequences.

    Attributes:
        max_new_tokens: the maximum number of tokens to add.
        min_new_tokens: no end token, stop string or sentence end ends the text before this number of tokens.
        do_sample: whether to sample.
        num_beams: the number of sequences that beam search keeps.
        length_penalty: beam search divides the summed log-probability by the length to this power; above 0 it favours
            long sequences, below 0 short ones.
        early_stopping: true ends the search as soon as ``num_beams`` sequences are finished; false ends it when no
            better one is expected at the current length; "never" when none is possible up to ``max_new_tokens``.
        temperature: divides the scores; below 1 the distribution becomes sharper.
        top_k: keep the k most probable tokens, and those level with the last of them; 0 keeps all.
        top_p: keep the fewest tokens whose probability adds up to this, of what top-k has kept; 1 keeps all.
        min_p: keep the tokens of at least this fraction of the highest probability; 0 keeps all.
        repetition_penalty: divides positive scores of earlier tokens, prompt included, and multiplies negative ones.
        no_repeat_ngram_size: no n-gram of tokens of this size occurs twice, prompt included; 0 is off.
        no_repeat_window: no token equals one of this number of tokens before it, prompt included; 0 is off.
        bad_words: texts that are never written.
        stop_strings: texts after which the output ends; they are part of it.
        stop_at_sentence_end: whether the output ends with its first whole sentence.
        num_return_sequences: the number of outputs for each prompt.
        seed: the seed of sampling.
    """

    max_new_tokens: Count = 200
    min_new_tokens: CountOrZero = 0
    do_sample: bool = False
    num_beams: SequenceCount = 1
    length_penalty: float = 1.0
    early_stopping: Literal[False, True, "never"] = False
    temperature: PositiveFloat = 1.0
    top_k: CountOrZero = 0
    top_p: Fraction = 1.0
    min_p: Fraction = 0.0
    repetition_penalty: PositiveFloat = 1.0
    no_repeat_ngram_size: CountOrZero = 0
    no_repeat_window: CountOrZero = 0
    bad_words: tuple[NonEmpty, ...] = ()
    stop_strings: tuple[NonEmpty, ...] = ()
    stop_at_sentence_end: bool = False
    num_return_sequences: SequenceCount = 1
    seed: Seed = 0

    @field_validator("min_new_tokens")
    @classmethod
    def _is_reachable(cls, value: int, info: ValidationInfo) -> int:
        maximum = info.data.get("max_new_tokens")
        if maximum is not None and value > maximum:
            message = _("expected at most max_new_tokens, which is {maximum}")
            raise PydanticCustomError("reachable", message, {"maximum": maximum})
        return value

    @field_validator("num_beams")
    @classmethod
    def _is_a_strategy(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("do_sample"):
            raise PydanticCustomError("strategy", _("expected 1 with do_sample: true; beam search does not sample"))
        return value

    @field_validator(*BEAM_OPTIONS)
    @classmethod
    def _is_for_beams(cls, value: Any, info: ValidationInfo) -> Any:
        if value != BEAM_OPTIONS[info.field_name or ""] and info.data.get("num_beams") == 1:
            raise PydanticCustomError("beams", _("expected num_beams above 1 too; only beam search reads it"))
        return value

    @field_validator(*SAMPLING_OPTIONS)
    @classmethod
    def _is_for_sampling(cls, value: float, info: ValidationInfo) -> float:
        if value != SAMPLING_OPTIONS[info.field_name or ""] and info.data.get("do_sample") is False:
            raise PydanticCustomError("sampling", _("expected do_sample: true too; only sampling reads it"))
        return value

    @field_validator("num_return_sequences")
    @classmethod
    def _has_so_many(cls, value: int, info: ValidationInfo) -> int:
        num_beams = info.data.get("num_beams")
        if num_beams is not None and info.data.get("do_sample") is False and value > num_beams:
            message = _("expected at most num_beams, which is {num_beams}, or do_sample: true")
            raise PydanticCustomError("sequences", message, {"num_beams": num_beams})
        return value

    def replace(self: S, options: Mapping[str, Any], where: str = "options") -> S:
        """Return these options with others laid over them; what is None is left as it is.

        The strategy follows from what is asked for: an option of sampling turns `do_sample` on, and ``num_beams`` above
        1 turns it off. Options of the other strategy then go back to their defaults, unless they are given too.

        Args:
            options: the options by name.
            where: where they were given, for messages.

        Raises:
            ConfigError: an option is unknown or wrong, or options contradict each other.
        """
        given = {name: value for name, value in options.items() if value is not None}
        return validate({**self.model_dump(mode="json"), **_implied(given), **given}, type(self), where)


def _implied(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that others imply."""
    n_beams = given.get("num_beams", 1)
    if isinstance(n_beams, int) and n_beams > 1:
        return {"do_sample": False, **SAMPLING_OPTIONS}
    if given.get("do_sample") is False:
        return dict(SAMPLING_OPTIONS)
    if given.get("do_sample") or given.keys() & SAMPLING_OPTIONS.keys():
        return {"do_sample": True, "num_beams": 1, **BEAM_OPTIONS}
    return {}
