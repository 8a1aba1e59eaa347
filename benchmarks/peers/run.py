"""Train the same model on the same data with paddle_tasks, Hugging Face's Trainer and stock PaddleNLP, in turn.

Standard library only; each peer runs with a Python of its own (--python-...). See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import launch
from launch import ROOT, log, run_script, stock_environment, usable_cores

PEERS = ("ours", "ours-f32", "hf", "hf-bf16", "stock")
COLUMNS = ("peer", "train s", "total s", "tokens/s", "padding", "test accuracy", "epoch s", "ratio")


def main() -> None:
    """Run the peers and print the table."""
    options = parse(sys.argv[1:])
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    settings = build_settings(options, work)
    epoch_tokens = make_weights(options, settings, work)
    runs = []
    for number in range(options.repeats):
        for peer in options.peers:
            run = run_peer(peer, options, settings, work)
            runs.append({"round": number, **run})
            log(f"{peer}: {run['train_seconds']:.1f} s for {run['tokens']:,} tokens in {run['steps']} steps")
    table = summarise(runs, epoch_tokens * settings["epochs"])
    report = {"schema": 1, "settings": settings, "epoch_tokens": epoch_tokens, "table": table, "runs": runs}
    (options.json or work / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(format_table(table, settings)) + "\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.tsv, dev.tsv and test.tsv (columns label and text)")
    parser.add_argument("--work", type=Path, default=Path("runs/peers"), help="folder for weights and results")
    parser.add_argument(
        "--peers",
        type=partial(launch.parse_peers, known=PEERS),
        default=("ours", "hf", "stock"),
        help=f"comma-separated: {', '.join(PEERS)}",
    )
    parser.add_argument("--python-ours", default=sys.executable, help="a Python with paddle_tasks")
    parser.add_argument("--python-hf", default=sys.executable, help="a Python with torch, transformers, accelerate")
    parser.add_argument("--python-stock", default=sys.executable, help="a Python with paddlepaddle and paddlenlp")
    parser.add_argument(
        "--steps", type=int, help="train each peer for this many steps only, and project to whole epochs"
    )
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1, help="rounds over all peers; the table shows medians")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--threads", type=int, default=usable_cores(), help="threads of paddle_tasks and torch")
    parser.add_argument("--ours", nargs="*", default=[], metavar="KEY=VALUE", help="further settings of paddle_tasks")
    parser.add_argument("--json", type=Path, help="file for the report; default: report.json in the work folder")
    return parser.parse_args(arguments)


def build_settings(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Return the settings that all peers get."""
    files: dict[str, str | None] = {
        name: str((options.data / f"{name}.tsv").resolve()) for name in ("train", "dev", "test")
    }
    missing = [file for file in files.values() if not Path(str(file)).is_file()]
    if missing:
        launch.fail(f"{missing[0]}: no such file")
    if options.steps:  # a few steps learn nothing worth scoring; paddle_tasks needs some rows of dev
        files |= {"dev": copy_first_rows(Path(files["dev"]), work / "dev.tsv"), "test": None}
    names = ("steps", "epochs", "batch_size", "max_length", "learning_rate", "seed", "threads")
    return {
        "weights": str(work / "weights"),
        **files,
        **{name: getattr(options, name) for name in names},
        "weight_decay": 0.01,
        "warmup_fraction": 0.1,
        "max_gradient_norm": 1.0,
        "precision": "float32",
    }


def copy_first_rows(file: Path, short: Path) -> str:
    """Copy the header and the first 32 rows of a file, and return the path of the copy."""
    with file.open(encoding="utf-8-sig") as rows:
        short.write_text("".join(itertools.islice(rows, 33)), encoding="utf-8")
    return str(short)


def make_weights(options: argparse.Namespace, settings: dict[str, Any], work: Path) -> int:
    """Write the initial weights, a function of data and seed, and return the real tokens of an epoch."""
    result = run_script("make_weights.py", options.python_ours, settings, work / "weights.json")
    return int(result["epoch_tokens"])


def run_peer(peer: str, options: argparse.Namespace, settings: dict[str, Any], work: Path) -> dict[str, Any]:
    """Run one peer once and return its times, counts and score."""
    started = time.perf_counter()
    if peer.startswith("ours"):
        measured = run_ours(options, settings, work / peer)
    elif peer == "stock":
        measured = run_script("stock_paddlenlp.py", options.python_stock, settings, work / "stock.json")
    else:
        precision = {"precision": "bfloat16" if peer == "hf-bf16" else "float32"}
        measured = run_script("hf_trainer.py", options.python_hf, {**settings, **precision}, work / f"{peer}.json")
    return {"peer": peer, "total_seconds": time.perf_counter() - started, **measured}


def run_ours(options: argparse.Namespace, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run `paddle-tasks train` and return times, counts and score from its result.json."""
    command = [options.python_ours, "-m", "paddle_tasks", "train", str(ROOT / "configs" / "sentiment.yaml")]
    command += [f"{key}={value}" for key, value in overrides(settings, folder).items()] + options.ours
    command += ["training.precision=float32"] * (folder.name == "ours-f32")
    fresh = ["--fresh"] if folder.exists() else []
    launch.run([*command, *fresh, "--quiet"], {**stock_environment(), "PADDLE_TASKS_THREADS": str(settings["threads"])})
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    train, test = result["train"], result.get("test", {})
    return {
        "train_seconds": train["seconds"],
        "steps": train["optimizer_steps"],
        "tokens": train["tokens"],
        "padded_tokens": train["padded_tokens"],
        "accuracy": test.get("accuracy"),
        "rows": result["data"]["train"]["rows"],
        "versions": result["environment"]["versions"],
        "threads": result["environment"]["threads"],
    }


def overrides(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings as keys of a paddle_tasks configuration."""
    return {
        "run_dir": folder,
        "seed": settings["seed"],
        **{f"data.{name}": settings[name] or "null" for name in ("train", "dev", "test")},
        "model.encoder": settings["weights"],
        "model.pooling": "cls",
        "model.head": "linear",
        "model.dropout": 0.1,
        **{
            f"optimizer.{name}": settings[name]
            for name in ("learning_rate", "weight_decay", "warmup_fraction", "max_gradient_norm")
        },
        "optimizer.schedule": "linear",
        **{f"training.{name}": settings[name] for name in ("epochs", "batch_size", "max_length")},
        "training.max_steps": settings["steps"] or "null",
    }


# ---- the table


def summarise(runs: list[dict[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """Return one row for each peer: medians over its runs.

    Args:
        runs: times, counts and score of each run.
        tokens: real tokens of all epochs; a run over fewer tokens is projected to them by its tokens per second.
    """
    rows = [
        _summarise_peer([run for run in runs if run["peer"] == peer], tokens)
        for peer in dict.fromkeys(run["peer"] for run in runs)
    ]
    base = next((row for row in rows if row["peer"] == "hf"), rows[0])
    return [{**row, "ratio": row["epoch_seconds"] / base["epoch_seconds"], "over": base["peer"]} for row in rows]


def _summarise_peer(runs: list[dict[str, Any]], tokens: int) -> dict[str, Any]:
    per_second = statistics.median(run["tokens"] / run["train_seconds"] for run in runs)
    scores = [run["accuracy"] for run in runs if run["accuracy"] is not None]
    return {
        "peer": runs[0]["peer"],
        "train_seconds": statistics.median(run["train_seconds"] for run in runs),
        "total_seconds": statistics.median(run["total_seconds"] for run in runs),
        "tokens_per_second": per_second,
        "padding": 1 - sum(run["tokens"] for run in runs) / sum(run["padded_tokens"] for run in runs),
        "accuracy": statistics.median(scores) if scores else None,
        "epoch_seconds": tokens / per_second,
        "is_projected": runs[0]["tokens"] != tokens,
    }


def format_table(table: list[dict[str, Any]], settings: dict[str, Any]) -> list[str]:
    """Return the table as lines of text."""
    text = launch.align([COLUMNS, *(_cells(row) for row in table)])
    text.append(f"ratio: seconds for {settings['epochs']} whole epoch(s), relative to {table[0]['over']}")
    if any(row["is_projected"] for row in table):
        text.append("~ projected: all real tokens of the epoch(s) at the tokens/s of the measured steps")
    return text


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["peer"],
        f"{row['train_seconds']:.1f}",
        f"{row['total_seconds']:.1f}",
        f"{row['tokens_per_second']:,.0f}",
        f"{row['padding']:.1%}",
        "–" if row["accuracy"] is None else f"{row['accuracy']:.4f}",
        f"{'~' * row['is_projected']}{row['epoch_seconds']:,.0f}",
        f"{row['ratio']:.3f}",
    )


if __name__ == "__main__":
    main()
