"""Scores: sums and counts travel, means are made once, at the end."""
