"""Writing with a trained model: characters per second, the time to the first one, and what the cache saves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import perf_counter

from paddle_tasks import runtime
from paddle_tasks.inference.pipelines import Predictor, load
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds, time_call

_N_TEXTS = 8
_Round = tuple[float, float, int]
"""Seconds of a call, those until its first character, and the characters that it wrote."""


def measure_writing(name: str, text: str, *, length: int, repeats: int, notify: Notify = lambda _text: None) -> Report:
    """Time a model that continues texts: with its cache, without one, and for several texts at once, in turn.

    Without a cache each character is asked for by a call of its own, which encodes the text before it anew.

    Args:
        name: a run folder or the name of a shipped model.
        text: the beginning of each text.
        length: characters to write.
        repeats: rounds that count.
        notify: called with messages about the progress.

    Raises:
        UserError: there is no such model, or it does not continue texts.
    """
    writer = load(name, device="cpu")
    timers: dict[str, Callable[[], _Round]] = {
        "with the cache": lambda: _time(writer.stream_text(text, max_new_tokens=length, seed=1)),
        "each character anew": lambda: _time(_write_anew(writer, text, length)),
        f"{_N_TEXTS} texts at once": partial(_time_batch, writer, text, length),
    }
    rounds = run_rounds(timers, repeats, warmup=1, notify=notify)
    return Report(
        bench="write",
        timed=f"{length:,} characters after {len(text):,}",
        measurements=[_measurement(kind, rounds[kind]) for kind in timers],
        settings={"model": name, "text": text, "length": length},
        environment=runtime.describe_environment("cpu"),
    )


def _write_anew(writer: Predictor, text: str, length: int) -> Iterable[str]:
    for number in range(length):
        piece = "".join(writer.stream_text(text, max_new_tokens=1, seed=number))
        yield piece
        text += piece


def _time(pieces: Iterable[str]) -> _Round:
    started, ends, n_characters = perf_counter(), [], 0
    for piece in pieces:
        ends.append(perf_counter())
        n_characters += len(piece)
    return ends[-1] - started, ends[0] - started, n_characters


def _time_batch(writer: Predictor, text: str, length: int) -> _Round:
    records: list[Sequence[str]] = []
    seconds = time_call(
        lambda: records.extend(
            [output["text"] for output in record["outputs"]]
            for record in writer([text] * _N_TEXTS, max_new_tokens=length, seed=1)
        )
    )
    return seconds, seconds, sum(len(output) for outputs in records for output in outputs)


def _measurement(kind: str, rounds: Sequence[_Round]) -> Measurement:
    rates = [n_characters / seconds for seconds, _first, n_characters in rounds]
    values = {
        "characters_per_second": Spread.from_values(rates).median,
        "first_character_ms": Spread.from_values([1000 * first for _seconds, first, _n in rounds]).median,
    }
    return Measurement(kind, Spread.from_values([seconds for seconds, _first, _n in rounds]), values)
