"""Runs of every task for the HTML report: three seeds of each, made of stored runs or of a few records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ...helpers import ROOT
from ..folders import part, scored, write_run

STORED = ROOT / "tests" / "stored"
NAMES = ("long_text", "news", "novel", "opinion", "pretrain", "sentiment", "similarity", "translate", "word2vec")
SEEDS = (1, 2, 3)


def three_runs(name: str, folder: Path) -> list[Path]:
    """Make a run of a task for each of three seeds, and return their folders."""
    make = {"translate": _translating, "word2vec": _words}.get(name)
    return [
        make(folder / f"run-{seed}", seed) if make else _stored(name, folder / f"run-{seed}", seed) for seed in SEEDS
    ]


def _stored(name: str, folder: Path, seed: int) -> Path:
    """Copy a stored run with another seed and without its model, which would take time to load."""
    ignored = shutil.ignore_patterns("model") if seed > 1 else None
    shutil.copytree(STORED / name / "finished", folder, ignore=ignored)
    config, result = folder / "config.yaml", folder / "result.json"
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**tree, "seed": seed}, allow_unicode=True), encoding="utf-8")
    result.write_text(json.dumps({**json.loads(result.read_text(encoding="utf-8")), "seed": seed}), encoding="utf-8")
    return folder


def write_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records as JSON lines."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_curves(folder: Path, metric: str, n_steps: int = 6) -> None:
    """Write a falling train loss and a rising metric on dev."""
    losses = [{"step": step, "epoch": 1, "tag": "train/loss", "value": 1 / step} for step in range(1, n_steps + 1)]
    scores = [{"step": step, "epoch": 1, "tag": f"dev/{metric}", "value": step / n_steps} for step in (1, n_steps)]
    write_lines(folder / "metrics.jsonl", [*losses, *scores])


def _translating(folder: Path, seed: int) -> Path:
    data = dict.fromkeys(("train", "dev", "test"), "builtin/translate")
    columns = {"source": "classical", "target": "modern", "book": "book"}
    config = {
        "data": {**data, "columns": columns},
        "model": {"architecture": "rnn"},
        "evaluation": {"metric": "bleu"},
        "training": {"epochs": 1},
        "seed": seed,
    }
    scores = {"loss": 2.0, "bleu": 20.0 + seed, "chrf": 15.0, "by_book": {"云溪志": {"rows": 2, "bleu": 20.0}}}
    rows = [
        {"text": "西岸有古槐", "gold": "西岸有一棵古槐树", "predicted": "西岸有古树", "book": "云溪志", "loss": 2.5},
        {"text": "三人行", "gold": "三个人同行", "predicted": "三个人同行", "book": "棋谈", "loss": 0.5},
    ]
    write_run(folder, dict.fromkeys(("dev", "test"), scores), config=config, task="translate", seed=seed)
    _write_predictions(folder, rows)
    sample = {"split": "test", "input": "学而时习之", "outputs": [{"text": "学习并且时常复习", "score": -1.0}]}
    write_lines(folder / "predictions" / "samples.jsonl", [sample])
    write_curves(folder, "bleu")
    return folder


def _words(folder: Path, seed: int) -> Path:
    train = [{"path": "builtin/sentiment", "columns": ["text"]}]
    questions = [{"path": "builtin/word2vec"}]
    config = {
        "data": {"train": train, "dev": questions, "test": questions},
        "training": {"epochs": 1},
        "model": {"size": 8},
        "seed": seed,
    }
    scores = {"accuracy": 0.5, "per_section": {"capitals": {"accuracy": 0.5}}}
    rows = [
        {"section": "capitals", "question": ["北京", "中国", "东京"], "gold": "日本", "predicted": "韩国", "loss": 1.0},
        {"section": "capitals", "question": ["北京", "中国", "巴黎"], "gold": "法国", "predicted": "法国", "loss": 0.0},
    ]
    write_run(folder, dict.fromkeys(("dev", "test"), scores), config=config, task="word2vec", seed=seed)
    _write_predictions(folder, rows)
    write_curves(folder, "accuracy")
    return folder


def _write_predictions(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    for split in ("dev", "test"):
        records = [{"row": row, "where": f"{split}.tsv:{row + 2}", **record} for row, record in enumerate(rows)]
        write_lines(folder / "predictions" / f"{split}.jsonl", records)
    errors = [{"split": "test", "row": row, **record} for row, record in enumerate(rows) if record["loss"] > 0.5]
    write_lines(folder / "predictions" / "errors.jsonl", errors)


def labelled(n_rows: int, *, share_right: float = 0.8, text: str = "房间很干净") -> Iterator[dict[str, Any]]:
    """Yield the records of a classifier with two labels; they repeat after 100 rows."""
    for row in range(n_rows):
        is_right = row % 100 < 100 * share_right
        gold = "positive" if row % 2 else "negative"
        other = "negative" if row % 2 else "positive"
        predicted = gold if is_right else other
        prob = 0.5 + (row % 50) / 101
        probs = {predicted: prob, (other if is_right else gold): 1 - prob}
        where = f"data/test.tsv:{row + 2}"
        record = {"row": row, "where": where, "text": f"{text}{row % 100}", "gold": gold, "predicted": predicted}
        yield {**record, "probabilities": probs, "loss": 0.1 if is_right else 1 + prob}


def write_classifier(folder: Path, n_rows: int, *, seed: int = 1, share_right: float = 0.8, **more: Any) -> Path:
    """Write the run folder of a sentiment classifier with so many rows of test."""
    records = list(labelled(n_rows, share_right=share_right, **more))
    per_label = {label: {"precision": 0.8, "f1": 0.8, "rows": n_rows // 2} for label in ("negative", "positive")}
    scores = {**scored(share_right), "per_label": per_label}
    config = {"training": {"epochs": 3}, "seed": seed}
    data = {"test": part(n_rows, "5" * 64)}
    write_run(folder, {"dev": scores, "test": scores}, data, config, task="sentiment", seed=seed)
    write_lines(folder / "predictions" / "test.jsonl", records)
    errors = [{"split": "test", **record} for record in records if record["gold"] != record["predicted"]]
    write_lines(folder / "predictions" / "errors.jsonl", errors)
    write_curves(folder, "accuracy")
    return folder
