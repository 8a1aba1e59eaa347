"""The comparison of training with other trainers: settings, weights and the table; no peer is run."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from paddle_tasks.models.pretrained.loading import load_pretrained
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.workflows.config import load_config

from ..helpers import ROOT, python, table
from .scripts import FOLDER, load


@pytest.fixture
def run(monkeypatch) -> ModuleType:
    return load("run", monkeypatch)


@pytest.fixture
def data(tmp_path) -> Path:
    for name in ("train", "dev", "test"):
        rows = [(str(index % 2), f"第{index}个房间很好" * (index % 5 + 1)) for index in range(60)]
        table(tmp_path / f"{name}.tsv", ("label", "text_a"), *rows)
    return tmp_path


@pytest.fixture
def make_settings(run, data):
    def make(*arguments: str) -> dict:
        return run.build_settings(run.parse([str(data), *arguments]), data)

    return make


def test_scripts_need_no_package():
    standard = "import sys; sys.path.insert(0, sys.argv[1]); import run, predict, peer; print('numpy' in sys.modules)"
    outcome = python(f"import sys; sys.argv = ['', {str(FOLDER)!r}]; {standard}")
    assert (outcome.code, outcome.stdout) == (0, "False\n"), outcome.stderr


# ---- settings


def test_ours_gets_the_settings_of_the_others(run, make_settings, tmp_path):
    settings = make_settings("--learning-rate", "2e-4", "--batch-size", "7", "--max-length", "99", "--seed", "3")
    merged = load_config(
        ROOT / "configs" / "sentiment.yaml", [f"{k}={v}" for k, v in run.overrides(settings, tmp_path / "r").items()]
    )
    assert (merged.seed, merged.run_dir) == (3, str(tmp_path / "r"))
    training, optimizer = merged.training, merged.optimizer
    assert (training.epochs, training.batch_size, training.max_length, training.max_steps) == (1, 7, 99, None)
    assert (optimizer.learning_rate, optimizer.weight_decay, optimizer.schedule) == (2e-4, 0.01, "linear")
    assert (optimizer.warmup_fraction, optimizer.max_gradient_norm) == (0.1, 1.0)
    assert (merged.model.encoder, merged.model.pooling, merged.model.head) == (settings["weights"], "cls", "linear")
    assert merged.data.train == settings["train"]


def test_with_steps_nothing_is_scored(run, make_settings, tmp_path):
    settings = make_settings("--steps", "5")
    assert settings["test"] is None
    assert len(Path(settings["dev"]).read_text(encoding="utf-8").splitlines()) == 33
    overrides = [f"{key}={value}" for key, value in run.overrides(settings, tmp_path / "r").items()]
    merged = load_config(ROOT / "configs" / "sentiment.yaml", overrides)
    assert (merged.data.test, merged.training.max_steps) == (None, 5)


def test_peers_run_with_their_defaults(run, monkeypatch):
    for name in run.launch.SPEED_VARIABLES:
        monkeypatch.setenv(name, "9")
    assert not set(run.launch.SPEED_VARIABLES) & set(run.stock_environment())
    assert "PATH" in run.stock_environment()


@pytest.mark.parametrize("peers", ["hf,torch", "hf,hf", ""])
def test_unknown_peers(run, capsys, peers):
    with pytest.raises(SystemExit):
        run.parse(["data", "--peers", peers])
    assert "expected some of ours, ours-f32, hf, hf-bf16, stock, each once" in capsys.readouterr().err


def test_missing_data(run, tmp_path):
    with pytest.raises(SystemExit, match=r"train.tsv: no such file"):
        run.build_settings(run.parse([str(tmp_path)]), tmp_path)


def test_the_output_of_a_failing_peer_is_shown(run, make_settings, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(SystemExit, match=r"(?s)exit code 3.*no such module"):
        run.run_script("hf_trainer.py", str(broken), make_settings(), tmp_path / "hf.json")


def test_the_result_of_a_peer_is_read(run, make_settings, data, tmp_path):
    stub = tmp_path / "python"
    stub.write_text(f'#!/bin/sh\n"{sys.executable}" "{tmp_path}/stub.py" "$@"\n', encoding="utf-8")
    stub.chmod(0o755)
    code = "import json, sys\nsettings = json.load(open(sys.argv[2]))\njson.dump(settings, open(sys.argv[3], 'w'))\n"
    (tmp_path / "stub.py").write_text(code, encoding="utf-8")
    options = run.parse([str(data), "--python-hf", str(stub)])
    precisions = [run.run_peer(peer, options, make_settings(), tmp_path)["precision"] for peer in ("hf", "hf-bf16")]
    assert precisions == ["float32", "bfloat16"]


# ---- rows, weights


def test_rows(monkeypatch, tmp_path):
    peer = load("peer", monkeypatch)
    file = tmp_path / "rows.tsv"
    file.write_text('\ufefflabel\ttext_a\r\n1\t很好"\r\n0\t差\x85评\n\n', encoding="utf-8")
    assert peer.read_rows(str(file)) == [('很好"', 1), ("差\x85评", 0)]


def test_sampled_batches_are_full_batches_of_the_whole_epoch(monkeypatch):
    peer, order = load("peer", monkeypatch), random.Random(1).sample(range(1000), 1000)
    rows = peer.sample_batches(order, 32, 10, seed=4)
    batches = {tuple(order[start : start + 32]) for start in range(0, 1000 - 31, 32)}
    sampled = [tuple(rows[start : start + 32]) for start in range(0, len(rows), 32)]
    assert len(set(sampled)) == len(sampled) == 10
    assert set(sampled) <= batches
    assert len(peer.sample_batches(order, 32, len(batches), seed=4)) == 31 * 32
    assert rows == peer.sample_batches(order, 32, 10, seed=4) != peer.sample_batches(order, 32, 10, seed=5)
    with pytest.raises(ValueError, match="larger than population"):
        peer.sample_batches(order, 32, 32, seed=4)


def test_weights_are_complete_and_reproducible(monkeypatch, make_settings, data, tmp_path):
    maker = load("make_weights", monkeypatch)
    monkeypatch.setattr(maker, "VOCABULARY_SIZE", 200)
    monkeypatch.setitem(maker.CONFIG, "vocab_size", 200)
    settings = make_settings("--max-length", "20")
    contents = []
    for _ in range(2):
        (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "settings.json"), str(tmp_path / "result.json")])
        maker.main()
        contents.append(sorted((file.name, file.read_bytes()) for file in Path(settings["weights"]).iterdir()))
    assert contents[0] == contents[1]
    encoder = load_pretrained(settings["weights"])  # refuses missing, misshaped and superfluous tensors
    tokenizer = Tokenizer.load(Path(settings["weights"]))
    assert (len(tokenizer), encoder.width, len(encoder.model.encoder.layers)) == (200, 256, 4)
    table_of_words = encoder.model.embeddings.word_embeddings.weight.numpy()
    assert float(np.std(table_of_words)) == pytest.approx(0.02, rel=0.02)
    norm = encoder.model.embeddings.layer_norm
    assert (norm.weight.numpy() == 1).all()
    assert not norm.bias.numpy().any()
    assert not encoder.model.pooler.dense.bias.numpy().any()
    texts = [line.split("\t")[1] for line in (data / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    tokens = sum(min(20, len(text) + 2) for text in texts)
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert result["rows"] == 60
    assert 0 < result["epoch_tokens"] <= tokens


# ---- the table


def measured(peer: str, seconds: float, tokens: int, **others) -> dict:
    return {
        "peer": peer,
        "train_seconds": seconds,
        "total_seconds": 2 * seconds,
        "tokens": tokens,
        "padded_tokens": 2 * tokens,
        "accuracy": 0.9,
        **others,
    }


def test_medians_and_ratios(run):
    seconds = {"ours": [8.0, 9.0, 30.0], "hf": [10.0, 11.0, 12.0]}
    runs = [measured(peer, value, 1000) for peer, values in seconds.items() for value in values]
    random.Random(0).shuffle(runs)
    rows = {row["peer"]: row for row in run.summarise(runs, 1000)}
    assert rows["ours"]["train_seconds"] == rows["ours"]["epoch_seconds"] == pytest.approx(9.0)
    assert rows["ours"]["ratio"] == pytest.approx(9 / 11)
    assert rows["hf"]["ratio"] == 1
    assert rows["hf"]["padding"] == 0.5
    assert not rows["hf"]["is_projected"]


def test_steps_are_projected_by_real_tokens(run, make_settings):
    runs = [measured("hf", 2.0, 100), measured("stock", 10.0, 50, accuracy=None)]
    rows = run.summarise(runs, 1000)
    assert [row["epoch_seconds"] for row in rows] == pytest.approx([20.0, 200.0])
    assert rows[1]["ratio"] == pytest.approx(10)
    text = run.format_table(rows, make_settings())
    assert text[2].split() == ["stock", "10.0", "20.0", "5", "50.0%", "–", "~200", "10.000"]
    assert "projected" in text[-1]


def test_without_hf_ratios_are_relative_to_the_first_peer(run):
    rows = run.summarise([measured("stock", 10.0, 100), measured("ours", 1.0, 100)], 100)
    assert [(row["ratio"], row["over"]) for row in rows] == [(1.0, "stock"), (0.1, "stock")]
