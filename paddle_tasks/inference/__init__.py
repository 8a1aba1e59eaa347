"""Prediction from trained runs."""
