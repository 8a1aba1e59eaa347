"""The baselines of translating: copying the source, and a lexicon of what single characters become."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import NonNegativeFloat

from paddle_tasks.config import Count, Section
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.data.parallel.section import ParallelData
from paddle_tasks.data.parallel.splits import PairSplit, load_pairs
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.language import _
from paddle_tasks.models.lexicon.alignment import Aligner, AlignmentSettings
from paddle_tasks.models.lexicon.phrases import learn_phrases
from paddle_tasks.tasks.translate.text_scores import score_texts, text_record
from paddle_tasks.tasks.translate.vocabulary import encode_pairs, learn_vocabulary
from paddle_tasks.training.protocol import BaselineScores, Evaluation
from paddle_tasks.training.settings import AnyRunSection

Twin = Literal["copy", "lexicon"]
_TWINS: tuple[Twin, ...] = ("copy", "lexicon")


class TwinSection(Section):
    """The ``model`` section of the baselines.

    Attributes:
        encoder: ``copy`` leaves each source as it is; ``lexicon`` replaces each character by the phrase that it is
            aligned with most often in train; the order stays that of the source.
        min_count: characters that both sides of train together have fewer times are copied.
        n_iterations: of expectation maximisation.
        tension: how strongly characters near each other are preferred as partners; 0 is IBM model 1.
    """

    encoder: Twin = "copy"
    min_count: Count = 5
    n_iterations: Count = 5
    tension: NonNegativeFloat = 4.0


class Lexicon:
    """Writes a phrase for each character of a text; characters without one stay.

    Attributes:
        phrases: the phrase of each character.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self.phrases = phrases

    @property
    def n_parameters(self) -> int:
        """The number of phrases."""
        return len(self.phrases)

    def translate(self, text: str) -> str:
        """Return the phrases of the characters of a text, in their order."""
        return "".join(self.phrases.get(character, character) for character in text)


def learn_lexicon(pairs: Sequence[Pair], section: TwinSection) -> Lexicon:
    """Return the lexicon of pairs."""
    vocabulary = learn_vocabulary(pairs, section.min_count)
    encoded = encode_pairs(vocabulary, pairs)
    settings = AlignmentSettings(section.n_iterations, section.tension)
    aligner = Aligner(encoded.sources, encoded.targets, vocabulary.n_outputs, settings)
    phrases = learn_phrases(aligner, aligner.fit())
    entries = vocabulary.entries
    return Lexicon({entries[token]: "".join(entries[one] for one in phrase) for token, phrase in phrases.items()})


class TwinBaseline:
    """The baselines of translating."""

    model_section = TwinSection
    options: tuple[str, ...] = ("twin",)

    def recognises(self, encoder: str) -> bool:
        """Return whether ``model.encoder`` is the name of a baseline."""
        return encoder in _TWINS

    def complete(self, model: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``model`` section; the option ``twin`` is its ``encoder``."""
        implied = {"encoder": options["twin"]} if "twin" in options else {}
        return {**TwinSection().model_dump(mode="json"), **model, **implied}

    def fit(self, config: AnyRunSection, notify: Callable[[str], None]) -> BaselineScores:
        """Read the pairs, learn the lexicon of train and score the other splits."""
        data: Any = config.data
        section: Any = config.model
        splits = _load_splits(data, config.seed)
        for split in splits.values():
            notify(describe_rows(split))
        started = time.perf_counter()
        twin = _learn(data.usable(splits["train"].examples), section, notify)
        seconds = time.perf_counter() - started
        train = splits["train"].examples
        scores: dict[SplitName, Evaluation] = {
            name: _evaluate(twin, split, train) for name, split in splits.items() if name != "train"
        }
        return BaselineScores(splits, twin.n_parameters, seconds, scores)


def _learn(pairs: Sequence[Pair], section: TwinSection, notify: Callable[[str], None]) -> Lexicon:
    if section.encoder == "copy":
        return Lexicon({})
    notify(_("lexicon: aligning the characters of {count:,} pairs").format(count=len(pairs)))
    return learn_lexicon(pairs, section)


def _load_splits(data: ParallelData, seed: int) -> dict[SplitName, PairSplit]:
    names: tuple[SplitName, ...] = ("train", "dev", "test")
    splits = {name: load_pairs(data, name, data.source(name, seed)) for name in names if data.has(name)}
    for split in splits.values():
        require_good(split, data.on_bad_row)
    return splits


def _evaluate(twin: Lexicon, split: PairSplit, train: Sequence[Pair]) -> Evaluation:
    outputs = [twin.translate(pair.source) for pair in split.examples]
    rows = enumerate(zip(split.examples, outputs, strict=True))
    records = [text_record(row, pair, output) for row, (pair, output) in rows]
    return Evaluation(score_texts(split.examples, outputs, train), records)
