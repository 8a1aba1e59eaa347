"""News: the topic of a headline."""

from paddle_tasks.language import mark_in_context
from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.training.demonstration import Demonstration

__all__ = ["DEMONSTRATION", "PREDICTOR", "SUMMARY_METRICS", "TABLE_METRICS"]

NAMED_LABELS = (
    # THUCNews, as in the sample and in the shipped model
    mark_in_context("label", "finance"),
    mark_in_context("label", "realty"),
    mark_in_context("label", "stocks"),
    mark_in_context("label", "education"),
    mark_in_context("label", "science"),
    mark_in_context("label", "society"),
    mark_in_context("label", "politics"),
    mark_in_context("label", "sports"),
    mark_in_context("label", "game"),
    mark_in_context("label", "entertainment"),
    # TNEWS
    mark_in_context("label", "news_story"),
    mark_in_context("label", "news_culture"),
    mark_in_context("label", "news_entertainment"),
    mark_in_context("label", "news_sports"),
    mark_in_context("label", "news_finance"),
    mark_in_context("label", "news_house"),
    mark_in_context("label", "news_car"),
    mark_in_context("label", "news_edu"),
    mark_in_context("label", "news_tech"),
    mark_in_context("label", "news_military"),
    mark_in_context("label", "news_travel"),
    mark_in_context("label", "news_world"),
    mark_in_context("label", "news_stock"),
    mark_in_context("label", "news_agriculture"),
    mark_in_context("label", "news_game"),
)
"""The labels of known data sets, which have names in other languages."""

PREDICTOR = "paddle_tasks.tasks.classification.predictor:TextPredictor"

DEMONSTRATION = Demonstration(
    "label",
    (
        "北京房价连续三月上涨",
        "国足主场战平，出线形势不容乐观",
        "央行宣布下调存款准备金率",
        "高考志愿填报今日开始，专家支招",
    ),
    {"explain": True},
)
