"""Measurements with tiny settings: they run, leave no files behind, and their values are consistent."""

from __future__ import annotations

import os
import time

import numpy as np
import paddle
import pytest

from paddle_tasks import tasks
from paddle_tasks.data import array_cache
from paddle_tasks.data.batching import token_cache
from paddle_tasks.errors import ConfigError, DataError, SetupError
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.textcnn import TextCNN
from paddle_tasks.onednn import precision
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training import trainer
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.workflows.bench import startup, tokenizing
from paddle_tasks.workflows.bench.encoder import WARMUP, fill_batch, measure_encoder
from paddle_tasks.workflows.bench.logging import measure_logging
from paddle_tasks.workflows.bench.prediction import measure_prediction
from paddle_tasks.workflows.bench.report import Report
from paddle_tasks.workflows.bench.training import PHASES, measure_training
from paddle_tasks.workflows.bench.variants import BASE, SWITCHES, Variant, load_variants
from paddle_tasks.workflows.bench.writing import measure_writing
from paddle_tasks.workflows.config import load_config

from ...helpers import ROOT

QUICK = ROOT / "configs" / "quick" / "sentiment.yaml"
LENGTH = tokenizing.LENGTH


@pytest.fixture
def config(small_config, tmp_path) -> dict:
    return small_config(tmp_path, logging={"visualdl": False}, training={"max_steps": 3})


def check(report: Report, names: list[str]) -> dict:
    """Check what holds for every report, and return it as JSON."""
    printed = report.as_dict()
    assert list(printed) == ["schema", "bench", "timed", "settings", "matmul_gflops", "lines", "environment"]
    assert [line["name"] for line in printed["lines"]] == names
    first = printed["lines"][0]["seconds"]["median"]
    for line in printed["lines"]:
        seconds = line["seconds"]
        assert 0 < seconds["low"] <= seconds["median"] <= seconds["high"]
        assert line["ratio"] == pytest.approx(seconds["median"] / first)
        if printed["matmul_gflops"]:
            share = line["figures"]["gflops"] / printed["matmul_gflops"]["median"]
            assert line["figures"]["matmul_share"] == pytest.approx(share)
    return printed


# ---- variants


def test_variants_differ_in_the_given_changes():
    variants = load_variants(
        QUICK, ["seed=5"], ["model.dropout=0.0", "seed=6 plain-kernels"], ["training.batch_size=3"]
    )
    assert list(variants) == [BASE, "model.dropout=0.0", "seed=6 plain-kernels"]
    base, dropout, seed = (variant.config for variant in variants.values())
    assert (base.seed, dropout.seed, seed.seed) == (5, 5, 6)
    assert dropout.model.dropout == 0 != base.model.dropout
    assert {config.training.batch_size for config in (base, dropout, seed)} == {3}
    assert [variant.switches for variant in variants.values()] == [(), (), (SWITCHES["plain-kernels"],)]


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        (["plain-kernel"], "did you mean 'plain-kernels'"),
        ([""], "expected KEY=VALUE or one of"),
        (["seed=1", "seed=1"], "given twice"),
        (["seed='1"], "No closing quotation"),
        (["model.dropot=0"], "did you mean 'dropout'"),
    ],
)
def test_invalid_changes(compare, message):
    with pytest.raises(ConfigError, match=message):
        load_variants(QUICK, [], compare)


def test_switches_change_the_model():
    model = paddle.nn.Sequential(paddle.nn.Linear(2, 2))
    cpu.switch_in(model)
    Variant(load_config(QUICK)).apply_switches(model)
    assert cpu.is_switched_in(model[0])
    Variant(load_config(QUICK), (SWITCHES["plain-kernels"],)).apply_switches(model)
    assert not cpu.is_switched_in(model[0])


# ---- encoder


def test_encoder(config):
    switched = []
    compared = {BASE: Variant(load_config(config)), "changed": Variant(load_config(config), (switched.append,))}
    messages = []
    report = measure_encoder(compared, repeats=3, device="cpu", notify=messages.append)
    printed = check(report, [BASE, "changed"])
    assert printed["settings"] == {"batch_size": 4, "length": 16, "precision": "float32"}
    for line in printed["lines"]:
        assert line["seconds"]["n"] == 3
        tokens = line["figures"]["tokens_per_second"] * line["seconds"]["median"]
        assert tokens == pytest.approx(4 * 16)
    assert [isinstance(model, paddle.nn.Layer) for model in switched] == [True]
    assert len(messages) == 5


def test_a_frozen_encoder_is_computed_in_every_step(config, monkeypatch):
    """Its vectors are not cached, unlike in a run; and a batch of 30 is filled although there are only 22 texts."""
    rows, forward = [], TextCNN.forward
    monkeypatch.setattr(
        TextCNN, "forward", lambda own, ids, *others: rows.append(ids.shape[0]) or forward(own, ids, *others)
    )
    config["training"] |= {"freeze": ["encoder.*"], "batch_size": 30, "accumulation_steps": 2}
    measure_encoder({BASE: Variant(load_config(config))}, repeats=2, device="cpu")
    assert rows == [30] * (WARMUP + 2)


def test_a_filled_batch_has_the_given_size_and_the_real_tokens(config):
    task = tasks.find("sentiment")(load_config(config))
    task.read()
    batch = max(task.train_batches(0, 0), key=lambda batch: batch.n_padded_tokens - batch.n_tokens)
    assert batch.n_padded_tokens > batch.n_tokens
    full = fill_batch(batch, 5, 11)
    ids = full.input_ids.numpy()
    assert ids.shape == tuple(full.token_type_ids.shape) == (5, 11)
    assert task.tokenizer.pad_id not in ids
    assert set(ids.ravel()) <= set(batch.input_ids.numpy().ravel())
    assert full.lengths.tolist() == [11] * 5
    assert (full.n_tokens, full.n_padded_tokens, len(full.rows), len(full.labels)) == (55, 55, 5, 5)
    assert {str(tensor.dtype) for tensor in (full.input_ids, full.labels, full.lengths)} == {"paddle.int64"}
    task.loss(task.build_model(), full)


# ---- training


def test_logging(config, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    report = measure_logging(load_config(config), repeats=1, device="cpu")
    printed = check(report, ["steps", "light", "normal", "full"])
    assert {path.name for path in tmp_path.iterdir()} == before
    seconds = [line["seconds"]["median"] for line in printed["lines"][1:]]
    assert seconds == sorted(set(seconds)), "each detail includes the lower ones, and adds something"
    shares = [line["figures"]["share"] for line in printed["lines"]]
    assert shares[0] == 1
    assert shares[1:] == sorted(set(shares[1:]))
    for line, share in zip(printed["lines"], shares, strict=True):
        assert share == pytest.approx(line["seconds"]["median"] / printed["lines"][0]["seconds"]["median"])


def test_training(config, tmp_path):
    switched = []
    before = {path.name for path in tmp_path.iterdir()}
    compared = {BASE: Variant(load_config(config)), "changed": Variant(load_config(config), (switched.append,))}
    report = measure_training(compared, repeats=2, device="cpu")
    printed = check(report, [BASE, "changed"])
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (printed["settings"]["steps"], printed["settings"]["precision"]) == (3, "float32")
    assert len(switched) == 2  # once a run
    for line in printed["lines"]:
        figures = line["figures"]
        assert 0 < figures["padding"] < 0.5
        phases = {phase: figures[f"{phase}_seconds"] for phase in PHASES}
        assert all(seconds > 0 for seconds in phases.values()), phases
        assert line["seconds"]["n"] == 2
    # Both variants train alike, so only the seconds differ.
    tokens = [line["figures"]["tokens_per_second"] * line["seconds"]["median"] for line in printed["lines"]]
    assert tokens[0] == pytest.approx(tokens[1])
    assert not hasattr(Tokenizer.encode_packed, "__wrapped__")


def flops(config: dict, **settings: object) -> float:
    changed = {**config, "training": {**config["training"], **settings}}
    report = measure_training({BASE: Variant(load_config(changed))}, repeats=1, device="cpu")
    return report.measurements[0].values["gflops"] * report.measurements[0].seconds.median


def test_only_batches_that_the_encoder_computes_count(config):
    assert flops(config, loss={"r_drop": 1.0}) == pytest.approx(2 * flops(config))
    frozen = {"freeze": ["encoder.*"], "epochs": 3}
    cached = flops(config, **frozen, max_steps=6)
    assert flops(config, **frozen, max_steps=18) == pytest.approx(cached), "later epochs compute nothing"
    assert flops(config, **frozen, max_steps=18, cache_frozen=False) > 2 * cached


def test_every_run_tokenises_without_a_cache(config, monkeypatch, tmp_path):
    encoded, encode = [], Tokenizer.encode_packed
    monkeypatch.setattr(token_cache, "MIN_CACHED_CHARACTERS", 0)
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(
        Tokenizer, "encode_packed", lambda *args, **kwargs: encoded.append(1) or encode(*args, **kwargs)
    )
    measure_training({BASE: Variant(load_config(config))}, repeats=2, device="cpu")
    assert len(encoded) == 2 * 4  # train, dev, test, and again the train rows that fill the model's input
    assert not (tmp_path / "cache").exists()
    assert os.environ[array_cache.FOLDER_VARIABLE] == str(tmp_path / "cache")


@pytest.mark.parametrize(
    ("phase", "owner", "function"),
    [
        ("reading", tasks.find("sentiment"), "read"),
        ("tokenising", Tokenizer, "encode_packed"),
        ("evaluating", tasks.find("sentiment"), "evaluate"),
        ("saving", CheckpointStore, "save"),
        ("saving", trainer, "copy_folder"),
        ("saving", RunFolder, "write_predictions"),
        ("saving", RunResult, "write"),
    ],
)
@pytest.mark.long
def test_phases_are_timed(config, monkeypatch, phase, owner, function):
    called = getattr(owner, function)
    slow = lambda *args, **kwargs: time.sleep(0.3) or called(*args, **kwargs)  # noqa: E731
    monkeypatch.setattr(owner, function, slow)
    report = measure_training({BASE: Variant(load_config(config))}, repeats=1, device="cpu")
    assert report.measurements[0].values[f"{phase}_seconds"] >= 0.3


def test_phases_are_parts_of_the_run(config):
    run = measure_training({BASE: Variant(load_config(config))}, repeats=1, device="cpu").measurements[0]
    parts = sum(run.values[f"{phase}_seconds"] for phase in PHASES) + run.seconds.median
    assert parts < run.values["run_seconds"]


# ---- tokenize


@pytest.mark.parametrize("n_texts", [1, 7, 50, 333])
def test_cut_texts_have_one_length_and_are_different(n_texts):
    text = "".join(chr(0x4E00 + index) for index in range(347))
    texts = tokenizing.cut_texts(text, n_texts)
    assert {len(piece) for piece in texts} == {LENGTH}
    assert len(set(texts)) == len(texts) == n_texts
    assert all(piece in text + text for piece in texts)


@pytest.mark.parametrize(("length", "n_texts"), [(0, 1), (99, 1), (347, 334)])
def test_too_little_text_is_an_error(length, n_texts):
    with pytest.raises(DataError, match=f"found {length} characters"):
        tokenizing.cut_texts("字" * length, n_texts)


def test_tokenize(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("房间很大，早餐一般～\nWi-Fi 很慢 123\n" * 40, encoding="utf-8")
    report = tokenizing.measure_tokenizers(file, n_texts=20, repeats=2)
    names = [tokenizing.OURS, "paddle_tasks, new tokenizer", "paddle_tasks with offsets"]
    printed = check(report, [*names, tokenizing.FAST, tokenizing.SLOW])
    differing = {line["name"]: line["figures"]["texts_that_differ"] for line in printed["lines"]}
    assert differing.pop(tokenizing.SLOW) == 20  # it splits ～ off as a word
    assert set(differing.values()) == {0}
    for line in printed["lines"]:
        assert line["figures"]["texts_per_second"] * line["seconds"]["median"] == pytest.approx(20)


def test_different_ids_are_counted(monkeypatch, tmp_path):
    encode = Tokenizer.encode

    def shifted(self, texts, pairs=None, *, max_length):
        encoded = encode(self, texts, pairs, max_length=max_length)
        encoded[3].input_ids[2] += 1
        return encoded

    monkeypatch.setattr(Tokenizer, "encode", shifted)
    report = tokenizing.measure_tokenizers(None, n_texts=10, repeats=1)
    assert [measurement.values["texts_that_differ"] for measurement in report.measurements[:4]] == [0, 0, 1, 0]


def test_a_given_tokenizer(tmp_path):
    Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "很"]).save(tmp_path)
    report = tokenizing.measure_tokenizers(None, n_texts=3, repeats=1, tokenizer=tmp_path)
    assert report.settings["vocabulary"] == 6


def test_ids_are_extracted_from_every_form():
    ours = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "很", "好"])
    expected = [[2, 5, 6, 3], [2, 6, 3]]
    texts = ["很好", "好"]
    assert tokenizing.extract_ids(ours.encode(texts, max_length=8)) == expected
    assert tokenizing.extract_ids(ours.encode_packed(texts, max_length=8)) == expected
    assert tokenizing.extract_ids({"input_ids": np.array([[2, 5]])}) == [[2, 5]]


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"\xff\xfe\xfa", "not UTF-8 at byte 0")])
def test_unreadable_files(tmp_path, content, message):
    file = tmp_path / "text.txt"
    if content:
        file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        tokenizing.measure_tokenizers(file, n_texts=1, repeats=1)


# ---- import


def test_import(monkeypatch):
    printed = check(startup.measure_startup(repeats=2), ["import paddle_tasks", "paddle-tasks --help", "python alone"])
    assert {line["seconds"]["n"] for line in printed["lines"]} == {2}
    monkeypatch.setattr(startup, "COMMANDS", {"broken": ("-c", "import sys; sys.exit('no such thing')")})
    with pytest.raises(SetupError, match="no such thing"):
        startup.measure_startup(repeats=1)


# ---- prediction


@pytest.mark.long
def test_prediction(tmp_path):
    (tmp_path / "texts.txt").write_text("味道不错\n\n房间太小了\n", encoding="utf-8")
    report = measure_prediction("sentiment", tmp_path / "texts.txt", repeats=1)
    kinds = ["bfloat16", "float32"] if precision.has_bfloat16() else ["float32"]
    assert [line["name"] for line in report.as_dict()["lines"]] == kinds
    for line in report.as_dict()["lines"]:
        figures = line["figures"]
        assert figures["texts_per_second"] == pytest.approx(2 / line["seconds"]["median"])
        assert 0 < figures["one_text_p50_ms"] <= figures["one_text_p95_ms"]
        assert figures["process_seconds"] > 0


def test_prediction_needs_texts(tmp_path):
    (tmp_path / "texts.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no text|nothing to predict"):
        measure_prediction("sentiment", tmp_path / "texts.txt", repeats=1)


# ---- writing


def test_writing():
    report = measure_writing("novel", "话说宝玉", length=3, repeats=1)
    lines = report.as_dict()["lines"]
    assert [line["name"] for line in lines] == ["with the cache", "each character anew", "8 texts at once"]
    for line, n_characters in zip(lines, (3, 3, 24), strict=True):
        figures = line["figures"]
        assert figures["characters_per_second"] == pytest.approx(n_characters / line["seconds"]["median"])
        assert 0 < figures["first_character_ms"] <= 1000 * line["seconds"]["median"]


def test_only_models_that_write_are_timed_writing():
    with pytest.raises(ConfigError, match="does not write texts"):
        measure_writing("sentiment", "好", length=3, repeats=1)
