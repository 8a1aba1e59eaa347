"""The measurements with tiny settings: they run, leave nothing behind, and their figures agree with each other."""

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
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.workflows import train
from paddle_tasks.workflows.bench import starting, tokenizing
from paddle_tasks.workflows.bench.encoder import WARMUP, bench_encoder, full_batch
from paddle_tasks.workflows.bench.logging import bench_logging
from paddle_tasks.workflows.bench.report import Report
from paddle_tasks.workflows.bench.training import PHASES, bench_training
from paddle_tasks.workflows.bench.variants import BASE, SWITCHES, Variant, variants
from paddle_tasks.workflows.run_folder import RunFolder
from paddle_tasks.workflows.train import load_config

from ...helpers import ROOT

QUICK = ROOT / "configs" / "quick" / "sentiment.yaml"
LENGTH = tokenizing.LENGTH


@pytest.fixture
def config(small_config, tmp_path) -> dict:
    return small_config(tmp_path, logging={"visualdl": False}, training={"max_steps": 3})


def check(report: Report, names: list[str]) -> dict:
    """Check what holds for every report, and return it as it is printed."""
    found = report.as_dict()
    assert list(found) == ["schema", "bench", "timed", "settings", "matmul_gflops", "lines", "environment"]
    assert [line["name"] for line in found["lines"]] == names
    first = found["lines"][0]["seconds"]["median"]
    for line in found["lines"]:
        seconds = line["seconds"]
        assert 0 < seconds["low"] <= seconds["median"] <= seconds["high"]
        assert line["ratio"] == pytest.approx(seconds["median"] / first)
        if found["matmul_gflops"]:
            share = line["figures"]["gflops"] / found["matmul_gflops"]["median"]
            assert line["figures"]["matmul_share"] == pytest.approx(share)
    return found


# ---- variants


def test_variants_differ_in_what_is_asked():
    found = variants(QUICK, ["seed=5"], ["model.dropout=0.0", "seed=6 plain-kernels"], ["training.batch_size=3"])
    assert list(found) == [BASE, "model.dropout=0.0", "seed=6 plain-kernels"]
    base, dropout, seed = (variant.config for variant in found.values())
    assert (base.seed, dropout.seed, seed.seed) == (5, 5, 6)
    assert dropout.model.dropout == 0 != base.model.dropout
    assert {config.training.batch_size for config in (base, dropout, seed)} == {3}
    assert [variant.switches for variant in found.values()] == [(), (), (SWITCHES["plain-kernels"],)]


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
def test_changes_that_cannot_be_used(compare, message):
    with pytest.raises(ConfigError, match=message):
        variants(QUICK, [], compare)


def test_a_switch_reaches_the_model():
    model = paddle.nn.Sequential(paddle.nn.Linear(2, 2))
    cpu.switch_in(model)
    Variant(load_config(QUICK)).alter(model)
    assert cpu.is_switched_in(model[0])
    Variant(load_config(QUICK), (SWITCHES["plain-kernels"],)).alter(model)
    assert not cpu.is_switched_in(model[0])


# ---- encoder


def test_encoder(config):
    switched = []
    compared = {BASE: Variant(load_config(config)), "altered": Variant(load_config(config), (switched.append,))}
    said = []
    report = bench_encoder(compared, repeats=3, device="cpu", say=said.append)
    found = check(report, [BASE, "altered"])
    assert found["settings"] == {"batch_size": 4, "length": 16}
    for line in found["lines"]:
        assert line["seconds"]["n"] == 3
        tokens = line["figures"]["tokens_per_second"] * line["seconds"]["median"]
        assert tokens == pytest.approx(4 * 16)
    assert [isinstance(model, paddle.nn.Layer) for model in switched] == [True]
    assert len(said) == 5


def test_a_frozen_encoder_is_computed_in_every_step(config, monkeypatch):
    """Its vectors are not kept, as in a run: they are what is measured, and of 22 texts there are no 30."""
    rows, forward = [], TextCNN.forward
    monkeypatch.setattr(
        TextCNN, "forward", lambda own, ids, *others: rows.append(ids.shape[0]) or forward(own, ids, *others)
    )
    config["training"] |= {"freeze": ["encoder.*"], "batch_size": 30, "accumulation_steps": 2}
    bench_encoder({BASE: Variant(load_config(config))}, repeats=2, device="cpu")
    assert rows == [30] * (WARMUP + 2)


def test_a_full_batch_has_the_asked_size_and_the_real_tokens(config):
    task = tasks.find("sentiment")(load_config(config))
    task.read()
    batch = max(task.batches_of(0, 0), key=lambda batch: batch.n_padded_tokens - batch.n_tokens)
    assert batch.n_padded_tokens > batch.n_tokens
    full = full_batch(batch, 5, 11)
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
    report = bench_logging(load_config(config), repeats=1, device="cpu")
    found = check(report, ["steps", "light", "normal", "full"])
    assert {path.name for path in tmp_path.iterdir()} == before
    seconds = [line["seconds"]["median"] for line in found["lines"][1:]]
    assert seconds == sorted(set(seconds)), "each has what those before it have, and more"
    shares = [line["figures"]["share"] for line in found["lines"]]
    assert shares[0] == 1
    assert shares[1:] == sorted(set(shares[1:]))
    for line, share in zip(found["lines"], shares, strict=True):
        assert share == pytest.approx(line["seconds"]["median"] / found["lines"][0]["seconds"]["median"])


def test_training(config, tmp_path):
    switched = []
    before = {path.name for path in tmp_path.iterdir()}
    compared = {BASE: Variant(load_config(config)), "altered": Variant(load_config(config), (switched.append,))}
    report = bench_training(compared, repeats=2, device="cpu")
    found = check(report, [BASE, "altered"])
    assert {path.name for path in tmp_path.iterdir()} == before
    assert found["settings"]["steps"] == 3
    assert len(switched) == 2  # once a run
    for line in found["lines"]:
        figures = line["figures"]
        assert 0 < figures["padding"] < 0.5
        phases = {phase: figures[f"{phase}_seconds"] for phase in PHASES}
        assert all(seconds > 0 for seconds in phases.values()), phases
        assert line["seconds"]["n"] == 2
    # Both train the same, so only the seconds differ.
    tokens = [line["figures"]["tokens_per_second"] * line["seconds"]["median"] for line in found["lines"]]
    assert tokens[0] == pytest.approx(tokens[1])
    assert not hasattr(Tokenizer.encode_packed, "__wrapped__")


def flops(config: dict, **settings: object) -> float:
    changed = {**config, "training": {**config["training"], **settings}}
    line = bench_training({BASE: Variant(load_config(changed))}, repeats=1, device="cpu").lines[0]
    return line.figures["gflops"] * line.seconds.median


def test_arithmetic_is_that_of_what_goes_through_the_encoder(config):
    assert flops(config, loss={"r_drop": 1.0}) == pytest.approx(2 * flops(config))
    frozen = {"freeze": ["encoder.*"], "epochs": 3}
    kept = flops(config, **frozen, max_steps=6)
    assert flops(config, **frozen, max_steps=18) == pytest.approx(kept), "later epochs compute nothing"
    assert flops(config, **frozen, max_steps=18, cache_frozen=False) > 2 * kept


def test_every_run_tokenises_anew(config, monkeypatch, tmp_path):
    encoded, encode = [], Tokenizer.encode_packed
    monkeypatch.setattr(token_cache, "_PAYS_FROM", 0)
    monkeypatch.setenv(array_cache.FOLDER, str(tmp_path / "cache"))
    monkeypatch.setattr(
        Tokenizer, "encode_packed", lambda *given, **named: encoded.append(1) or encode(*given, **named)
    )
    bench_training({BASE: Variant(load_config(config))}, repeats=2, device="cpu")
    assert len(encoded) == 2 * 3  # train, dev, test
    assert not (tmp_path / "cache").exists()
    assert os.environ[array_cache.FOLDER] == str(tmp_path / "cache")


@pytest.mark.parametrize(
    ("phase", "owner", "function"),
    [
        ("reading", tasks.find("sentiment"), "read"),
        ("tokenising", Tokenizer, "encode_packed"),
        ("evaluating", tasks.find("sentiment"), "evaluate"),
        ("saving", CheckpointStore, "save"),
        ("saving", train, "copy_folder"),
        ("saving", RunFolder, "write_predictions"),
        ("saving", RunFolder, "write_result"),
    ],
)
def test_a_phase_that_takes_long_is_seen(config, monkeypatch, phase, owner, function):
    called = getattr(owner, function)
    slow = lambda *given, **named: time.sleep(0.3) or called(*given, **named)  # noqa: E731
    monkeypatch.setattr(owner, function, slow)
    figures = bench_training({BASE: Variant(load_config(config))}, repeats=1, device="cpu").lines[0].figures
    assert figures[f"{phase}_seconds"] >= 0.3


def test_phases_are_parts_of_the_run(config):
    figures = bench_training({BASE: Variant(load_config(config))}, repeats=1, device="cpu").lines[0]
    parts = sum(figures.figures[f"{phase}_seconds"] for phase in PHASES) + figures.seconds.median
    assert parts < figures.figures["run_seconds"]


# ---- tokenize


@pytest.mark.parametrize("n_texts", [1, 7, 50, 333])
def test_texts_are_cut_all_alike_and_all_different(n_texts):
    text = "".join(chr(0x4E00 + place) for place in range(347))
    texts = tokenizing.cut(text, n_texts)
    assert {len(one) for one in texts} == {LENGTH}
    assert len(set(texts)) == len(texts) == n_texts
    assert all(one in text + text for one in texts)


@pytest.mark.parametrize(("length", "n_texts"), [(0, 1), (99, 1), (347, 334)])
def test_too_little_text_is_an_error(length, n_texts):
    with pytest.raises(DataError, match=f"found {length} characters"):
        tokenizing.cut("字" * length, n_texts)


def test_tokenize(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("房间很大，早餐一般～\nWi-Fi 很慢 123\n" * 40, encoding="utf-8")
    report = tokenizing.bench_tokenize(file, n_texts=20, repeats=2)
    names = [tokenizing.OURS, "paddle_tasks, made anew", "paddle_tasks with offsets"]
    found = check(report, [*names, tokenizing.FAST, tokenizing.SLOW])
    differing = {line["name"]: line["figures"]["texts_that_differ"] for line in found["lines"]}
    assert differing.pop(tokenizing.SLOW) == 20  # it makes a word of ～
    assert set(differing.values()) == {0}
    for line in found["lines"]:
        assert line["figures"]["texts_per_second"] * line["seconds"]["median"] == pytest.approx(20)


def test_other_ids_are_found(monkeypatch, tmp_path):
    encode = Tokenizer.encode

    def shifted(self, texts, pairs=None, *, max_length):
        encoded = encode(self, texts, pairs, max_length=max_length)
        encoded[3].input_ids[2] += 1
        return encoded

    monkeypatch.setattr(Tokenizer, "encode", shifted)
    report = tokenizing.bench_tokenize(None, n_texts=10, repeats=1)
    assert [line.figures["texts_that_differ"] for line in report.lines[:4]] == [0, 0, 1, 0]


def test_a_tokenizer_of_ones_own(tmp_path):
    Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "很"]).save(tmp_path)
    report = tokenizing.bench_tokenize(None, n_texts=3, repeats=1, tokenizer=tmp_path)
    assert report.settings["vocabulary"] == 6


def test_ids_of_every_form():
    ours = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "很", "好"])
    expected = [[2, 5, 6, 3], [2, 6, 3]]
    texts = ["很好", "好"]
    assert tokenizing.ids_of(ours.encode(texts, max_length=8)) == expected
    assert tokenizing.ids_of(ours.encode_packed(texts, max_length=8)) == expected
    assert tokenizing.ids_of({"input_ids": np.array([[2, 5]])}) == [[2, 5]]


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"\xff\xfe\xfa", "not UTF-8 at byte 0")])
def test_files_that_cannot_be_read(tmp_path, content, message):
    file = tmp_path / "text.txt"
    if content:
        file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        tokenizing.bench_tokenize(file, n_texts=1, repeats=1)


# ---- import


def test_import(monkeypatch):
    found = check(starting.bench_import(repeats=2), ["import paddle_tasks", "paddle-tasks --help", "python alone"])
    assert {line["seconds"]["n"] for line in found["lines"]} == {2}
    monkeypatch.setattr(starting, "COMMANDS", {"broken": ("-c", "import sys; sys.exit('no such thing')")})
    with pytest.raises(SetupError, match="no such thing"):
        starting.bench_import(repeats=1)
