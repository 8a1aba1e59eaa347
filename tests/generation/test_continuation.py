"""Where outputs end: stop strings and whole sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.generation.continuation import Step, StopRule, ends_sentence, make_continuation
from paddle_tasks.generation.decoding import TextStream, generate
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.generation.vocabulary import OutputVocabulary

from .language_models import SummingModel

MARKS = "他说好，。！？“”「」（）\n…"


@pytest.mark.parametrize(
    ("prompt", "text", "ends"),
    [
        ("他说", "好。", True),
        ("他说", "好！", True),
        ("他说", "好？", True),
        ("他说", "好", False),
        ("他说", "好，", False),
        ("他说", "好…", False),
        ("他说", "", False),
        ("他说：“好", "。", False),
        ("他说：“好", "。”", True),
        ("他说：“好", "。”他", False),
        ("他说：", "“好”", False),
        ("他（", "好。", False),
        ("他（", "好。）", True),
        ("他「『", "好。』", False),
        ("他「『", "好。』」", True),
        ('he said: "', "yes!", False),
        ('he said: "', 'yes!"', True),
        ("“他\n", "好。", True),  # a quotation ends with its paragraph
        ("他说”", "好。", True),
        ("他", "好\n", True),
        ("他", "\n", False),
        ("他", "\n\n", False),
        ("好。", "”", True),
    ],
)
def test_sentences(prompt, text, ends):
    assert ends_sentence(prompt, text) is ends


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3), st.integers(1, 4))
def test_stop_strings_are_found_when_they_are_whole(text, stops, n_added):
    """A token of several characters may hold the end of a stop string, or all of it."""
    pieces = [text[start : start + n_added] for start in range(0, len(text), n_added)]
    vocabulary = OutputVocabulary(pieces, lambda _: ())
    rule, written = StopRule(GenerationSection(stop_strings=tuple(stops)), vocabulary), ""
    for token, piece in enumerate(pieces):
        before, written = written, written + piece
        if any(stop in before for stop in stops):
            break
        expected = "stop" if any(stop in written for stop in stops) else None
        assert rule.reason("ab", written, token, token + 1) == expected


def test_the_reasons_have_an_order():
    vocabulary = OutputVocabulary(["", "。", "x"], lambda _: (), end=(0,))
    rule = StopRule(GenerationSection(max_new_tokens=2, stop_strings=("x",), stop_at_sentence_end=True), vocabulary)
    assert rule.reason("", "xx", 0, 2) == "end"
    assert rule.reason("", "yx", 2, 2) == "stop"
    assert rule.reason("", "y。", 1, 2) == "sentence"
    assert rule.reason("", "x。", 1, 1) == "sentence"
    plain = StopRule(GenerationSection(max_new_tokens=2), vocabulary)
    assert [plain.reason("", "y。", 1, n) for n in (1, 2)] == [None, "length"]


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize(("minimum", "text"), [(0, "说：“好。”"), (6, "说：“好。”"), (7, "说：“好。”他说：“好。”")])
def test_an_output_ends_with_its_sentence(minimum, text, beams):
    characters = "他说：“好。”"
    vocabulary = OutputVocabulary(characters, lambda word: [characters.index(one) for one in word])
    n = len(characters)
    model = SummingModel(
        [[9.0 * (token == (last + 1) % n) for token in range(n)] for last in range(n)], [[0.0] * n] * n
    )
    options = GenerationSection(stop_at_sentence_end=True, min_new_tokens=minimum, max_new_tokens=30, num_beams=beams)
    ((found,),) = generate(model, [[0]], vocabulary, options)
    assert (found.text, found.finish) == (text, "sentence")
    if beams == 1:
        assert "".join(TextStream(model, [0], vocabulary, options)) == text


def test_scores_are_divided_by_the_length():
    steps = [Step(1, "a", -1.0, -2.0), Step(2, "ab", -3.0, -4.0)]
    found = make_continuation(steps, "length", 2.0)
    assert (found.text, found.tokens, found.log_probs, found.score) == ("ab", (1, 2), (-1.0, -3.0), -6.0 / 4)
    assert make_continuation(steps, "length").score == -6.0
    assert make_continuation([], "blocked", -1.0).score == 0
