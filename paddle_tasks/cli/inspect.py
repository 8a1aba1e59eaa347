"""`paddle-tasks inspect`: what a model reads and computes for a text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_lines
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import expand_user
from paddle_tasks.language import _, join

if TYPE_CHECKING:
    from paddle_tasks.text.tokenizer_steps import TextSteps, TokenizerSteps
    from paddle_tasks.workflows.inspect import Inspection
    from paddle_tasks.workflows.probe import Probe
    from paddle_tasks.workflows.word_in_texts import WordInTexts


def inspect(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="builtin/NAME, a run or model folder, a PaddleNLP name; or rnn, gru, lstm, bilstm, textcnn, "
            "transformer, with random weights.",
            show_default=False,
        ),
    ],
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The text.", show_default=False)] = None,
    pair: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="A second text, read with the first; of a translator, the translation."),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            min=3, metavar="N", help="Cut longer texts to N tokens, and pad shorter ones.", show_default=False
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            parser=expand_user, metavar="FILE", help="Draw all heads of attention as one page.", show_default=False
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            parser=expand_user, metavar="FILE.npz", help="Write ids and outputs as numpy arrays.", show_default=False
        ),
    ] = None,
    word: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Compare this word's vectors in the texts of --texts.", show_default=False),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(parser=expand_user, metavar="FILE", help="Texts, one a line, for --word.", show_default=False),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            parser=expand_user,
            metavar="CONFIG",
            help="Find the layer that knows the labels of this classification best.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Show what a model reads of a text, and each output with its shape and purpose."""
    given = {"TEXT": text, "--length": length, "--html": html, "--features": features}
    given |= {"--word": word, "--texts": texts, "--probe": probe}
    _check_options({name for name, value in given.items() if value is not None})
    runtime.import_paddle()
    if probe is not None:
        _print_probe(model, probe)
    elif word is not None:
        _print_word(model, word, texts)
    elif text is None:
        raise ConfigError(_("inspect: expected a TEXT, --word with --texts, or --probe"))
    else:
        _print_inspection(model, text, pair, length, (html, features))


def _check_options(given: set[str]) -> None:
    """Refuse options that belong to another question than the one that is asked."""
    asked = next((name for name in ("--probe", "--word") if name in given), "TEXT")
    allowed = {"--probe": {"--probe"}, "--word": {"--word", "--texts"}}
    refused = sorted(given - allowed.get(asked, {"TEXT", "--length", "--html", "--features"}))
    if refused:
        message = _("{options}: not with {asked}")
        raise typer.BadParameter(message.format(options=join(refused), asked=asked))


def _print_inspection(
    model: str, text: str, pair: str | None, length: int | None, files: tuple[Path | None, Path | None]
) -> None:
    from paddle_tasks.workflows.inspect import inspect as look

    found, (html, features) = look(model, text, pair, length=length), files
    print_lines("\n".join(inspection_lines(found)), "  ")
    if html is not None:
        from paddle_tasks.workflows.attention_page import write_attention_page

        write_attention_page(found, html, model)
        print_lines(_("attention: {file}").format(file=html))
    if features is not None:
        from paddle_tasks.workflows.attention_page import write_features

        write_features(found, features)
        print_lines(_("features: {file}").format(file=features))


def inspection_lines(found: Inspection) -> Iterator[str]:
    """Yield the lines about an inspected text."""
    if found.steps is not None:
        yield from _step_lines(found.steps)
    else:
        yield _("entries: {tokens}").format(tokens=" ".join(found.tokens))
        yield _("ids: {ids}").format(ids=_join(found.input_ids))
    if found.target:
        yield _("the decoder reads: {tokens}").format(tokens=" ".join(found.target))
    line = _("{name} [{axes}] = {shape}: {purpose}")
    for output in found.outputs:
        shape = list(output.array.shape)
        yield line.format(name=output.name, axes=output.axes, shape=shape, purpose=output.purpose)
    yield from found.findings.remarks
    for check in found.checks:
        yield _("check: {sentence}; difference {difference:.1e}").format(
            sentence=check.sentence, difference=check.difference
        )


def _step_lines(steps: TokenizerSteps) -> Iterator[str]:
    for text in steps.texts:
        yield from _text_lines(text)
    yield _("tokens: {tokens}").format(tokens=" ".join(steps.tokens))
    yield _("ids: {ids}").format(ids=_join(steps.padded_ids))
    yield _("segments: {ids}").format(ids=_join(steps.token_type_ids))
    yield _("mask: {ids}").format(ids=_join(steps.attention_mask))
    yield _("decoded: {text}").format(text=steps.decoded)


def _text_lines(text: TextSteps) -> Iterator[str]:
    yield _("text: {text}").format(text=text.text)
    yield _("normalised: {text}").format(text=text.normalised)
    yield _("words: {words}").format(words=" | ".join(text.words))
    yield _("word pieces: {pieces}").format(pieces=" ".join(piece.token for piece in text.pieces))
    if text.unknown:
        yield _("not in the vocabulary, so [UNK]: {pieces}").format(pieces=" ".join(text.unknown))
    if text.cut:
        yield _("cut off: {pieces}").format(pieces=" ".join(text.cut))


def _join(ids: object) -> str:
    return " ".join(map(str, ids))  # type: ignore[call-overload]


# ---- one word in several texts, and probes


def _print_word(model: str, word: str, texts: Path | None) -> None:
    from paddle_tasks.workflows.word_in_texts import read_lines, word_in_texts

    if texts is None:
        raise ConfigError(_("--word: expected --texts FILE, whose lines contain {word}").format(word=word))
    print_lines("\n".join(word_lines(word_in_texts(model, word, read_lines(texts)))))


def word_lines(found: WordInTexts) -> Iterator[str]:
    """Yield the lines about a word in several texts."""
    for number, text in enumerate(found.texts, start=1):
        yield f"{number:>3}  {text}"
    yield _("static vector: the same in each text, cosine 1.00")
    yield _("cosine of the contextual vectors, and with the static one (static):")
    numbers = range(1, len(found.texts) + 1)
    yield "     " + "".join(f"{number:>7}" for number in numbers) + "   static"
    for number, row, static in zip(numbers, found.cosines, found.static_cosines, strict=True):
        yield f"{number:>3}  " + "".join(f"{value:>7.2f}" for value in row) + f"{static:>9.2f}"


def _print_probe(model: str, config: Path) -> None:
    from paddle_tasks.workflows.probe import probe_layers

    print_lines("\n".join(probe_lines(probe_layers(model, config))))


def probe_lines(found: Probe) -> Iterator[str]:
    """Yield the lines about a probed model."""
    counts = _("a linear classifier on the mean state of each layer: {train:,} train rows, {dev:,} dev rows")
    yield counts.format(train=found.n_train, dev=found.n_dev)
    for number, accuracy in enumerate(found.accuracies):
        name = _("embeddings") if not number else _("layer {number}").format(number=number)
        mark = _("  best") if number == found.best else ""
        yield _("{name}: accuracy {accuracy:.1%}").format(name=name, accuracy=accuracy) + mark
    yield _("always the most frequent label: accuracy {accuracy:.1%}").format(accuracy=found.majority)
