"""Predict with the same model in paddle_tasks, transformers, PyTorch and onnxruntime, in turn.

Standard library only; each peer runs with a Python of its own (--python-...). See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import launch
from peer import read_rows

N_CHARACTERS = 100
CPU_FEATURES = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
COLUMNS = ("peer", "variant", "texts/s", "ratio", "p50 ms", "p95 ms", "process s", "accuracy", "agreement")


class Peer(NamedTuple):
    """How a peer is started.

    Attributes:
        script: a file of this folder.
        python: the option with the peer's Python.
        settings: settings of this peer only.
    """

    script: str
    python: str
    settings: dict[str, Any]


PEERS = {
    "ours": Peer("predict_ours.py", "python_ours", {}),
    "hf-pipeline": Peer("predict_pipeline.py", "python_hf", {}),
    "torch": Peer("predict_torch.py", "python_hf", {"ways": ["float32"]}),
    "torch-bf16": Peer("predict_torch.py", "python_hf", {"ways": ["autocast", "bfloat16"]}),
    "onnxruntime": Peer("predict_onnx.py", "python_hf", {}),
}


def main() -> None:
    """Run the peers and print the table."""
    options = parse(sys.argv[1:])
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    settings = convert_model(options, build_settings(options, work), work)
    runs = []
    for number in range(options.repeats):
        for peer in options.peers:
            variants = run_peer(peer, options, settings, work)
            runs += [{"round": number, **variant} for variant in variants]
            launch.log(f"{peer}: {min(variant['seconds'] for variant in variants):.2f} s")
    table = summarise(runs, [str(label) for _, label in read_rows(settings["test"])])
    write_report(options.json or work / "predict.json", settings, table, runs)
    sys.stdout.write("\n".join(format_table(table)) + "\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with test.tsv (columns label and text)")
    parser.add_argument("--work", type=Path, default=Path("runs/peers"), help="folder for weights and results")
    parser.add_argument("--model", type=Path, help="run or model folder of paddle_tasks; default: ours in --work")
    parser.add_argument(
        "--peers",
        type=partial(launch.parse_peers, known=PEERS),
        default=tuple(PEERS),
        help="comma-separated; default: all",
    )
    parser.add_argument("--python-ours", default=sys.executable, help="a Python with paddle_tasks")
    parser.add_argument("--python-hf", default=sys.executable, help="a Python with torch, transformers, onnxruntime")
    parser.add_argument("--repeats", type=int, default=3, help="rounds over all peers; the table shows medians")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 16, 32, 64], help="of torch and onnxruntime")
    parser.add_argument("--threads", type=int, default=launch.usable_cores(), help="threads of each peer")
    parser.add_argument("--json", type=Path, help="file for the report; default: predict.json in the work folder")
    return parser.parse_args(arguments)


def build_settings(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Return the settings that all peers get."""
    model, test = (options.model or work / "ours").resolve(), (options.data / "test.tsv").resolve()
    for path in (test, model):
        if not path.exists():
            launch.fail(f"{path}: no such file or folder")
    return {
        "model": str(model),
        "weights": str(work / "hugging-face"),
        "test": str(test),
        "text": pick_text([text for text, _ in read_rows(str(test))]),
        "batch_sizes": options.batch_sizes,
        "threads": options.threads,
    }


def pick_text(texts: list[str]) -> str:
    """Return the first of the texts whose length is nearest to `N_CHARACTERS`."""
    return min(texts, key=lambda text: abs(len(text) - N_CHARACTERS))


def convert_model(options: argparse.Namespace, settings: dict[str, Any], work: Path) -> dict[str, Any]:
    """Write the model for transformers, and return the settings with the maximum length that it was trained with."""
    return {**settings, **launch.run_script("to_hugging_face.py", options.python_ours, settings, work / "convert.json")}


def run_peer(name: str, options: argparse.Namespace, settings: dict[str, Any], work: Path) -> list[dict[str, Any]]:
    """Run one peer once and return the times and labels of each variant."""
    peer, environment = PEERS[name], build_environment(settings["threads"])
    python, file = getattr(options, peer.python), work / f"predict-{name}.json"
    result = launch.run_script(peer.script, python, {**settings, **peer.settings}, file, environment)
    common = {"peer": name, "versions": result["versions"], "threads": result["threads"]}
    if name == "ours":
        common["process_seconds"] = time_command(python, settings, environment)
    return [{**common, **variant} for variant in result["variants"]]


def build_environment(threads: int) -> dict[str, str]:
    """Return the environment of the peers; Hugging Face's tokenizers read the second variable."""
    return {**launch.stock_environment(), "PADDLE_TASKS_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}


def time_command(python: str, settings: dict[str, Any], environment: dict[str, str]) -> float:
    """Return the seconds of `paddle-tasks predict` for one text, from the start of the process to its end."""
    started = time.perf_counter()
    launch.run([python, "-m", "paddle_tasks", "predict", settings["model"], settings["text"]], environment)
    return time.perf_counter() - started


# ---- the table


def summarise(runs: list[dict[str, Any]], gold: list[str]) -> list[dict[str, Any]]:
    """Return one row for each peer: medians over its runs, each of the best variant.

    Args:
        runs: times and labels of each run.
        gold: the correct label of each text.
    """
    peers = dict.fromkeys(run["peer"] for run in runs)
    rows = [_summarise_peer([run for run in runs if run["peer"] == peer]) for peer in peers]
    base = next((row for row in rows if row["peer"] == "ours"), rows[0])
    return [_compare(row, base, gold) for row in rows]


def _summarise_peer(runs: list[dict[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(run["variant"] for run in runs)
    variants = [_summarise_variant([run for run in runs if run["variant"] == name]) for name in names]
    fastest = max(variants, key=lambda variant: variant["texts_per_second"])
    quickest = min(variants, key=lambda variant: variant["p50_ms"])
    processes = [run["process_seconds"] for run in runs if "process_seconds" in run]
    return {
        "peer": runs[0]["peer"],
        **fastest,
        **{name: quickest[name] for name in ("p50_ms", "p95_ms")},
        "process_seconds": statistics.median(processes) if processes else None,
        "variants": [{name: value for name, value in each.items() if name != "labels"} for each in variants],
    }


def _summarise_variant(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "variant": runs[0]["variant"],
        "texts_per_second": statistics.median(len(run["labels"]) / run["seconds"] for run in runs),
        **{name: statistics.median(run[name] for run in runs) for name in ("p50_ms", "p95_ms")},
        "labels": runs[-1]["labels"],
    }


def _compare(row: dict[str, Any], base: dict[str, Any], gold: list[str]) -> dict[str, Any]:
    return {
        **{name: value for name, value in row.items() if name != "labels"},
        "ratio": row["texts_per_second"] / base["texts_per_second"],
        "accuracy": share_equal(row["labels"], gold),
        "agreement": share_equal(row["labels"], base["labels"]),
        "over": base["peer"],
    }


def share_equal(first: list[str], second: list[str]) -> float:
    """Return the share of positions at which two lists of labels are equal."""
    return statistics.fmean(a == b for a, b in zip(first, second, strict=True))


def format_table(table: list[dict[str, Any]]) -> list[str]:
    """Return the table as lines of text."""
    note = f"ratio: texts/s relative to {table[0]['over']}; agreement: share of labels that equal its labels"
    return [*launch.align([COLUMNS, *(_cells(row) for row in table)]), note]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["peer"],
        row["variant"],
        f"{row['texts_per_second']:,.0f}",
        f"{row['ratio']:.3f}",
        f"{row['p50_ms']:.2f}",
        f"{row['p95_ms']:.2f}",
        "–" if row["process_seconds"] is None else f"{row['process_seconds']:.2f}",
        f"{row['accuracy']:.4f}",
        f"{row['agreement']:.4f}",
    )


# ---- the report


def write_report(path: Path, settings: dict[str, Any], table: list[dict[str, Any]], runs: list[dict[str, Any]]) -> None:
    """Write machine, settings, table and runs as JSON; the labels stay in the results of the peers."""
    times = [{name: value for name, value in run.items() if name != "labels"} for run in runs]
    variables = {name: value for name, value in launch.stock_environment().items() if name.startswith("PADDLE_TASKS_")}
    facts = {"cpu": describe_cpu(read_cpuinfo()), "variables": variables, "settings": settings}
    report = {"schema": 1, **facts, "table": table, "runs": times}
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_cpuinfo() -> str:
    """Return /proc/cpuinfo; empty on a system without it."""
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def describe_cpu(cpuinfo: str) -> dict[str, Any]:
    """Return the name of the CPU, the usable cores, and which of `CPU_FEATURES` it has."""
    name = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    found = flags[1].split() if flags else []
    return {
        "name": name[1] if name else platform.processor() or platform.machine(),
        "cores": launch.usable_cores(),
        **{feature: feature in found for feature in CPU_FEATURES},
    }


if __name__ == "__main__":
    main()
