"""The texts that prediction is timed with: all of a file at once, and one of them again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paddle_tasks import runtime
from paddle_tasks.errors import DataError
from paddle_tasks.inference.inputs import InputLayout, read_inputs
from paddle_tasks.inference.usage import usage_of
from paddle_tasks.workflows.bench.report import Measurement, Report, Spread, time_call

_USUAL_LENGTH = 100
"""Characters of the one text, or nearly so many."""


class Times(NamedTuple):
    """The seconds of a round: of all texts, and of each call with one text."""

    all_texts: float
    one_text: Sequence[float]


@dataclass(frozen=True)
class BenchTexts:
    """The texts of a file.

    Attributes:
        texts: those that a model can predict.
    """

    texts: Sequence[str]

    @classmethod
    def read(cls, name: str, file: Path) -> BenchTexts:
        """Read the texts of a file that a model can predict; `predict` reads the same files.

        Raises:
            UserError: there is no such model, or the file holds no such text.
        """
        inputs = read_inputs([], file, InputLayout.of_model(usage_of(name)))
        texts = [row.text for row in inputs.rows if not row.error]
        if not texts:
            raise DataError(f"{file}: holds no text that can be predicted")
        return cls(texts)

    @property
    def one(self) -> str:
        """The text that is predicted alone."""
        return min(self.texts, key=lambda text: abs(len(text) - _USUAL_LENGTH))

    def time(self, predict: Callable[[Sequence[str]], Any], n_calls: int) -> Times:
        """Return the times of a round with so many calls of one text."""
        whole, one = time_call(lambda: predict(self.texts)), self.one
        return Times(whole, [time_call(lambda: predict([one])) for _ in range(n_calls)])

    def measurement(
        self, name: str, rounds: Sequence[Times], percentiles: Sequence[int], **further: float
    ) -> Measurement:
        """Return the texts per second of rounds, these percentiles of the time for one text, and further values."""
        seconds = Spread.from_values([each.all_texts for each in rounds])
        calls = [1000 * call for each in rounds for call in each.one_text]
        per_call = {f"one_text_p{number}_ms": float(np.percentile(calls, number)) for number in percentiles}
        return Measurement(name, seconds, {"texts_per_second": len(self.texts) / seconds.median, **per_call, **further})

    def report(self, bench: str, measurements: Sequence[Measurement]) -> Report:
        """Return the report of a command that has timed these texts."""
        return Report(
            bench=bench,
            timed=f"prediction of {len(self.texts):,} texts",
            measurements=measurements,
            settings={"characters_of_the_one_text": len(self.one)},
            environment=runtime.describe_environment("cpu"),
        )
