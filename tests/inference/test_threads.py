"""Predictors that are shared by threads: their records are those of calls one after another, bit for bit."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from paddle_tasks import load, pipeline, train
from paddle_tasks.inference.pipelines import Pipeline, Predictor

N_THREADS = 40
WAIT = 300
"""Seconds after which a test fails instead of hanging."""
TEXTS = ["房间干净", "味道很差", "好"]

Call = tuple[Any, dict[str, Any]]


def serial(ask: Callable[..., Any], calls: list[Call]) -> list[Any]:
    return [ask(texts, **options) for texts, options in calls]


def concurrent(ask: Callable[..., Any], calls: list[Call]) -> list[list[Any]]:
    """Return the records of `N_THREADS` threads, each with the calls in an order of its own, in their usual order."""
    barrier = Barrier(N_THREADS)

    def work(seed: int) -> list[Any]:
        order = list(range(len(calls)))
        random.Random(seed).shuffle(order)
        barrier.wait(WAIT)
        records = {number: ask(calls[number][0], **calls[number][1]) for number in order}
        return [records[number] for number in range(len(calls))]

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(work, range(N_THREADS), timeout=WAIT))


@pytest.fixture(scope="module")
def folders(small_config, tmp_path_factory) -> dict[str, Path]:
    """Runs of small models with attention, with convolutions and with recurrence; no test may change them."""
    sizes = {"bert": {"n_heads": 2, "n_layers": 1}, "textcnn": {"kernel_sizes": [2]}, "bilstm": {"embedding_size": 8}}
    configs = {name: small_config(tmp_path_factory.mktemp(name)) for name in sizes}
    for name, config in configs.items():
        config["model"] = {"encoder": name, "hidden_size": 8, **sizes[name]}
    return {name: train(config, **{"training.epochs": 1}).folder for name, config in configs.items()}


@pytest.mark.long
@pytest.mark.parametrize("name", ["textcnn", "bert", "bilstm"])
def test_explanations_and_plain_calls_of_many_threads(folders, name):
    predictor = load(folders[name])
    calls: list[Call] = [(text, {"explain": explain}) for text in TEXTS for explain in (False, True)]
    calls.append((TEXTS, {"explain": True}))
    expected = serial(predictor, calls)
    assert expected[0] != expected[2]
    assert all(records == expected for records in concurrent(predictor, calls))
    assert serial(predictor, calls) == expected
    assert not any(layer.training for layer in predictor.model.sublayers(include_self=True))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("fill-mask", [("房间很[MASK]", {"top_k": 1}), (["[MASK]道很差"], {"top_k": 2})]),
        ("opinion", [("房间很好，早餐太差", {}), (["服务不错", "有点吵"], {"explain": True})]),
    ],
)
def test_other_pipelines_of_many_threads(name, calls):
    ask = pipeline(name)
    expected = serial(ask, calls)
    assert all(records == expected for records in concurrent(ask, calls))


class Fails(Pipeline):
    """Fails at a text, and returns the others."""

    def compute_records(self, texts, **options):
        if "bad" in texts:
            raise KeyError
        return [{"input": text} for text in texts]


def test_a_call_that_fails_lets_the_others_in():
    ask = Fails()
    with pytest.raises(KeyError):
        ask("bad")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask, "good").result(WAIT) == {"input": "good"}


def test_a_generator_of_texts_may_use_the_predictor(folders):
    predictor = load(folders["textcnn"])
    labels = (predictor(text)["label"] for text in TEXTS)
    assert [record["input"] for record in predictor(labels)] == [predictor(text)["label"] for text in TEXTS]


def test_a_pipeline_can_be_copied(folders):
    predictor = load(folders["bert"])
    copied: Predictor = copy.deepcopy(predictor)
    assert copied.model is not predictor.model
    assert copied("房间干净", explain=True) == predictor("房间干净", explain=True)
    assert pickle.loads(pickle.dumps(Fails()))("good") == {"input": "good"}
