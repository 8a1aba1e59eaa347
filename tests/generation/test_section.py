"""The options of decoding: what is refused, and what follows from what."""

from __future__ import annotations

import pytest

from paddle_tasks.config import dump, parse_yaml, validate
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.section import BEAM_OPTIONS, SAMPLING_OPTIONS, GenerationSection

SAMPLED, SEARCHED = GenerationSection(do_sample=True, top_k=5), GenerationSection(num_beams=4, length_penalty=0.8)


@pytest.mark.parametrize("options", [GenerationSection(), SAMPLED, SEARCHED, GenerationSection(bad_words=("坏",))])
def test_a_dumped_section_loads_equal(options):
    assert validate(parse_yaml(dump(options), "x"), GenerationSection, "x") == options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topk": 3}, "topk: unknown key; did you mean 'top_k'?"),
        ({"top_k": 3}, "top_k: expected do_sample: true too; only sampling reads it, found 3"),
        ({"temperature": 0.7}, "temperature: expected do_sample: true too; only sampling reads it, found 0.7"),
        ({"min_p": 0.1, "do_sample": False}, "min_p: expected do_sample: true too"),
        ({"temperature": 0.0, "do_sample": True}, "temperature: input should be greater than 0, found 0.0"),
        ({"top_p": 1.2, "do_sample": True}, "top_p: input should be less than or equal to 1, found 1.2"),
        ({"top_k": True, "do_sample": True}, "top_k: input should be a valid integer, found True"),
        (
            {"num_beams": 2, "do_sample": True},
            "num_beams: expected 1 with do_sample: true; beam search does not sample",
        ),
        (
            {"length_penalty": 2.0},
            "length_penalty: expected num_beams above 1 too; only beam search reads it, found 2.0",
        ),
        ({"early_stopping": "never"}, "early_stopping: expected num_beams above 1 too"),
        ({"early_stopping": "newer", "num_beams": 2}, "found 'newer'; did you mean 'never'?"),
        ({"min_new_tokens": 201}, "min_new_tokens: expected at most max_new_tokens, which is 200, found 201"),
        (
            {"num_return_sequences": 2},
            "num_return_sequences: expected at most num_beams, which is 1, or do_sample: true",
        ),
        ({"num_beams": 2, "num_return_sequences": 3}, "expected at most num_beams, which is 2, or do_sample: true"),
        ({"stop_strings": [""]}, "stop_strings.0"),
        ({"bad_words": "坏"}, "bad_words"),
        ({"seed": -1}, "seed"),
    ],
)
def test_mistakes_are_explained(options, message):
    with pytest.raises(ConfigError) as caught:
        validate(options, GenerationSection, "x.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x.yaml: 1 problem\n")


def test_all_mistakes_are_collected():
    with pytest.raises(ConfigError, match="x: 3 problems"):
        validate({"top_k": 1, "length_penalty": 2.0, "seed": -1}, GenerationSection, "x")


@pytest.mark.parametrize(
    ("section", "options", "expected"),
    [
        (GenerationSection(), {"top_k": 10}, {"do_sample": True, "top_k": 10}),
        (GenerationSection(), {"temperature": None, "num_beams": None}, {}),
        (SAMPLED, {"num_beams": 3}, {"num_beams": 3}),
        (SAMPLED, {"max_new_tokens": 7}, {"do_sample": True, "top_k": 5, "max_new_tokens": 7}),
        (SEARCHED, {"top_p": 0.9}, {"do_sample": True, "top_p": 0.9}),
        (SEARCHED, {"num_beams": 2}, {"num_beams": 2, "length_penalty": 0.8}),
        (SEARCHED, {"num_beams": 1, "length_penalty": 1.0}, {}),
        (SAMPLED, {"do_sample": False, "top_k": 0}, {}),
        (SEARCHED, {"do_sample": True}, {"do_sample": True}),
    ],
)
def test_the_strategy_follows_from_what_is_asked_for(section, options, expected):
    assert section.replace(options) == GenerationSection(**expected)


def test_without_sampling_its_options_go_back():
    section = GenerationSection(do_sample=True, top_p=0.9, repetition_penalty=1.2)
    greedy = section.replace({"do_sample": False})
    assert (greedy.do_sample, greedy.top_p, greedy.repetition_penalty) == (False, 1.0, 1.2)
    with pytest.raises(ConfigError, match="top_p"):
        section.replace({"do_sample": False, "top_p": 0.5})


@pytest.mark.parametrize("options", [{"num_beams": 3, "top_k": 4}, {"do_sample": False, "top_k": 4}])
def test_options_that_contradict_each_other_are_refused(options):
    with pytest.raises(ConfigError, match="top_k: expected do_sample: true too"):
        SEARCHED.replace(options)


def test_defaults_do_nothing():
    section = GenerationSection()
    assert {name: getattr(section, name) for name in SAMPLING_OPTIONS} == SAMPLING_OPTIONS
    assert {name: getattr(section, name) for name in BEAM_OPTIONS} == BEAM_OPTIONS
