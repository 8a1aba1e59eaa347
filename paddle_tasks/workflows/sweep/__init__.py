"""Sweeps: every combination of a grid and of seeds is trained, and dev chooses."""

from paddle_tasks.workflows.sweep.run import sweep

__all__ = ["sweep"]
