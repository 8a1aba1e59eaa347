"""What a pipeline may be called with: several kinds of lists of texts; everything else is refused with its position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paddle_tasks import pipeline
from paddle_tasks.errors import DataError
from paddle_tasks.inference.pipelines import Pipeline, Predictor
from paddle_tasks.inference.texts import find_problem, read_texts

TEXTS = ["房间干净", "味道很差"]


class Echo(Pipeline):
    """Returns the texts, and counts its calls."""

    n_calls = 0

    def compute_records(self, texts, **options):
        self.n_calls += 1
        return [{"input": text, **options} for text in texts]


@pytest.fixture
def echo() -> Echo:
    return Echo()


LISTS: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda texts: (text for text in texts),
    "map": lambda texts: map(str, texts),
    "array": np.array,
    "array of objects": lambda texts: np.array(texts, dtype=object),
}


@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], []], ids=len)
def test_lists_of_texts(echo, make, texts):
    records = echo(make(texts), top=1)
    assert records == [{"input": text, "top": 1} for text in texts]
    assert all(type(record["input"]) is str for record in records)


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string"])
def test_series_of_pandas(echo, dtype):
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(TEXTS, index=["a", "b"], dtype=dtype)
    assert echo(series) == echo(pandas.Index(series)) == echo(TEXTS)
    assert echo(series[:0]) == []


@pytest.mark.parametrize("text", ["房间干净", np.str_("房间干净"), np.array("房间干净")], ids=type)
def test_a_single_text(echo, text):
    assert echo(text) == {"input": "房间干净"}
    assert type(echo(text)["input"]) is str


NO_LISTS = [
    (None, r"found None \(a missing value\)"),
    (float("nan"), r"found NaN \(a missing value\)"),
    (3, r"found 3 \(int\)"),
    (np.float32(0.5), r"found 0.5 \(float32\)"),
    (True, r"found True \(bool\)"),
    (b"good", r"found bytes; decode it"),
    ({"text": TEXTS, "label": [1, 0]}, "found a dict with the keys text, label; pass the texts alone"),
    ({"好"}, "found a set of 1; a set has no order"),
    (np.array([TEXTS]), r"found an array of shape \(1, 2\)"),
    (object(), "found object$"),
]


@pytest.mark.parametrize(("value", "message"), NO_LISTS)
def test_anything_else_is_refused(echo, value, message):
    with pytest.raises(DataError, match=f"^expected a text or a list of texts, {message}"):
        echo(value)
    assert not echo.n_calls


ITEMS = [
    (None, r"expected a text, found None \(a missing value\)"),
    (float("nan"), r"expected a text, found NaN \(a missing value\)"),
    (7, r"expected a text, found 7 \(int\)"),
    (np.int64(7), r"expected a text, found 7 \(int64\)"),
    (b"good", "expected a text, found bytes; decode it"),
    ({"text": "好"}, "expected a text, found a dict with the keys text"),
    (["好"], "expected a text, found a list of 1$"),
    (("好", "不错"), "expected a text, found a tuple of 2; a pair is one text with a tab between its two parts"),
    ("", "the text is blank"),
    (" \t\u3000\n", "the text is blank"),
    ("好\udcff", r"'好\\udcff': this text is not UTF-8"),
]


@pytest.mark.parametrize(("item", "message"), ITEMS)
def test_an_item_that_is_no_text_is_refused_with_its_number(echo, item, message):
    for texts in ([*TEXTS, item], iter([*TEXTS, item])):
        with pytest.raises(DataError, match=f"^item 3 of 3: {message}"):
            echo(texts)
    assert not echo.n_calls


def test_missing_values_of_pandas_are_refused(echo):
    pandas = pytest.importorskip("pandas")
    for missing in (None, pandas.NA, float("nan"), pandas.NaT):
        with pytest.raises(DataError, match=r"item 2 of 2: expected a text, found \S+ \(a missing value\)"):
            echo(pandas.Series(["好", missing], dtype="object"))
    table = pandas.DataFrame({"text": TEXTS, "label": [1, 0]})
    with pytest.raises(DataError, match=r"found a DataFrame with the columns text, label; .* as in table\['text'\]"):
        echo(table)
    assert echo(table["text"]) == echo(TEXTS)


@pytest.mark.parametrize("text", ["", "\n", np.str_(" ")])
def test_a_single_blank_text_is_refused(echo, text):
    with pytest.raises(DataError, match="nothing to predict: the text is blank"):
        echo(text)
    assert not echo.n_calls


def test_pairs_need_two_parts():
    assert find_problem("好\t不错", n_fields=2) is None
    assert find_problem("好\t不错") is None  # a tab in a single text is white space
    for text in ("好", "好\t", "\t好", "好\t不\t错"):
        assert find_problem(text, n_fields=2) == f"expected two texts with a tab between them, found {text!r}"
    with pytest.raises(DataError, match="item 2 of 2: expected two texts"):
        read_texts(["好\t不错", "好"], n_fields=2)


@pytest.mark.parametrize("name", ["sentiment", "opinion", "news", "fill-mask", "rewrite"])
def test_every_pipeline_refuses_what_is_no_text(name):
    ask = pipeline(name)
    with pytest.raises(DataError, match="found a dict with the keys text"):
        ask({"text": "好"})
    with pytest.raises(DataError, match="item 1 of 2: expected a text, found None"):
        ask([None, "好"])
    with pytest.raises(DataError, match="the text is blank"):
        ask("")
    assert ask([]) == ask(np.array([])) == ask(iter(())) == []


def test_a_run_refuses_what_is_no_text(run):
    ask = pipeline(run.folder)
    assert isinstance(ask, Predictor)
    assert ask(np.array(TEXTS)) == ask(tuple(TEXTS)) == ask(TEXTS)
    with pytest.raises(DataError, match="item 2 of 3"):
        ask(["好", float("nan"), "差"])
