"""Similarity: do two texts mean the same?"""

from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS

__all__ = ["SUMMARY_METRICS", "TABLE_METRICS"]
