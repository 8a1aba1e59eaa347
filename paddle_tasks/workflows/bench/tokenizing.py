"""Speed of the tokenizer and of PaddleNLP's two, on the same texts with the same vocabulary."""

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
from paddle_tasks.files import is_file, short_name
from paddle_tasks.text.tokenizer import Tokenizer, learn_vocabulary
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds, time_call

Ids = list[list[int]]
Encode = Callable[[Sequence[str]], Any]

LENGTH = 100  # characters of a text
MAX_LENGTH = 256  # tokens
OURS, FAST, SLOW = "paddle_tasks", "PaddleNLP BertTokenizerFast", "PaddleNLP BertTokenizer"
_STRIDE = 37  # characters between the starts of two texts, so that no two texts are equal


def measure_tokenizers(
    file: Path | None, *, n_texts: int, repeats: int, tokenizer: Path | None = None, notify: Notify = lambda _text: None
) -> Report:
    """Time single calls over many texts, after one call of each tokenizer to warm up and to compare the ids.

    Each measurement says in how many texts its ids differ from those of the first.

    Args:
        file: a UTF-8 text file; None for the sample reviews.
        n_texts: how many texts of 100 characters to cut from it.
        repeats: calls that count.
        tokenizer: a folder with a vocab.txt; None for a vocabulary learnt from the texts.
        notify: called with messages about the progress.

    Raises:
        UserError: the file or the folder cannot be used.
    """
    texts = cut_texts(_load_text(file), n_texts)
    ours = Tokenizer.load(tokenizer) if tokenizer else Tokenizer(learn_vocabulary(texts))
    encoders = _encoders(ours)
    notify(f"comparing the ids of {len(encoders)} tokenizers on {len(texts)} texts")
    ids = {name: extract_ids(encode(texts)) for name, encode in encoders.items()}
    timers = {name: partial(time_call, partial(encode, texts)) for name, encode in encoders.items()}
    seconds = run_rounds(timers, repeats, notify=notify)
    return Report(
        bench="tokenize",
        timed=f"one call over {len(texts)} texts of {LENGTH} characters",
        measurements=[
            _measurement(name, seconds[name], len(texts), count_differences(ids[OURS], ids[name])) for name in encoders
        ],
        settings={"texts": len(texts), "characters": LENGTH, "vocabulary": len(ours)},
        environment=runtime.describe_environment("cpu"),
    )


def _measurement(name: str, seconds: list[float], n_texts: int, n_different: int) -> Measurement:
    spread = Spread.from_values(seconds)
    return Measurement(name, spread, {"texts_per_second": n_texts / spread.median, "texts_that_differ": n_different})


def _load_text(file: Path | None) -> str:
    if file is not None:
        return _read(file)
    largest = max(SAMPLES.glob("*/train.tsv"), key=lambda path: path.stat().st_size)
    rows = largest.read_text(encoding="utf-8").splitlines()[1:]
    return "".join(row.split("\t")[-1] for row in rows)


def _read(file: Path) -> str:
    if not is_file(file):
        raise DataError(f"{short_name(file)}: no such file")
    try:
        return "".join(file.read_text(encoding="utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 at byte {error.start}") from None


def cut_texts(text: str, n_texts: int) -> list[str]:
    """Return different pieces of 100 characters; a piece that reaches the end continues at the beginning.

    Raises:
        DataError: the text is too short for this number of pieces.
    """
    max_texts = len(text) // _STRIDE * _STRIDE  # after this many, the starts would repeat
    if len(text) < max(LENGTH, _STRIDE + 1) or n_texts > max_texts:
        raise DataError(f"{n_texts} texts of {LENGTH} characters need more text: found {len(text)} characters")
    n_strides = len(text) // _STRIDE
    # Each pass over the text starts one character later than the one before.
    starts = (index % n_strides * _STRIDE + index // n_strides for index in range(n_texts))
    wrapped = text + text[:LENGTH]
    return [wrapped[start : start + LENGTH] for start in starts]


def _encoders(ours: Tokenizer) -> dict[str, Encode]:
    from paddlenlp.transformers import BertTokenizer
    from paddlenlp.transformers.bert.tokenizer_fast import BertTokenizerFast

    with tempfile.TemporaryDirectory(prefix="paddle-tasks-bench-") as folder:
        ours.save(Path(folder))
        theirs = {FAST: BertTokenizerFast.from_pretrained(folder), SLOW: BertTokenizer.from_pretrained(folder)}
    settings = {"max_length": MAX_LENGTH, "truncation": True}
    return {
        OURS: partial(ours.encode_packed, max_length=MAX_LENGTH),
        "paddle_tasks, new tokenizer": partial(_encode_with_new_tokenizer, ours),
        "paddle_tasks with offsets": partial(ours.encode, max_length=MAX_LENGTH),
        **{name: partial(tokenizer, **settings) for name, tokenizer in theirs.items()},
    }


def _encode_with_new_tokenizer(ours: Tokenizer, texts: Sequence[str]) -> Any:
    """Include the time to build the tables that a tokenizer keeps between calls."""
    return Tokenizer(ours.vocabulary, lowercase=ours.lowercase).encode_packed(texts, max_length=MAX_LENGTH)


def extract_ids(encoded: Any) -> Ids:
    """Return the ids of each text from what any of the tokenizers returns."""
    if isinstance(encoded, list):
        return [text.input_ids.tolist() for text in encoded]
    if hasattr(encoded, "offsets"):
        bounds = encoded.offsets.tolist()
        flat = encoded.input_ids.tolist()
        return [flat[start:end] for start, end in itertools.pairwise(bounds)]
    return [list(ids) for ids in encoded["input_ids"]]


def count_differences(first: Ids, second: Ids) -> int:
    """Return the number of texts whose ids are not equal."""
    return sum(first_ids != second_ids for first_ids, second_ids in zip(first, second, strict=True))
