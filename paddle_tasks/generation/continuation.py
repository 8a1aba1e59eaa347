"""What decoding returns, and the rules that end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary

FinishReason = Literal["end", "stop", "sentence", "length", "blocked", "interrupted"]
"""Why an output ends: an end token, a stop string, a sentence end, ``max_new_tokens``, no token that is not forbidden,
or an exception such as Ctrl-C while it was streamed."""

SENTENCE_ENDS = "。！？!?"
CLOSING_MARKS = '”’」』）)"'
_OPENING_OF = {"”": "“", "’": "‘", "」": "「", "』": "『", "）": "（", ")": "("}


@dataclass(frozen=True)
class Step:
    """One token of an output.

    Attributes:
        token: its id.
        text: the text of the output up to this token.
        log_prob: its log-probability by the model alone.
        score: its log-probability after all processors, which is that of being drawn in sampling. In beam search it is
            not normalised again, as in transformers.
    """

    token: int
    text: str
    log_prob: float
    score: float


@dataclass(frozen=True)
class Continuation:
    """One output for a prompt.

    Attributes:
        text: its text, without the prompt.
        tokens: its token ids; an end token is included.
        log_probs: the log-probability of each token by the model alone.
        scores: the log-probability of each token after all processors; see `Step`.
        score: what outputs are compared by: the sum of ``scores``, in beam search divided by the length to the power
            ``length_penalty``.
        finish: why it ends.
    """

    text: str
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    scores: tuple[float, ...]
    score: float
    finish: FinishReason


def make_continuation(steps: list[Step] | tuple[Step, ...], finish: FinishReason, power: float = 0.0) -> Continuation:
    """Return the output of these steps; its score is divided by the length to ``power``."""
    scores = tuple([step.score for step in steps])
    return Continuation(
        text=steps[-1].text if steps else "",
        tokens=tuple([step.token for step in steps]),
        log_probs=tuple([step.log_prob for step in steps]),
        scores=scores,
        score=sum(scores) / max(len(steps), 1) ** power,
        finish=finish,
    )


class StopRule:
    """Decides after each token whether an output ends."""

    def __init__(self, options: GenerationSection, vocabulary: OutputVocabulary) -> None:
        self._options, self._vocabulary = options, vocabulary
        self._end = frozenset(vocabulary.end)

    def reason(self, prompt: str, text: str, token: int, n_new: int) -> FinishReason | None:
        """Return why an output ends, or None if it goes on.

        Args:
            prompt: the text of the prompt.
            text: the text of the output, with the last token.
            token: the last token.
            n_new: the number of tokens of the output.
        """
        if token in self._end:
            return "end"
        added = self._vocabulary.texts[token]
        if added and n_new >= self._options.min_new_tokens:
            if self._has_stop_string(text, len(added)):
                return "stop"
            if self._options.stop_at_sentence_end and ends_sentence(prompt, text):
                return "sentence"
        return "length" if n_new >= self._options.max_new_tokens else None

    def _has_stop_string(self, text: str, n_added: int) -> bool:
        """Return whether a stop string ends within the last characters of a text."""
        return any(
            text.find(stop, max(len(text) - n_added - len(stop) + 1, 0)) >= 0 for stop in self._options.stop_strings
        )


def ends_sentence(prompt: str, text: str) -> bool:
    """Return whether a text, which continues a prompt, ends with a whole sentence.

    A sentence ends with 。！？ outside of quotation marks and brackets, with the mark that closes them directly after
    such a character, or with the paragraph. ``ends_sentence("他说：“好", "。")`` is False: the quotation goes on;
    ``ends_sentence("他说：“好", "。”")`` is True.
    """
    last = text[-1:]
    if last == "\n":
        return not text.isspace()
    if last not in SENTENCE_ENDS + CLOSING_MARKS or not last:
        return False
    paragraph = (prompt + text).rpartition("\n")[2]
    if last in SENTENCE_ENDS:
        return not _is_quoted(paragraph)
    return paragraph.rstrip(CLOSING_MARKS)[-1:] in tuple(SENTENCE_ENDS) and not _is_quoted(paragraph)


def _is_quoted(paragraph: str) -> bool:
    """Return whether a quotation or bracket of a paragraph is still open."""
    is_open = any(paragraph.count(opening) > paragraph.count(closing) for closing, opening in _OPENING_OF.items())
    return is_open or paragraph.count('"') % 2 == 1
