"""Sentiment: is a review positive or negative?"""

from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS

__all__ = ["SUMMARY_METRICS", "TABLE_METRICS"]
