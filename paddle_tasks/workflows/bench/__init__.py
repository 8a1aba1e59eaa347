"""Measurements: what is timed, against what, and how the figures are put together."""
