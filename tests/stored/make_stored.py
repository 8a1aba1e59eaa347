"""Make the stored runs: run folders of an earlier version, against which later versions are tested.

Usage, from anywhere:

    PADDLE_TASKS_THREADS=1 python tests/stored/make_stored.py OUTPUT

The runs are made by the ``paddle_tasks`` that Python imports. For those of another commit, check it out elsewhere
(``git worktree add FOLDER COMMIT``) and set ``PYTHONPATH=FOLDER``. The script uses only the public interface
(``paddle_tasks.train``, ``paddle_tasks.load`` and the command line), so that it runs at any commit.

The data is ``tests/fixtures``. Configurations name it relative to the root of the repository, so the runs can be used
from there on any machine. A run whose data has changed cannot be continued: after a change to one of these fixtures,
make the stored runs again with the old code.

OUTPUT must not exist yet. It gets one folder for each run of `RUNS`, and one for a baseline::

    NAME/finished/          a run that was not interrupted, without its checkpoints
    NAME/interrupted/       the same run, stopped by SIGTERM in the middle of an epoch
    NAME/predictions.json   {"texts", "finished", "interrupted"}: the answers of both to a few texts
    baseline/finished/      a TF-IDF baseline

To replace the stored runs, delete the folders in ``tests/stored`` and move those of OUTPUT there. Values that identify
the machine (platform, CPU dispatch) are replaced. VisualDL logs are not written.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle_tasks
from paddle_tasks.errors import Interrupted

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
STORED = Path("tests") / "stored"  # run_dir in the configurations is below it
BASELINE_OF = "news"
NEUTRAL = {"platform": "Linux", "cpu_dispatch": "default"}


@dataclass(frozen=True)
class StoredRun:
    """A run to make.

    Attributes:
        config: the configuration, without ``run_dir``.
        stop_at: the optimiser step after which SIGTERM arrives, in the middle of an epoch.
        texts: the texts of ``predictions.json``.
    """

    config: dict[str, Any]
    stop_at: int
    texts: Sequence[str]


def _data(name: str, **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(("train", "dev", "test"), f"tests/fixtures/{name}"), **more}


_LOGGING = {"every_steps": 2, "visualdl": False}
_DOCUMENTS = [{"path": "tests/fixtures/pretrain.txt", "blank_lines": "part"}]
RUNS = {
    # 16 rows: 4 steps in an epoch. Test is another file, and the weights are averaged.
    "sentiment": StoredRun(
        {
            "task": "sentiment",
            "seed": 11,
            "data": {
                "train": "tests/fixtures/sentiment.tsv",
                "dev": "tests/fixtures/sentiment.tsv",
                "test": "tests/fixtures/training_train.tsv",
                "vocabulary": {"min_count": 1},
            },
            "model": {
                "encoder": "textcnn",
                "embedding_size": 8,
                "hidden_size": 8,
                "kernel_sizes": [2, 3],
                "pooling": "attention",
            },
            "optimizer": {"learning_rate": 0.05},
            "training": {"epochs": 4, "batch_size": 4, "max_length": 24, "ema_decay": 0.8},
            "evaluation": {"metric": "loss", "batch_size": 4},
            "logging": _LOGGING,
        },
        stop_at=10,
        texts=["房间干净，服务热情", "味道很差，不会再来", "手机很快，我很喜欢", "好"],
    ),
    # 15 rows: 4 batches and 2 steps in an epoch. Stopped before the first evaluation, so there is no best model yet.
    "news": StoredRun(
        {
            "task": "news",
            "seed": 12,
            "data": _data("news.tsv", label_names={"0": "财经", "2": "股票", "5": "社会"}),
            "model": {"encoder": "gru", "embedding_size": 8, "hidden_size": 8, "pooling": "max", "head": "mlp"},
            "optimizer": {"learning_rate": 0.05, "schedule": "cosine"},
            "training": {
                "epochs": 6,
                "batch_size": 4,
                "accumulation_steps": 2,
                "max_length": 24,
                "loss": {"label_smoothing": 0.1, "class_weights": "balanced"},
            },
            "evaluation": {"metric": "loss", "batch_size": 4},
            "logging": _LOGGING,
        },
        stop_at=1,
        texts=["央行下调利率", "股市收盘上涨", "高考今日开始"],
    ),
    # 15 rows, the long ones in windows: 10 steps in an epoch.
    "long_text": StoredRun(
        {
            "task": "long_text",
            "seed": 13,
            "data": _data("long_text.tsv", truncation="windows", window_overlap=4),
            "model": {
                "encoder": "lstm",
                "embedding_size": 8,
                "hidden_size": 8,
                "pooling": "max",
                "head": "linear",
                "window_pooling": "max",
            },
            "optimizer": {"learning_rate": 0.02},
            "training": {"epochs": 4, "batch_size": 4, "max_length": 32, "fgm_epsilon": 0.02},
            "evaluation": {"metric": "loss", "batch_size": 4},
            "logging": _LOGGING,
        },
        stop_at=26,
        texts=["一键呼叫附近的车，行程分享给家人", "背单词，练听力。" * 8],
    ),
    # 16 pairs: 4 steps in an epoch. The dev split chooses the threshold.
    "similarity": StoredRun(
        {
            "task": "similarity",
            "seed": 14,
            "data": _data("similarity.tsv", both_orders=True, vocabulary={"min_count": 1}),
            "model": {
                "encoder": "transformer",
                "hidden_size": 8,
                "n_layers": 1,
                "n_heads": 2,
                "intermediate_size": 16,
                "max_positions": 48,
                "pooling": "mean",
            },
            "optimizer": {"learning_rate": 0.02, "layer_decay": 0.9},
            "training": {"epochs": 6, "batch_size": 4, "max_length": 48},
            "evaluation": {"metric": "loss", "batch_size": 4},
            "logging": _LOGGING,
        },
        stop_at=18,
        texts=["怎么提前还款\t想早点把钱还上", "怎么开发票\t退货怎么寄", "钱\t款"],
    ),
    # 12 reviews: 3 steps in an epoch, and enough epochs for the model to find spans and triplets.
    "opinion": StoredRun(
        {
            "task": "opinion",
            "seed": 15,
            "data": _data("opinion.jsonl", window_overlap=4, vocabulary={"min_count": 1}),
            "model": {"encoder": "bilstm", "embedding_size": 8, "hidden_size": 8, "pair_size": 8},
            "optimizer": {"learning_rate": 0.05, "learning_rates": {"pairs.*": 0.1}},
            "training": {"epochs": 12, "batch_size": 4, "max_length": 24},
            "evaluation": {"batch_size": 4, "every_steps": 12},
            "logging": _LOGGING,
        },
        stop_at=25,
        texts=[
            "房间干净，早餐很差",
            "老板态度凶",
            "电池耐用，信号弱，屏幕不亮，客服热情，价格一般，汤咸",
            "昨天收到的",
        ],
    ),
    # 6 documents: 3 steps in an epoch.
    "pretrain": StoredRun(
        {
            "task": "pretrain",
            "seed": 16,
            "data": {
                **dict.fromkeys(("train", "dev", "test"), _DOCUMENTS),
                "vocabulary": {"size": 300, "min_count": 1},
                "next_sentence": True,
            },
            "model": {
                "encoder": "bert",
                "hidden_size": 8,
                "n_layers": 1,
                "n_heads": 2,
                "intermediate_size": 16,
                "max_positions": 32,
                "pretraining_dropout": 0.1,
            },
            "optimizer": {"learning_rate": 0.03},
            "training": {"epochs": 4, "batch_size": 2, "max_length": 32},
            "evaluation": {"metric": "loss", "batch_size": 4},
            "logging": _LOGGING,
        },
        stop_at=8,
        texts=["桂花[MASK]了。", "[MASK]车晚点三小[MASK]。"],
    ),
    # A softmax in two levels, and a mixture with n-grams.
    "novel": StoredRun(
        {
            "task": "novel",
            "seed": 17,
            "data": {
                **{split: [{"path": "tests/fixtures/novel.txt"}] for split in ("train", "dev", "test")},
                "max_overlap": None,
                "window": 24,
                "vocabulary": {"min_count": 1},
            },
            "model": {
                "architecture": "gpt",
                "hidden_size": 8,
                "n_layers": 1,
                "n_heads": 2,
                "intermediate_size": 16,
                "n_frequent": 20,
                "dropout": 0.1,
            },
            "optimizer": {"learning_rate": 0.03},
            "training": {"epochs": 4, "batch_size": 4},
            "evaluation": {"batch_size": 4, "prompt_length": 5, "n_continuations": 3, "mixture_order": 3},
            "generation": {"do_sample": True, "top_p": 0.9, "max_new_tokens": 20},
            "logging": _LOGGING,
        },
        stop_at=5,
        texts=["船头的人", "月"],
    ),
}


def main() -> None:
    """Make every stored run in the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} OUTPUT")
    output = Path(sys.argv[1]).resolve()
    if output.exists():
        sys.exit(f"{output}: exists already; expected a new folder")
    sys.stderr.write(f"using {paddle_tasks.__file__}\n")
    with tempfile.TemporaryDirectory() as root:
        os.chdir(root)
        shutil.copytree(FIXTURES, Path("tests", "fixtures"))
        for name, run in RUNS.items():
            make_run(STORED / name, run)
        make_baseline(STORED / "baseline" / "finished", STORED / BASELINE_OF / "finished" / "config.yaml")
        tidy(STORED)
        shutil.copytree(STORED, output)


def make_run(folder: Path, run: StoredRun) -> None:
    """Train a run without and with an interruption, and store the predictions of both."""
    finished, interrupted = folder / "finished", folder / "interrupted"
    paddle_tasks.train(run.config, run_dir=str(finished))
    interrupt(run, interrupted)
    shutil.rmtree(finished / "checkpoints")
    answers = {path.name: paddle_tasks.load(path)(list(run.texts)) for path in (finished, interrupted)}
    write_json(folder / "predictions.json", {"texts": list(run.texts), **answers})


def interrupt(run: StoredRun, folder: Path) -> None:
    """Train a run and send SIGTERM to this process after step ``run.stop_at``."""
    pending = [signal.SIGTERM]

    def observe(event: Any) -> None:
        if pending and getattr(event, "step", 0) == run.stop_at:
            signal.raise_signal(pending.pop())

    try:
        paddle_tasks.train(run.config, run_dir=str(folder), observe=observe)
    except Interrupted:
        return
    sys.exit(f"{folder}: finished before step {run.stop_at}")


def make_baseline(folder: Path, config: Path) -> None:
    """Fit a TF-IDF baseline to the data of a training run."""
    command = [sys.executable, "-m", "paddle_tasks", "baseline", str(config), f"run_dir={folder}", "--quiet"]
    subprocess.run(command, check=True)


def tidy(stored: Path) -> None:
    """Replace values that identify the machine, and delete the lock files."""
    for path in stored.glob("*/*/result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        result["environment"].update(NEUTRAL)
        write_json(path, result)
    for path in stored.rglob(".lock"):
        path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
