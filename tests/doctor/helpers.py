"""Helpers for the doctor's tests: a healthy probe result, fake modules and distributions, the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from paddle_tasks.doctor import installation
from paddle_tasks.doctor.probe import ProbeResult

ROOT = Path(__file__).parents[2]
HEALTHY = ProbeResult(
    {
        "version": "3.3.1",
        "cuda": None,
        "threads": "4",
        "dispatch": "5",
        "device": "cpu",
        "gpus": [],
        "gradient": installation.PROBE_GRADIENT,
    }
)
NO_PADDLE = ProbeResult({}, "ModuleNotFoundError: No module named 'paddle'")
GPU = ["Tesla T4"]
NAMES = [
    *("python", "paddle", "paddlenlp", "libraries", "versions", "device", "threads"),
    *("cpu dispatch", "cpu kernels", "hub", "model cache", "visualdl", "fonts", "disk"),
]


def having(**facts) -> ProbeResult:
    return ProbeResult({**HEALTHY.facts, **facts})


def add_module(site: Path, name: str, source: str) -> None:
    (site / f"{name}.py").write_text(source, encoding="utf-8")


def add_distribution(site: Path, name: str, version: str) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


def run_doctor(*arguments: str, site: Path | None = None, python: tuple[str, ...] = (), **environment: str):
    """Run the command in a fresh process with a hub that refuses at once and no variables of ours."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_", "PADDLE_TASKS_"))}
    path = os.pathsep.join([*([str(site)] if site else []), str(ROOT)])
    proxies = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *python, "-m", "paddle_tasks.doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**inherited, **proxies, "PYTHONPATH": path, **environment},
    )
