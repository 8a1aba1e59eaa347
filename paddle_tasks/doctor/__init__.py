"""Checks of an installation, with a fix for each problem: ``paddle-tasks doctor`` or ``python -m paddle_tasks.doctor``.

Only the standard library is used, and Paddle and PaddleNLP are imported in child processes, so the doctor runs even if
these cannot be imported.
"""

from __future__ import annotations

import argparse
import codecs
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from paddle_tasks.doctor import fonts, installation, machine
from paddle_tasks.doctor.finding import Finding
from paddle_tasks.doctor.probe import run_probe
from paddle_tasks.language import _
from paddle_tasks.wrapping import columns, width_of, wrap

__all__ = ["Finding", "examine", "main"]

# A first import from a cold network disk is slow. A hub that does not answer soon is of no use.
IMPORT_TIMEOUT_S = 180
HUB_TIMEOUT_S = 6
_MAX_PARALLEL_PROBES = 4


def examine() -> list[Finding]:
    """Run all checks and return their findings, in the order in which problems should be fixed."""
    with ThreadPoolExecutor(_MAX_PARALLEL_PROBES) as pool:
        futures = {
            "paddlenlp": pool.submit(run_probe, installation.PADDLENLP_PROBE, IMPORT_TIMEOUT_S),
            "paddle": pool.submit(run_probe, installation.PADDLE_PROBE, IMPORT_TIMEOUT_S),
            "libraries": pool.submit(run_probe, installation.LIBRARIES_PROBE, IMPORT_TIMEOUT_S),
            "onednn": pool.submit(run_probe, installation.ONEDNN_PROBE, IMPORT_TIMEOUT_S),
            "hub": pool.submit(run_probe, machine.hub_probe(machine.hub_url()), HUB_TIMEOUT_S),
            "fonts": pool.submit(run_probe, fonts.FONTS_PROBE, IMPORT_TIMEOUT_S),
            "visualdl": pool.submit(run_probe, installation.VISUALDL_PROBE, IMPORT_TIMEOUT_S),
        }
        gpus = machine.machine_gpus()
        probes = {name: future.result() for name, future in futures.items()}
    return [
        installation.check_python(),
        installation.check_paddle(probes["paddle"], gpus),
        installation.check_paddlenlp(probes["paddlenlp"], probes["paddle"]),
        installation.check_libraries(probes["libraries"]),
        installation.check_versions(),
        machine.check_device(probes["paddle"], gpus),
        machine.check_threads(probes["paddle"], machine.usable_cores()),
        machine.check_dispatch(probes["paddle"], machine.cpu_field("vendor_id")),
        machine.check_onednn(probes["onednn"]),
        machine.check_hub(probes["hub"]),
        machine.check_cache(),
        installation.check_visualdl(probes["visualdl"]),
        fonts.check_fonts(probes["fonts"]),
        machine.check_disk(Path.cwd()),
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the findings and return the exit code: 1 if training cannot work, else 0."""
    parser = argparse.ArgumentParser(prog="paddle-tasks doctor", description=_("Examine this installation."))
    parser.add_argument("--json", action="store_true", help=_("print one JSON object"))
    parser.add_argument("--quiet", action="store_true", help=_("print problems only"))
    arguments = parser.parse_args(argv)
    findings = examine()
    works = all(finding.status != "fail" for finding in findings)
    if arguments.json:
        report = {"ok": works, "findings": [asdict(finding) for finding in findings]}
        # Readers of JSON expect UTF-8; in another encoding only escapes are valid.
        is_utf_8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
        print(json.dumps(report, ensure_ascii=not is_utf_8, indent=2))  # noqa: T201
        return 0 if works else 1
    for finding in findings:
        if finding.status != "ok" or not arguments.quiet:
            print("\n".join(_lines(finding)))  # noqa: T201
    print(_("training works") if works else _("training cannot work: fix what is marked fail"))  # noqa: T201
    return 0 if works else 1


def _lines(finding: Finding) -> list[str]:
    """Return a finding as lines, which fit the terminal if there is one."""
    start = f"{finding.status:<4}  {finding.name:<12}  "
    texts = [(start, finding.message)]
    if finding.fix:
        texts.append((" " * 6 + _("fix: {fix}").format(fix=""), finding.fix))
    if not sys.stdout.isatty():
        return [f"{first}{text}" for first, text in texts]
    return [line for first, text in texts for line in wrap(text, columns(), first, " " * width_of(first))]
