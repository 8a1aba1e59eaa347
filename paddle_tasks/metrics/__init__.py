"""Metrics: batches and processes add sums and counts; means are computed once, at the end."""
