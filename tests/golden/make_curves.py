"""Write the golden loss curves: the losses of the first training steps of each task on its fixture, in one thread.

    python -m tests.golden.make_curves [NAME…]

Run it from the root of the repository, without names for all tasks, when a change of the numbers is intended, and say
in the commit why they change; `git diff` shows by how much. The tests allow a relative difference of 1e-4.
"""

from __future__ import annotations

import os

os.environ["PADDLE_TASKS_THREADS"] = "1"  # before Paddle is loaded

import argparse
import json
from pathlib import Path

from paddle_tasks import tasks
from tests.tasks.curves import PRECISIONS, SEED, first_losses

FOLDER = Path(__file__).parent / "curves"


def main() -> None:
    """Write the curves of the tasks that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=tasks.names(), metavar="NAME", help="a task (default: all)")
    for name in parser.parse_args().names:
        losses = {precision: first_losses(name, precision) for precision in PRECISIONS}
        content = json.dumps({"seed": SEED, "losses": losses}, indent=2) + "\n"
        (FOLDER / f"{name}.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
