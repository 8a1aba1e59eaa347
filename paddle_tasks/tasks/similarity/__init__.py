"""Similarity: do two texts mean the same?"""

from paddle_tasks.language import mark_in_context
from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS

__all__ = ["MEANINGS", "SUMMARY_METRICS", "TABLE_METRICS"]

MEANINGS = {"0": mark_in_context("label", "different"), "1": mark_in_context("label", "similar")}
"""What the labels of AFQMC and most other data sets of pairs mean."""
