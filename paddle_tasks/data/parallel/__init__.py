"""Pairs of a source and its translation: reading, and batches with both sides."""
