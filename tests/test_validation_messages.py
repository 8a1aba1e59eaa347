"""Mistakes in a configuration: pydantic's own sentences in English, and a Chinese sentence for each of them."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, ValidationError

from paddle_tasks.config import Section
from paddle_tasks.validation_messages import SENTENCES, explain


def never_valid(value: int) -> int:
    raise ValueError("it is odd")


class Inner(Section):
    """A section inside a section."""

    size: int = 1


class Whole(Section):
    """A key for each type of error."""

    whole: int = 1
    number: float = 1.0
    flag: bool = True
    text: str = "x"
    names: list[str] = Field(default_factory=list)
    pair: tuple[int, ...] = ()
    table: dict[str, int] = Field(default_factory=dict)
    inner: Inner = Inner()
    nothing: None = None
    above: Annotated[int, Field(gt=0)] = 1
    rate: Annotated[float, Field(gt=0.0)] = 1.0
    share: Annotated[float, Field(le=0.5)] = 0.5
    least: Annotated[int, Field(ge=0)] = 1
    below: Annotated[int, Field(lt=2)] = 1
    most: Annotated[int, Field(le=1)] = 1
    odd: Annotated[int, AfterValidator(never_valid)] = 1
    choice: Literal["light", "normal", "full"] = "full"
    some: Annotated[tuple[int, ...], Field(min_length=2, max_length=3)] = (1, 2)
    letters: Annotated[str, Field(min_length=1)] = "x"


WRONG: dict[str, Any] = {
    "whole": "three",
    "number": "fast",
    "flag": 1,
    "text": 1,
    "names": 5,
    "pair": 5,
    "table": 5,
    "inner": 5,
    "nothing": 5,
    "above": 0,
    "rate": -1.5,
    "share": 0.75,
    "least": -1,
    "below": 2,
    "most": 2,
    "odd": 3,
}


def errors_of(tree: dict[str, Any]) -> Any:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate_json(json.dumps(tree))
    return caught.value.errors()


def lines_of(tree: dict[str, Any]) -> list[str]:
    return [explain(detail, Whole) for detail in errors_of(tree)]


def test_the_sentences_are_those_of_pydantic():
    details = errors_of(WRONG) + errors_of({"number": float("inf")})
    for detail in details:
        sentence = detail["msg"][0].lower() + detail["msg"][1:]
        assert explain(detail, Whole) == f"{detail['loc'][0]}: {sentence}, found {detail['input']!r}"
    assert set(SENTENCES) - {detail["type"] for detail in details} == {"json_invalid"}


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"choice": "ful"}, "choice: input should be 'light', 'normal' or 'full', found 'ful'; did you mean 'full'?"),
        ({"some": [1]}, "some: input should have at least 2 items, found [1]"),
        ({"some": [1, 2, 3, 4]}, "some: input should have at most 3 items, found [1, 2, 3, 4]"),
        ({"letters": ""}, "letters: input should have at least 1 character, found ''"),
        ({"hole": 1}, "hole: unknown key; did you mean 'whole'?"),
        ({"size": 1}, "size: unknown key; did you mean 'inner.size'?"),
    ],
)
def test_choices_and_lengths_and_keys(tree, line):
    assert lines_of(tree) == [line]


@pytest.mark.usefixtures("in_chinese")
def test_every_mistake_has_a_chinese_sentence():
    wrong = {**WRONG, "choice": "ful", "some": [1], "letters": "", "hole": 1}
    lines = lines_of(wrong)
    assert {line.partition("：")[0] for line in lines} == set(wrong)
    for line in lines:
        assert not re.search(r"input|should|found|expected|unknown", line)
        assert re.search(r"应|没有这个配置项|取值有误", line)
    assert "choice：应为 'light'、'normal' 或 'full'，实际为 'ful'；是不是想写 'full'？" in lines


@pytest.mark.usefixtures("in_chinese")
def test_a_type_of_error_without_a_sentence_is_shown_in_pydantics_words():
    (detail,) = errors_of({"whole": "three"})
    unknown = {**detail, "type": "a_new_type", "msg": "Input should be even"}
    assert explain(unknown, Whole) == "whole：input should be even，实际为 'three'"
