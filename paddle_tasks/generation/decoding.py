"""Continue texts with a language model: all at once, or one text as a stream.

options = GenerationSection(do_sample=True, top_k=10, max_new_tokens=200)
for piece in TextStream(model, prompt, vocabulary, options):
    ...  # each character as soon as it is chosen
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.beam_search import BeamSearch
from paddle_tasks.generation.continuation import Continuation, make_continuation
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.stepwise import StepwiseDecoder
from paddle_tasks.generation.vocabulary import OutputVocabulary
from paddle_tasks.language import _


def generate(
    model: NextTokenModel,
    prompts: Sequence[Sequence[int]],
    vocabulary: OutputVocabulary,
    options: GenerationSection,
) -> list[list[Continuation]]:
    """Continue prompts, all in one batch.

    Args:
        model: the language model.
        prompts: the token ids of each prompt.
        vocabulary: the tokens of the model.
        options: the strategy and its options.

    Returns:
        For each prompt ``num_return_sequences`` outputs; of beam search the best first, and fewer if there are not so
        many. The outputs of a prompt are the same alone and among others.
    """
    if options.num_beams > 1:
        return BeamSearch(model, prompts, vocabulary, options).run()
    decoder = StepwiseDecoder(model, prompts, vocabulary, options)
    for _step in decoder.run():
        pass
    outputs = [make_continuation(row.steps, row.finish or "interrupted") for row in decoder.rows]
    n = options.num_return_sequences
    return [outputs[first : first + n] for first in range(0, len(outputs), n)]


class TextStream(Iterator[str]):
    """An iterator over the text that continues one prompt, piece by piece as the model chooses its tokens.

    With a vocabulary of characters a piece is one character. All pieces together are the text that `generate` returns.
    After an exception in the midst of it, such as KeyboardInterrupt, the iterator is exhausted, and `result` is what
    was written so far.
    """

    def __init__(
        self, model: NextTokenModel, prompt: Sequence[int], vocabulary: OutputVocabulary, options: GenerationSection
    ) -> None:
        """Take what `generate` takes, with one prompt; nothing is computed yet.

        Raises:
            ConfigError: the options ask for beam search, which chooses its output last, or for several outputs.
        """
        for name in ("num_beams", "num_return_sequences"):
            if (found := getattr(options, name)) > 1:
                message = _("{option}: expected 1 for a stream, found {found}")
                raise ConfigError(message.format(option=name, found=found))
        decoder = StepwiseDecoder(model, [prompt], vocabulary, options)
        self._row, self._steps, self._n_returned = decoder.rows[0], decoder.run(), 0

    def __next__(self) -> str:
        """Return the text of the next token; tokens without text are passed over."""
        for _step in self._steps:
            piece = self._row.text[self._n_returned :]
            if piece:
                self._n_returned += len(piece)
                return piece
        raise StopIteration

    @property
    def result(self) -> Continuation:
        """What was written so far; its ``finish`` is "interrupted" if the text has not ended by itself."""
        return make_continuation(self._row.steps, self._row.finish or "interrupted")
