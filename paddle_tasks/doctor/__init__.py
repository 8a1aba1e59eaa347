"""Examines an installation and names what mends it: ``paddle-tasks doctor`` or ``python -m paddle_tasks.doctor``.

It uses the standard library alone and imports Paddle and PaddleNLP in child processes, so it runs when they cannot.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from paddle_tasks.doctor import installation, machine
from paddle_tasks.doctor.finding import Finding
from paddle_tasks.doctor.probe import ask

__all__ = ["Finding", "examine", "main"]

# A first import from a cold network disk is slow; a hub that keeps silent is as good as none.
IMPORT_TIMEOUT_S = 90
HUB_TIMEOUT_S = 6
_N_PROBES_AT_ONCE = 4


def examine() -> list[Finding]:
    """Run all checks and return what they found, in the order in which it is best mended."""
    with ThreadPoolExecutor(_N_PROBES_AT_ONCE) as pool:
        asked = {
            "paddlenlp": pool.submit(ask, installation.PADDLENLP_PROBE, IMPORT_TIMEOUT_S),
            "paddle": pool.submit(ask, installation.PADDLE_PROBE, IMPORT_TIMEOUT_S),
            "libraries": pool.submit(ask, installation.LIBRARIES_PROBE, IMPORT_TIMEOUT_S),
            "hub": pool.submit(ask, machine.hub_probe(), HUB_TIMEOUT_S),
            "visualdl": pool.submit(ask, installation.VISUALDL_PROBE, IMPORT_TIMEOUT_S),
        }
        gpus = machine.machine_gpus()
        told = {name: future.result() for name, future in asked.items()}
    return [
        installation.check_python(),
        installation.check_paddle(told["paddle"], gpus),
        installation.check_paddlenlp(told["paddlenlp"], told["paddle"]),
        installation.check_libraries(told["libraries"]),
        installation.check_versions(),
        machine.check_device(told["paddle"], gpus),
        machine.check_threads(told["paddle"], machine.usable_cores()),
        machine.check_dispatch(told["paddle"], machine.cpu_field("vendor_id")),
        machine.check_hub(told["hub"]),
        machine.check_cache(),
        installation.check_visualdl(told["visualdl"]),
        machine.check_disk(Path.cwd()),
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the findings and return the exit code: 1 when training cannot work, else 0."""
    parser = argparse.ArgumentParser(prog="paddle-tasks doctor", description="Examine this installation.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quiet", action="store_true", help="leave out what is in order")
    arguments = parser.parse_args(argv)
    findings = examine()
    works = all(finding.status != "fail" for finding in findings)
    if arguments.json:
        report = {"ok": works, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(report, ensure_ascii=False, indent=2))  # noqa: T201
        return 0 if works else 1
    for finding in findings:
        if finding.status != "ok" or not arguments.quiet:
            print(f"{finding.status:<4}  {finding.name:<12}  {finding.message}")  # noqa: T201
        if finding.fix:
            print(f"      fix: {finding.fix}")  # noqa: T201
    print("training works" if works else "training cannot work: mend what is marked fail")  # noqa: T201
    return 0 if works else 1
