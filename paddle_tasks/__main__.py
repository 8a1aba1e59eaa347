"""``python -m paddle_tasks``, for where the entry point is not on the path."""

from paddle_tasks.cli import main

main()
