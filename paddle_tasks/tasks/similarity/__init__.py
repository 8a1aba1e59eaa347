"""Similarity: do two texts mean the same?"""

from paddle_tasks.language import mark_in_context
from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.training.demonstration import Demonstration

__all__ = ["DEMONSTRATION", "MEANINGS", "SUMMARY_METRICS", "TABLE_METRICS"]

MEANINGS = {"0": mark_in_context("label", "different"), "1": mark_in_context("label", "similar")}
"""What the labels of AFQMC and most other data sets of pairs mean."""

DEMONSTRATION = Demonstration(
    "label",
    (
        "会员自动续费怎么关闭\t怎样取消会员每月自动扣费",
        "这个月流量还剩多少\t剩的流量能结转到下月吗",
    ),
    labels=MEANINGS,
)
