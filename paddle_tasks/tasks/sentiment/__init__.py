"""Sentiment: is a review positive or negative?"""

from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS

__all__ = ["PREDICTOR", "SUMMARY_METRICS", "TABLE_METRICS"]

PREDICTOR = "paddle_tasks.tasks.classification.predictor:TextPredictor"
