"""Long texts: labels for texts longer than an encoder reads."""

from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS

__all__ = ["SUMMARY_METRICS", "TABLE_METRICS"]
