"""Texts a second of the tokenizer and of PaddleNLP's two, on the same texts with the same vocabulary."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from paddle_tasks import runtime
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.errors import DataError
from paddle_tasks.text.tokenizer import Tokenizer, learn_vocabulary
from paddle_tasks.workflows.bench.report import Line, Report, Say, Spread, rounds, seconds_of

Ids = list[list[int]]
Encode = Callable[[Sequence[str]], Any]

LENGTH = 100  # characters of a text
MAX_LENGTH = 256
OURS, FAST, SLOW = "paddle_tasks", "PaddleNLP BertTokenizerFast", "PaddleNLP BertTokenizer"
_STRIDE = 37  # characters between two texts' starts, so that no two are equal


def bench_tokenize(
    file: Path | None, *, n_texts: int, repeats: int, tokenizer: Path | None = None, say: Say = lambda _text: None
) -> Report:
    """Time single calls over many texts; a first round, which is compared but does not count, warms all of them up.

    Each line but the first says in how many texts its ids are not those of the first.

    Args:
        file: a file of text; None for the reviews that ship.
        n_texts: texts of 100 characters, cut from it at different places.
        repeats: calls that count.
        tokenizer: a folder with a vocab.txt; None for the characters of the texts.
        say: is told how far it is.

    Raises:
        UserError: the file or the folder cannot be used.
    """
    texts = cut(_text_of(file), n_texts)
    ours = Tokenizer.load(tokenizer) if tokenizer else Tokenizer(learn_vocabulary(texts))
    encoders = _encoders(ours)
    say(f"comparing the ids of {len(encoders)} tokenizers on {len(texts)} texts")
    found = {name: ids_of(encode(texts)) for name, encode in encoders.items()}
    seconds = rounds(
        {name: partial(seconds_of, partial(encode, texts)) for name, encode in encoders.items()}, repeats, say=say
    )
    return Report(
        bench="tokenize",
        timed=f"one call over {len(texts)} texts of {LENGTH} characters",
        lines=[_line(name, seconds[name], len(texts), _n_different(found[OURS], found[name])) for name in encoders],
        settings={"texts": len(texts), "characters": LENGTH, "vocabulary": len(ours)},
        environment=runtime.environment("cpu"),
    )


def _line(name: str, seconds: list[float], n_texts: int, n_different: int) -> Line:
    spread = Spread.of(seconds)
    return Line(name, spread, {"texts_per_second": n_texts / spread.median, "texts_that_differ": n_different})


def _text_of(file: Path | None) -> str:
    if file is not None:
        return _read(file)
    rows = (SAMPLES / "sentiment" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return "".join(row.split("\t")[-1] for row in rows)


def _read(file: Path) -> str:
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    try:
        return "".join(file.read_text(encoding="utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 at byte {error.start}") from None


def cut(text: str, n_texts: int) -> list[str]:
    """Return different pieces of 100 characters, at the end going on with the beginning.

    Raises:
        DataError: the text is too short for so many.
    """
    most = len(text) // _STRIDE * _STRIDE  # from here on the starts fall between the earlier ones
    if len(text) < max(LENGTH, _STRIDE + 1) or n_texts > most:
        raise DataError(f"{n_texts} texts of {LENGTH} characters need more text: found {len(text)} characters")
    per_turn = len(text) // _STRIDE
    starts = (place % per_turn * _STRIDE + place // per_turn for place in range(n_texts))
    endless = text + text[:LENGTH]
    return [endless[start : start + LENGTH] for start in starts]


def _encoders(ours: Tokenizer) -> dict[str, Encode]:
    from paddlenlp.transformers import BertTokenizer
    from paddlenlp.transformers.bert.tokenizer_fast import BertTokenizerFast

    with tempfile.TemporaryDirectory(prefix="paddle-tasks-bench-") as folder:
        ours.save(Path(folder))
        theirs = {FAST: BertTokenizerFast.from_pretrained(folder), SLOW: BertTokenizer.from_pretrained(folder)}
    settings = {"max_length": MAX_LENGTH, "truncation": True}
    return {
        OURS: partial(ours.encode_packed, max_length=MAX_LENGTH),
        "paddle_tasks, made anew": partial(_made_anew, ours),
        "paddle_tasks with offsets": partial(ours.encode, max_length=MAX_LENGTH),
        **{name: partial(tokenizer, **settings) for name, tokenizer in theirs.items()},
    }


def _made_anew(ours: Tokenizer, texts: Sequence[str]) -> Any:
    return Tokenizer(ours.vocabulary, lowercase=ours.lowercase).encode_packed(texts, max_length=MAX_LENGTH)


def ids_of(encoded: Any) -> Ids:
    """Return the ids of each text, whichever form an encoder gives them."""
    if isinstance(encoded, list):
        return [one.input_ids.tolist() for one in encoded]
    if hasattr(encoded, "offsets"):
        bounds = encoded.offsets.tolist()
        flat = encoded.input_ids.tolist()
        return [flat[start:end] for start, end in itertools.pairwise(bounds)]
    return [list(ids) for ids in encoded["input_ids"]]


def _n_different(ours: Ids, theirs: Ids) -> int:
    return sum(one != other for one, other in zip(ours, theirs, strict=True))
