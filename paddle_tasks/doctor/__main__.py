"""Runs ``python -m paddle_tasks.doctor``."""

import sys

from paddle_tasks.doctor import main

if __name__ == "__main__":
    sys.exit(main())
