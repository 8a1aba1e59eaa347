"""The comparison of prediction with other libraries: conversion, batches, times and the table; no peer is run."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from paddle_tasks.models.pretrained.renaming import encoder_tensors

from ..helpers import table
from .scripts import load


@pytest.fixture
def predict(monkeypatch) -> ModuleType:
    return load("predict", monkeypatch)


@pytest.fixture
def batches(monkeypatch) -> ModuleType:
    return load("sorted_batches", monkeypatch)


@pytest.fixture
def convert(monkeypatch) -> ModuleType:
    return load("to_hugging_face", monkeypatch)


@pytest.fixture
def data(tmp_path) -> Path:
    rows = [(str(index % 2), f"第{index}个房间很好" * (index % 40 + 1)) for index in range(80)]
    table(tmp_path / "test.tsv", ("label", "text_a"), *rows)
    return tmp_path


# ---- the model in Hugging Face's layout


def test_converted_tensors_are_those_that_paddle_tasks_would_read(convert, monkeypatch):
    maker, generator = load("make_weights", monkeypatch), np.random.default_rng(1)
    monkeypatch.setitem(maker.CONFIG, "vocab_size", 9)
    theirs = {name: generator.random(shape, np.float32) for name, shape in maker.parameter_shapes().items()}
    ours = {f"bert.{name}": tensor.array for name, tensor in encoder_tensors(theirs).items()}
    ours |= {"head.output.weight": theirs["classifier.weight"].T, "head.output.bias": theirs["classifier.bias"]}
    converted = convert.convert_tensors(ours)
    assert set(converted) == set(theirs)
    for name, array in theirs.items():
        np.testing.assert_array_equal(converted[name], array, err_msg=name)
        assert converted[name].flags.c_contiguous


def test_labels_of_the_converted_model(convert):
    config = convert.convert_config({"model_type": "bert", "architectures": ["BertModel"]}, ["差", "好"])
    assert config["id2label"] == {0: "差", 1: "好"}
    assert config["label2id"] == {"差": 0, "好": 1}
    assert (config["model_type"], config["architectures"]) == ("bert", ["BertForSequenceClassification"])


@pytest.mark.parametrize(
    ("model_type", "changes", "difference"),
    [
        ("bert", {}, None),
        ("ernie", {}, "model_type is ernie, expected bert"),
        ("bert", {"pooling": "mean"}, "model.pooling is mean, expected cls"),
        ("bert", {"output": "sigmoid"}, "model.output is sigmoid, expected softmax"),
    ],
)
def test_models_that_cannot_be_converted(convert, model_type, changes, difference):
    assert convert.find_difference({"model_type": model_type}, {**convert.EXPECTED, **changes}) == difference


# ---- sorted batches


class Characters:
    """A tokenizer with one token for each character."""

    pad_token_id = 0

    def __call__(self, texts: list[str], *, max_length: int, **options) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(character) for character in text[:max_length]] for text in texts]}


def classify_by_sum(input_ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return logits whose class is the sum of a text's real ids, modulo 7."""
    assert ((input_ids != 0) == mask).all()
    return np.eye(7)[(input_ids * mask).sum(axis=1) % 7]


def test_classes_are_in_the_order_of_the_texts(batches):
    generator = random.Random(3)
    texts = ["".join(generator.choices("好坏房间", k=generator.randint(1, 30))) for _ in range(50)]
    expected = [sum(map(ord, text[:20])) % 7 for text in texts]
    for batch_size in (1, 16, 64):
        assert batches.predict_sorted(texts, Characters(), classify_by_sum, batch_size, 20) == expected


def test_batches_have_similar_lengths(batches):
    assert batches.batch_rows([5, 9, 7], 2) == [[1, 2], [0]]
    input_ids, mask = batches.pad([[4, 5, 6], [7]], pad_id=1)
    assert input_ids.tolist() == [[4, 5, 6], [7, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert input_ids.dtype == mask.dtype == np.int64


# ---- measurements


def test_the_first_texts_warm_up_and_all_texts_are_timed(monkeypatch, data):
    peer, calls = load("peer", monkeypatch), []

    def predict(texts: list[str]) -> list[str]:
        calls.append(len(texts))
        return [text[1] for text in texts]

    measured = peer.measure_prediction(predict, {"test": str(data / "test.tsv"), "text": "很好"})
    assert calls == [64, 80] + [1] * (peer.N_WARM_UP_CALLS + peer.N_CALLS)
    assert measured["labels"] == [str(index)[0] for index in range(80)]


def test_latency_is_that_of_the_calls_after_the_warm_up(monkeypatch):
    peer, now = load("peer", monkeypatch), [0.0]
    durations = iter([9.0] * peer.N_WARM_UP_CALLS + [value / 1000 for value in range(1, 101)])
    monkeypatch.setattr(peer.time, "perf_counter", lambda: now[0])
    latency = peer.measure_latency(lambda: now.__setitem__(0, now[0] + next(durations)))
    assert latency == {"p50_ms": pytest.approx(50.5), "p95_ms": pytest.approx(95.95)}


def test_one_text_is_nearest_to_100_characters(predict):
    assert predict.pick_text(["好" * 10, "好" * 98, "坏" * 102, "好" * 300]) == "好" * 98


def test_every_batch_size_is_a_variant(batches, data):
    settings = {"test": str(data / "test.tsv"), "text": "很好", "batch_sizes": [2, 3]}
    variants = batches.measure_batch_sizes("plain", lambda texts, batch_size: [str(batch_size)] * len(texts), settings)
    assert [(each["variant"], set(each["labels"])) for each in variants] == [
        ("plain, batches of 2", {"2"}),
        ("plain, batches of 3", {"3"}),
    ]


# ---- the runner


def test_settings_are_complete(predict, data, tmp_path):
    (tmp_path / "ours").mkdir()
    options = predict.parse([str(data), "--threads", "3", "--batch-sizes", "5", "6"])
    settings = predict.build_settings(options, tmp_path)
    assert (settings["model"], settings["threads"], settings["batch_sizes"]) == (str(tmp_path / "ours"), 3, [5, 6])
    assert 92 <= len(settings["text"]) <= 108
    environment = predict.build_environment(3)
    assert (environment["PADDLE_TASKS_THREADS"], environment["RAYON_NUM_THREADS"]) == ("3", "3")
    assert "OMP_NUM_THREADS" not in environment


def test_missing_model(predict, data, tmp_path):
    with pytest.raises(SystemExit, match=r"absent: no such file or folder"):
        predict.build_settings(predict.parse([str(data), "--model", str(tmp_path / "absent")]), tmp_path)


def test_unknown_peers(predict, capsys):
    with pytest.raises(SystemExit):
        predict.parse(["data", "--peers", "ours,hf"])
    assert "expected some of ours, hf-pipeline, torch, torch-bf16, onnxruntime, each once" in capsys.readouterr().err


def test_variants_of_a_peer_are_read(predict, data, tmp_path):
    stub = tmp_path / "python"
    stub.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/stub.py" "$@"\n', encoding="utf-8")
    stub.chmod(0o755)
    code = "variants = [{'variant': way} for way in settings.get('ways', ['only'])]\n"
    (tmp_path / "stub.py").write_text(
        "import json, sys\nif sys.argv[1] == '-m': sys.exit()\nsettings = json.load(open(sys.argv[2]))\n"
        f"{code}json.dump({{'variants': variants, 'versions': {{}}, 'threads': 2}}, open(sys.argv[3], 'w'))\n",
        encoding="utf-8",
    )
    options = predict.parse([str(data), "--python-hf", str(stub), "--python-ours", str(stub)])
    settings = {"threads": 2, "model": "m", "text": "很好"}
    read = {peer: predict.run_peer(peer, options, settings, tmp_path) for peer in ("torch-bf16", "ours")}
    assert [(run["peer"], run["variant"]) for run in read["torch-bf16"]] == [
        ("torch-bf16", "autocast"),
        ("torch-bf16", "bfloat16"),
    ]
    assert [run["process_seconds"] > 0 for run in read["ours"]] == [True]


# ---- the table and the report


def measured(peer: str, seconds: float, labels: str, **others) -> dict:
    return {
        "peer": peer,
        "variant": "v",
        "seconds": seconds,
        "labels": [*labels],
        "p50_ms": 5.0,
        "p95_ms": 6.0,
        **others,
    }


def test_medians_ratios_accuracy_and_agreement(predict):
    runs = [measured("ours", seconds, "0011", process_seconds=seconds) for seconds in (1.0, 2.0, 30.0)]
    runs += [measured("torch", seconds, "0111") for seconds in (0.5, 4.0, 8.0)]
    random.Random(0).shuffle(runs)
    rows = {row["peer"]: row for row in predict.summarise(runs, [*"0001"])}
    assert rows["ours"]["texts_per_second"] == pytest.approx(4 / 2)
    assert [rows[peer]["ratio"] for peer in ("ours", "torch")] == [1, pytest.approx(0.5)]
    assert [rows[peer]["accuracy"] for peer in ("ours", "torch")] == [0.75, 0.5]
    assert [rows[peer]["agreement"] for peer in ("ours", "torch")] == [1, 0.75]
    assert [rows[peer]["process_seconds"] for peer in ("ours", "torch")] == [2.0, None]


def test_the_best_variant_counts(predict):
    runs = [
        measured("torch", 4.0, "01", variant="a", p50_ms=3.0, p95_ms=4.0),
        measured("torch", 1.0, "11", variant="b", p50_ms=7.0, p95_ms=9.0),
    ]
    (row,) = predict.summarise(runs, [*"01"])
    assert (row["variant"], row["texts_per_second"], row["accuracy"]) == ("b", 2.0, 0.5)
    assert (row["p50_ms"], row["p95_ms"]) == (3.0, 4.0)
    assert [variant["variant"] for variant in row["variants"]] == ["a", "b"]
    text = predict.format_table([row])
    assert text[1].split() == ["torch", "b", "2", "1.000", "3.00", "4.00", "–", "0.5000", "1.0000"]
    assert "relative to torch" in text[-1]


def test_the_report_has_no_labels(predict, monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_TASKS_ONEDNN", "0")
    runs = [measured("ours", 1.0, "01")]
    predict.write_report(tmp_path / "report.json", {"threads": 1}, predict.summarise(runs, [*"01"]), runs)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["runs"][0]["seconds"] == 1.0
    assert report["cpu"]["cores"] >= 1
    assert report["variables"]["PADDLE_TASKS_ONEDNN"] == "0"
    assert "labels" not in {*report["runs"][0], *report["table"][0], *report["table"][0]["variants"][0]}


def test_cpu_features_are_whole_flags(predict):
    cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16 avx512fp16\n\nprocessor\t: 1\n"
    cpu = predict.describe_cpu(cpuinfo)
    assert cpu["name"] == "AMD EPYC"
    assert {name for name in predict.CPU_FEATURES if cpu[name]} == {"avx2", "avx512_bf16"}
    assert not any(predict.describe_cpu("")[name] for name in predict.CPU_FEATURES)
