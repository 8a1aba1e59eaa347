"""Small language models with known logits, and the cases that transformers made of one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary

GOLDEN = Path(__file__).parents[1] / "golden"
ORACLE: dict[str, Any] = json.loads((GOLDEN / "generation.json").read_text(encoding="utf-8"))
LETTERS = "abcdefghijklmnopqrstuvwx"
PROMPTS: list[list[int]] = ORACLE["prompts"]


def spell(text: str) -> list[int]:
    return [LETTERS.index(letter) for letter in text]


def letters(end: Sequence[int] = (), forbidden: Sequence[int] = ()) -> OutputVocabulary:
    texts = ["" if token in end else letter for token, letter in enumerate(LETTERS)]
    return OutputVocabulary(texts, spell, tuple(forbidden), tuple(end))


class SummingModel:
    """The logits after a prefix are those after its last token plus what each of its tokens adds.

    The state has the last token of each row and a running sum, which is changed in place. `n_rows` has the number of
    rows of each call.
    """

    def __init__(self, after: Any, earlier: Any) -> None:
        self.after, self.earlier = np.array(after, np.float32), np.array(earlier, np.float32)
        self.n_rows: list[int] = []

    def start(self, prompts):
        sums = np.stack([self.earlier[list(prompt)].sum(axis=0) for prompt in prompts])
        return self._rate({"last": [prompt[-1] for prompt in prompts], "sums": sums})

    def advance(self, state, tokens):
        assert len(tokens) == len(state["last"])
        state["last"] = list(tokens)
        state["sums"] += self.earlier[state["last"]]
        return self._rate(state)

    def select(self, state, rows):
        return {"last": [state["last"][row] for row in rows], "sums": state["sums"][list(rows)]}

    def _rate(self, state):
        self.n_rows.append(len(state["last"]))
        return state, self.after[state["last"]] + state["sums"]


class UnorderedModel(SummingModel):
    """Selects the right number of rows, and the wrong ones."""

    def select(self, state, rows):
        return super().select(state, sorted(rows))


class FirstRowsModel(SummingModel):
    """Keeps the first rows instead of those that are asked for."""

    def select(self, state, rows):
        return super().select(state, [number % len(state["last"]) for number in range(len(rows))])


def oracle_model(kind: type[SummingModel] = SummingModel) -> SummingModel:
    return kind(ORACLE["after"], ORACLE["earlier"])


def random_model(n: int, seed: int = 1, scale: float = 2.0, kind: type[SummingModel] = SummingModel) -> SummingModel:
    numbers = np.random.default_rng(seed)
    return kind(scale * numbers.normal(size=(n, n)), 0.5 * numbers.normal(size=(n, n)))


def constant_model(*rows: Sequence[float]) -> SummingModel:
    """Return a model with the same logits after every token, or with those of a row after each."""
    table = np.array(rows if len(rows) > 1 else [rows[0]] * len(rows[0]), np.float32)
    return SummingModel(table, np.zeros_like(table))


def oracle_setting(case: dict[str, Any]) -> tuple[OutputVocabulary, GenerationSection]:
    """Return the vocabulary and options of a stored case."""
    options = {"max_new_tokens": 12, **case["options"]}
    end = options.pop("eos_token_id", ORACLE["end"])
    vocabulary = letters(end if isinstance(end, list) else [end], options.pop("suppress_tokens", ()))
    words = ["".join(LETTERS[token] for token in word) for word in options.pop("bad_words_ids", ())]
    return vocabulary, GenerationSection(bad_words=tuple(words), **options)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
